package analyze

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWilson: intervals of published counter accuracies, n = 129, in per cent to one decimal.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		accuracy, low, high float64
	}{{24.0, 17.5, 32.1}, {34.9, 27.2, 43.4}, {39.5, 31.5, 48.2}, {41.1, 33.0, 49.7}, {59.7, 51.1, 67.8}} {
		k := int(math.Round(c.accuracy / 100 * 129))
		low, high := Wilson(k, 129)
		got := [2]float64{math.Round(1000*low) / 10, math.Round(1000*high) / 10}
		if got != [2]float64{c.low, c.high} {
			t.Errorf("%d of 129: %v, expected [%v %v]", k, got, c.low, c.high)
		}
	}
	if low, high := Wilson(0, 10); low != 0 || math.Abs(high-0.2775) > 1e-4 {
		t.Errorf("0 of 10: %v to %v, expected 0 to 0.2775", low, high)
	}
}

// TestNewcombe: examples (a) and (d) of Newcombe 1998, table II, method 10.
func TestNewcombe(t *testing.T) {
	for _, c := range []struct {
		k1, n1, k2, n2 int
		low, high      float64
	}{{56, 70, 48, 80, 0.0524, 0.3339}, {9, 10, 3, 10, 0.1705, 0.8090}, {5, 56, 0, 29, -0.0381, 0.1926}} {
		low, high := Newcombe(c.k1, c.n1, c.k2, c.n2)
		if math.Abs(low-c.low) > 5e-5 || math.Abs(high-c.high) > 5e-5 {
			t.Errorf("%d/%d − %d/%d: %.4f to %.4f, expected %v to %v", c.k1, c.n1, c.k2, c.n2, low, high, c.low, c.high)
		}
	}
}

// published are the columns of the paper's Table 5 and Tables 2–3 for the 16 checkpoints that have coherences.
var published = struct{ cohD, vdei, consistent, counter, tunnelGap, cvGap []float64 }{
	cohD:       []float64{.075, .072, .096, .107, .112, .052, .070, .095, .089, .104, .182, .043, .040, .042, .045, .052},
	vdei:       []float64{.279, .388, .459, .514, .474, .539, .606, .589, .591, .550, .362, .457, .456, .451, .429, .472},
	consistent: []float64{63.5, 60.6, 62.7, 65.2, 65.3, 49.0, 57.7, 61.1, 63.2, 60.7, 87.0, 54.7, 50.6, 52.6, 55.8, 60.9},
	counter:    []float64{34.9, 29.5, 27.1, 34.1, 39.5, 27.1, 15.5, 34.1, 38.8, 41.1, 59.7, 32.6, 30.2, 27.1, 26.4, 24.0},
	tunnelGap:  []float64{.078, .021, .184, .198, .073, .033, .124, .267, .157, .127, .046, .416, .145, .171, .202, .295},
	cvGap:      []float64{93.1 - 75.4, 80.2 - 56.9, 89.5 - 56.9, 88.7 - 70.8, 90.6 - 72.3, 74.4 - 40.0, 71.6 - 50.8, 81.3 - 58.5, 84.6 - 67.7, 97.2 - 93.8, 98.9 - 95.4, 75.5 - 55.4, 69.7 - 60.0, 65.8 - 58.5, 61.2 - 58.5, 62.0 - 53.8},
}

// TestSpearman: rank correlations across the published checkpoints, to two decimals.
func TestSpearman(t *testing.T) {
	p := published
	gap := make([]float64, len(p.counter))
	for i := range gap {
		gap[i] = p.consistent[i] - p.counter[i]
	}
	for _, c := range []struct {
		what string
		x, y []float64
		want float64
	}{
		{"VD-EI and counter accuracy", p.vdei, p.counter, -.05},
		{"VD-EI and tunnel gap", p.vdei, p.tunnelGap, .17},
		{"VD-EI and gap", p.vdei, gap, -.09},
		{"CohD and counter accuracy", p.cohD, p.counter, .66},
		{"CohD and gap", p.cohD, gap, .17},
		{"CohD and tunnel gap", p.cohD, p.tunnelGap, -.28},
		{"CohD and CV-3D gap", p.cohD, p.cvGap, .06},
	} {
		if got := math.Round(100*Spearman(c.x, c.y)) / 100; got != c.want {
			t.Errorf("%s: %v, expected %v", c.what, got, c.want)
		}
	}
	// Distance coherence on rendered scenes (printed to two decimals) against counter accuracy on two benchmarks: all 17
	// checkpoints, without the two that stand alone, and within one family.
	tunnel := []float64{.10, .06, .09, .10, .18, .05, .06, .11, .10, .20, .27, .10, .09, .09, .10, .10, .55}
	emb := append(slices.Clone(p.counter), 41.7)
	cv := []float64{75.4, 56.9, 56.9, 70.8, 72.3, 40.0, 50.8, 58.5, 67.7, 93.8, 95.4, 55.4, 60.0, 58.5, 58.5, 53.8, 90.8}
	families := func(x []float64) []float64 { return slices.Concat(x[:10], x[11:16]) }
	for _, c := range []struct {
		x, y []float64
		want float64
	}{
		{tunnel, emb, .78}, {tunnel, cv, .77}, {families(tunnel), families(emb), .68}, {families(tunnel), families(cv), .68},
		{tunnel[11:16], emb[11:16], -.29}, {tunnel[11:16], cv[11:16], -.74},
	} {
		if got := math.Round(100*Spearman(c.x, c.y)) / 100; got != c.want {
			t.Errorf("distance coherence and counter accuracy, n = %d: %v, expected %v", len(c.x), got, c.want)
		}
	}
}

func TestRankStatistics(t *testing.T) {
	if d := cmp.Diff([]float64{2.5, 1, 2.5, 4}, Ranks([]float64{3, 1, 3, 7})); d != "" {
		t.Error(d)
	}
	// By hand: 5 concordant, 1 discordant of 6 pairs.
	if got := Kendall([]float64{1, 2, 3, 4}, []float64{1, 2, 4, 3}); math.Abs(got-4.0/6) > 1e-15 {
		t.Errorf("Kendall: %v", got)
	}
	if !math.IsNaN(Spearman([]float64{1, 1}, []float64{1, 2})) || !math.IsNaN(Kendall([]float64{1, 1}, []float64{1, 2})) {
		t.Error("a rank correlation without ranks")
	}
}

func TestAdjustedP(t *testing.T) {
	p := []float64{0.01, 0.04, 0.03, 0.005}
	close := func(a, b []float64) bool {
		return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Abs(x-y) < 1e-15 })
	}
	if got := Holm(p); !close(got, []float64{0.03, 0.06, 0.06, 0.02}) { // R: p.adjust(p, "holm")
		t.Errorf("Holm: %v", got)
	}
	if got := BenjaminiHochberg(p); !close(got, []float64{0.02, 0.04, 0.04, 0.02}) { // R: p.adjust(p, "BH")
		t.Errorf("Benjamini–Hochberg: %v", got)
	}
	if got := McNemar(1, 7); math.Abs(got-18.0/256) > 1e-15 { // 2·(1 + 8)/2⁸
		t.Errorf("McNemar: %v, expected %v", got, 18.0/256)
	}
	if McNemar(0, 0) != 1 || McNemar(3, 3) != 1 {
		t.Error("McNemar of no difference")
	}
}

// toy makes n pairs for each category with the given widths of direction and noise; two pairs share each scene.
func toy(n, width int, seed uint64) *Vectors {
	rng := rand.New(rand.NewPCG(seed, 7))
	v := &Vectors{Width: width, Blocks: []int{3}, Answered: true}
	for c, category := range Categories {
		for i := range n {
			o, s := make([]float32, width), make([]float32, width)
			for k := range o {
				o[k] = float32(rng.NormFloat64())
				s[k] = o[k] + float32(rng.NormFloat64())
			}
			s[c/2] += float32(2 * signOf(c))
			s[1] += float32(0.7 * signOf(c)) // axes are entangled along dimension 1
			s[3] += 0.5                      // whatever the truth
			v.Pairs = append(v.Pairs, Pair{ID: fmt.Sprint(c, i), Category: category, Axis: Axes[c/2], Scene: fmt.Sprint(i / 2),
				Layout: layouts[i%2], CorrectOriginal: i%3 != 0, CorrectSwapped: i%4 != 0})
			v.Original, v.Swapped = append(v.Original, o), append(v.Swapped, s)
		}
	}
	v.Readout = &Readout{}
	for a := range Axes { // the answer is read off an axis' own dimension
		direction := make([]float32, width)
		direction[a] = 1
		v.Readout.Axes[a] = [][]float32{direction}
	}
	return v
}

// TestClosedFormsAreBruteForce computes every Gram-type quantity under random weights by going through all pairs.
func TestClosedFormsAreBruteForce(t *testing.T) {
	v := toy(7, 20, 1)
	v.Original[5] = slices.Clone(v.Swapped[5]) // a zero delta
	d, err := v.Layer(3)
	if err != nil {
		t.Fatal(err)
	}
	n := d.Len()
	rng := rand.New(rand.NewPCG(5, 5))
	weight := make([]float64, n)
	for i := range weight {
		weight[i] = float64(rng.IntN(3))
	}
	g, err := newGram(v, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	w := make([]float64, g.n())
	for r, p := range g.pairs {
		if p >= 0 {
			w[r] = weight[p]
		}
	}
	s := newSums(g.cells)
	g.weigh([]*sums{s}, w)
	for _, subset := range []Subset{AllPairs, BothCorrect} {
		m := s.moments(subset)
		use := func(i int) bool { return subset == AllPairs || v.Pairs[i].BothCorrect() }
		unit := func(i int) []float64 {
			x := make([]float64, d.Width)
			norm := norm32(d.Row(i))
			if norm < tinyNorm {
				norm = 1
			}
			for k, f := range d.Row(i) {
				x[k] = float64(f) / norm
			}
			return x
		}
		meanCosine := func(in func(i int) bool, signed bool) float64 {
			var num, den float64
			for i := range n {
				for j := range n {
					if i == j || !in(i) || !in(j) || !use(i) || !use(j) {
						continue
					}
					c := dot(unit(i), unit(j))
					if signed {
						c *= signOf(categoryOf(d.Categories[i])) * signOf(categoryOf(d.Categories[j]))
					}
					num += weight[i] * weight[j] * c
					den += weight[i] * weight[j]
				}
			}
			// Copies of one pair never meet: a pair of weight 2 has no pair with itself.
			return num / den
		}
		sum := func(in func(i int) bool, signed bool) ([]float64, float64) {
			x, total := make([]float64, d.Width), 0.0
			for i := range n {
				if in(i) && use(i) {
					total += weight[i]
					f := weight[i]
					if signed {
						f *= signOf(categoryOf(d.Categories[i]))
					}
					for k, y := range d.Row(i) {
						x[k] += f * float64(y)
					}
				}
			}
			for k := range x {
				x[k] /= total
			}
			return x, total
		}
		ofAxis := func(a int) func(int) bool { return func(i int) bool { return d.Axes[i] == Axes[a] } }
		ofCategory := func(c int) func(int) bool {
			return func(i int) bool { return d.Categories[i] == Categories[c] }
		}
		cosine := func(x, y []float64) float64 { return dot(x, y) / math.Sqrt(dot(x, x)*dot(y, y)) }
		check := func(what string, got, want float64) {
			t.Helper()
			if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-12*max(1, math.Abs(want)) {
				t.Errorf("%s: %s: %v, by brute force %v", subset, what, got, want)
			}
		}
		for a, axis := range Axes {
			check("coherence "+axis, m.coherence(a), meanCosine(ofAxis(a), true))
		}
		for c, name := range Categories {
			check("within "+name, m.within(c), meanCosine(ofCategory(c), false))
			x, total := sum(ofCategory(c), false)
			for b, other := range Categories {
				y, _ := sum(ofCategory(b), false)
				check("cosine "+name+" "+other, m.cosine(c, b), cosine(x, y))
			}
			var norm float64
			for i := range n {
				if ofCategory(c)(i) && use(i) {
					norm += weight[i] * norm32(d.Row(i))
				}
			}
			check("norm "+name, m.meanNorm(c), norm/total)
		}
		for _, p := range axisPairs {
			x, _ := sum(ofAxis(p.a), true)
			y, _ := sum(ofAxis(p.b), true)
			check("released "+p.key, m.released(p.a, p.b), dot(x, y)/(math.Sqrt(dot(x, x))*math.Sqrt(dot(y, y))+1e-12))
			var mean [4][]float64
			for i, c := range []int{2 * p.a, 2*p.a + 1, 2 * p.b, 2*p.b + 1} {
				mean[i], _ = sum(ofCategory(c), false)
			}
			check("paper "+p.key, m.paper(p.a, p.b), (cosine(mean[0], mean[2])+cosine(mean[1], mean[3])-cosine(mean[0], mean[3])-cosine(mean[1], mean[2]))/4)
		}
		// The unbiased square of a mean: products of different pairs only.
		square := func(in func(i int) bool, signed bool) float64 {
			var num, den float64
			for i := range n {
				for j := range n {
					if i != j && in(i) && in(j) && use(i) && use(j) {
						c := weight[i] * weight[j]
						den += c
						if signed {
							c *= signOf(categoryOf(d.Categories[i])) * signOf(categoryOf(d.Categories[j]))
						}
						var x float64
						for k := range d.Width {
							x += float64(d.Row(i)[k]) * float64(d.Row(j)[k])
						}
						num += c * x
					}
				}
			}
			return num / den
		}
		for a, axis := range Axes {
			x, _ := sum(ofCategory(2*a), false)
			y, _ := sum(ofCategory(2*a+1), false)
			pp, qq := square(ofCategory(2*a), false), square(ofCategory(2*a+1), false)
			check("order "+axis, m.order(a), (pp+qq+2*dot(x, y))/(2*(pp+qq)))
		}
		x, _ := sum(ofAxis(1), true)
		y, _ := sum(ofAxis(2), true)
		check("disattenuated vd", m.disattenuated(1, 2), dot(x, y)/math.Sqrt(square(ofAxis(1), true)*square(ofAxis(2), true)))
		half := func(l Layout) []float64 {
			z, _ := sum(func(i int) bool { return ofAxis(2)(i) && v.Pairs[i].Layout == l }, true)
			return z
		}
		z := half(Consistent)
		for k, c := range half(Counter) {
			z[k] = (z[k] + c) / 2
		}
		check("balanced vd", m.balanced(), dot(x, z)/(math.Sqrt(dot(x, x))*math.Sqrt(dot(z, z))+1e-12))
	}
}

// TestSinglePrecisionDraws: what much work is done in moves a draw by far less than the draws leave open, with a dimension that dominates and
// without. Cells are no whole number of lanes here, and one delta is zero.
func TestSinglePrecisionDraws(t *testing.T) {
	for _, rogue := range []float32{1, 100} {
		v := toy(43, 96, 11)
		v.Original[5] = slices.Clone(v.Swapped[5])
		for i := range v.Pairs {
			v.Swapped[i][9] = v.Original[i][9] + rogue*(v.Swapped[i][9]-v.Original[i][9])
		}
		g, err := newGram(v, 0, true)
		if err != nil {
			t.Fatal(err)
		}
		unit, count, _ := v.scenes()
		r := &resampler{unit: unit, count: count, seed: 3}
		n := g.n()
		const draws = 9
		w := make([]float64, draws*n)
		r.weights(w, g.pairs, 0, draws)
		single, double := make([]*sums, draws), make([]*sums, draws)
		for j := range draws {
			single[j], double[j] = newSums(g.cells), newSums(g.cells)
		}
		f, release := newSingleWeigher(g)
		f.weigh(single, w, true)
		release()
		g.weigh(double, w)
		var worst float64
		for j := range draws {
			for _, subset := range []Subset{AllPairs, BothCorrect} {
				a, b := single[j].moments(subset), double[j].moments(subset)
				for _, q := range quantities {
					x, y := q.value(a), q.value(b)
					off := math.Abs(x-y) / max(1, math.Abs(y))
					if math.IsNaN(x) != math.IsNaN(y) || off > 1e-5 {
						t.Errorf("factor %v: draw %d: %s of %s: %v, in float64 %v", rogue, j, q.key, subset, x, y)
					}
					if !math.IsNaN(off) {
						worst = max(worst, off)
					}
				}
			}
		}
		if worst == 0 {
			t.Error("float32 makes no difference: it was not used")
		}
		t.Logf("factor %v: furthest off %.2g", rogue, worst)
	}
}

// TestTwoFormsOfVDEI: with equally many pairs and equal norms in both categories of each axis, paper form = released form × ratio.
func TestTwoFormsOfVDEI(t *testing.T) {
	v := &Vectors{Width: 4, Blocks: []int{0}}
	// One pair a category; category means of one axis have equal norms by construction.
	deltas := map[string][]float32{
		"left": {1, 0, 0, 0}, "right": {-1, 0, 0, 0},
		"above": {0, 3, 0, 1}, "below": {0, -3, 0, 1},
		"far": {0, 1, 2, 2}, "close": {0, -1, -2, 2},
	}
	for i, c := range Categories {
		v.Pairs = append(v.Pairs, Pair{ID: c, Category: c, Axis: Axes[i/2]})
		v.Original, v.Swapped = append(v.Original, make([]float32, 4)), append(v.Swapped, deltas[c])
	}
	value := map[string]float64{}
	for _, l := range run(t, v, "vd-ei", AllPairs, Options{}).Curve.Lines {
		if x := l.Points[0].Value; x != nil {
			value[l.Key] = *x
		}
	}
	// By hand: v_V = (0,3,0,0), v_D = (0,1,2,0): cosine 1/√5.
	near(t, "released", ptr(value["vd-ei"]), 1/math.Sqrt(5), 1e-12)
	near(t, "paper", ptr(value["vd-ei-paper"]), value["vd-ei"]*value["ratio"], 1e-12)
	near(t, "ratio", ptr(value["ratio"]), math.Sqrt(9.0/10)*math.Sqrt(5.0/9), 1e-12)
}

func ptr(x float64) *float64 { return &x }

// TestIdentities of leave-one-out projections, deviations and their standard errors.
func TestIdentities(t *testing.T) {
	v := toy(9, 24, 2)
	g, err := newGram(v, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	rows := g.axisRows(AllPairs, 1)
	c := g.gather()
	h := g.projections(c, AllPairs, onAxis(1))
	mean, sd := g.spread(c, AllPairs, onAxis(1))
	meanH, _ := meanSD(h)
	if math.Abs(meanH-mean) > 1e-14 {
		t.Errorf("mean projection %v, coherence %v", meanH, mean)
	}
	var square, fourth, n float64
	for _, i := range rows {
		n++
		for _, j := range rows {
			c := g.cosine(i, j)
			square += c * c
			if i == j {
				fourth += c * c
			}
		}
	}
	// Var = Σ_{i<j} G² / m − mean².
	if want := math.Sqrt((square-fourth)/2/(n*(n-1)/2) - mean*mean); math.Abs(sd-want) > 1e-12 {
		t.Errorf("deviation %v, closed form %v", sd, want)
	}
	if f := newSignFlip(len(rows), [2]float64{mean, sd}, nil); math.Abs(f.sd-math.Sqrt(2*(square-fourth))/(n*(n-1))) > 1e-15 {
		t.Errorf("sign-flip deviation %v", f.sd)
	}
	// The jackknife agrees with the Hájek projection for a mean over pairs, up to terms of order 1/n.
	s := mean * n * (n - 1)
	var left []float64
	for i := range h {
		left = append(left, (s-2*h[i]*(n-1))/((n-1)*(n-2)))
	}
	_, sj := meanSD(left)
	var e Estimate
	e.Value = &mean
	hajek(&e, h)
	if jack := sj * math.Sqrt(n-1); math.Abs(jack/(*e.SE)-1) > 0.1 {
		t.Errorf("jackknife %v, Hájek %v", jack, *e.SE)
	}
}

// TestSignFlipsEnumerated: with few pairs, mean and deviation over all sign vectors.
func TestSignFlipsEnumerated(t *testing.T) {
	v := toy(3, 10, 3)
	g, err := newGram(v, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	rows := g.axisRows(AllPairs, 0)
	n := len(rows)
	var all []float64
	for s := range 1 << n {
		var sum float64
		for x, i := range rows {
			for y, j := range rows {
				if x != y {
					c := g.cosine(i, j)
					if (s>>x^s>>y)&1 == 1 {
						c = -c
					}
					sum += c
				}
			}
		}
		all = append(all, sum/float64(n*(n-1)))
	}
	mean, sd := meanSD(all)
	m, s := g.spread(g.gather(), AllPairs, onAxis(0))
	f := newSignFlip(n, [2]float64{m, s}, g.signFlips([]Subset{AllPairs}, Options{Draws: 2000, Seed: 1})[AllPairs][0])
	if math.Abs(mean) > 1e-15 || math.Abs(sd-f.sd) > 1e-14 {
		t.Errorf("enumerated %v ± %v, closed form 0 ± %v", mean, sd, f.sd)
	}
	_, drawn := meanSD(f.draws)
	if math.Abs(drawn/sd-1) > 0.1 {
		t.Errorf("drawn deviation %v, exact %v", drawn, sd)
	}
}

// TestLabelNull: the mean coherence under all permutations of the labels.
func TestLabelNull(t *testing.T) {
	v := toy(3, 10, 4)
	s, err := v.summarise(Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := s.facts(0, AllPairs)
	_, labels := labelNull(f, Axes[0])
	g, err := newGram(v, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	rows := g.axisRows(AllPairs, 0)
	n := len(rows)
	var sum, count float64
	for bits := range 1 << n {
		ones := 0
		for i := range n {
			ones += bits >> i & 1
		}
		if ones != 3 {
			continue
		}
		for x, i := range rows {
			for y, j := range rows {
				if x != y {
					c := g.cosine(i, j)
					if (bits>>x^bits>>y)&1 == 1 {
						c = -c
					}
					sum += c / float64(n*(n-1))
				}
			}
		}
		count++
	}
	near(t, "label null", labels.Value, sum/count, 1e-14)
}

// TestAUC by counting, and DeLong's limits.
func TestAUC(t *testing.T) {
	h := []float64{0.3, 0.1, 0.2, -0.1, 0.3}
	s := []float64{1, 1, 1, -1, -1}
	// Scores: canonical .3 .1 .2; opposite .1 −.3. Of six comparisons five are won, one is a tie.
	near(t, "AUC", auc(h, s).Value, 5.5/6, 1e-15)
	if e := auc(h[:3], s[:3]); e.Value != nil {
		t.Error("an AUC of one side")
	}
}

// TestBootstrapIsJoint: the same scenes are drawn for every block and checkpoint, so a checkpoint differs from its
// copy by exactly nothing.
func TestBootstrapIsJoint(t *testing.T) {
	a, b := toy(8, 16, 9), toy(8, 16, 9)
	r, err := comparisons["coherence-difference"].Run([]string{"a", "b"}, []*Vectors{a, b}, AllPairs, Options{Draws: 100, Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range r.Curve.Lines {
		if e := l.Points[0]; *e.Value != 0 || *e.Low != 0 || *e.High != 0 || *e.Null.P != 1 {
			t.Errorf("%s: %+v", l.Key, e)
		}
	}
}

// TestBootstrapCoverage: the interval of coherence has about the width that many repetitions show.
func TestBootstrapWidth(t *testing.T) {
	var means, ses []float64
	for seed := range uint64(60) {
		v := toy(12, 16, 100+seed)
		for i := range v.Pairs {
			v.Pairs[i].Scene = fmt.Sprint(i)
		}
		e := run(t, v, "axis-coherence", AllPairs, Options{Draws: 200, Seed: 1}).Curve.Lines[1].Points[0]
		means, ses = append(means, *e.Value), append(ses, *e.SE)
	}
	_, spread := meanSD(means)
	typical, _ := meanSD(ses)
	if ratio := typical / spread; ratio < 0.75 || ratio > 1.35 {
		t.Errorf("bootstrap standard error %v, spread over repetitions %v", typical, spread)
	}
}

func TestComparisonsPairByID(t *testing.T) {
	a, b := toy(6, 12, 1), toy(6, 12, 2)
	c := &Vectors{Width: b.Width, Blocks: b.Blocks, Answered: true}
	for i := len(b.Pairs) - 1; i > 0; i-- { // reversed, one missing
		c.Pairs, c.Original, c.Swapped = append(c.Pairs, b.Pairs[i]), append(c.Original, b.Original[i]), append(c.Swapped, b.Swapped[i])
	}
	for _, m := range Comparisons() {
		r, err := m.Run([]string{"a", "b"}, []*Vectors{a, c}, AllPairs, Options{Draws: 60, Seed: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Notes) == 0 || r.Notes[len(r.Notes)-1] != "a: 1 pairs left out, another checkpoint lacks them" {
			t.Errorf("%s: notes %q", m.Name, r.Notes)
		}
	}
	if _, err := comparisons["rank-stability"].Run([]string{"a"}, []*Vectors{a}, AllPairs, Options{}); err == nil {
		t.Error("one checkpoint compared")
	}
}

func TestRejectsBadVectors(t *testing.T) {
	for name, spoil := range map[string]func(*Vectors){
		"category": func(v *Vectors) { v.Pairs[2].Category = "under" },
		"axis":     func(v *Vectors) { v.Pairs[2].Axis = "distance" },
		"length":   func(v *Vectors) { v.Original[1] = v.Original[1][:3] },
		"blocks":   func(v *Vectors) { v.Blocks = []int{2, 1} },
		"infinite": func(v *Vectors) { v.Swapped[4][2] = float32(math.Inf(1)) },
	} {
		v := named(toy(4, 8, 1))
		spoil(v)
		for _, m := range Metrics() {
			if m.Quads || m.Answers && name == "infinite" {
				continue
			}
			if _, err := m.Run(v, AllPairs, Options{}); err == nil {
				t.Errorf("%s: metric %s computed a result", name, m.Name)
			}
		}
	}
}

// TestSameOnAnyNumberOfProcessors renders every metric twice.
func TestResultsAreReproducible(t *testing.T) {
	render := func() string {
		var all string
		v := named(toy(9, 30, 6))
		v.Usual = toy(9, 30, 8)
		for _, m := range Metrics() {
			if m.Quads {
				continue
			}
			for _, s := range []Subset{AllPairs, BothCorrect, AllWithValidity} {
				all += fmt.Sprintf("%s %s %s\n", m.Name, s, jsonOf(t, run(t, v, m.Name, s, Options{Draws: 70, Seed: 3})))
			}
		}
		return all
	}
	first := render()
	for _, p := range []int{1, 3} {
		setProcessors(t, p)
		if d := cmp.Diff(first, render()); d != "" {
			t.Errorf("with %d processors: %s", p, d)
		}
	}
}

// A coherence of 0 or less is no reliability. Below −1/(n−1), beyond its pole, the Spearman–Brown formula would give more than 1, and an
// interval's lower end above its upper one.
func TestReliabilityOfNegativeCoherence(t *testing.T) {
	v := toy(24, 6, 5)
	for i := range v.Swapped { // no direction: coherences on both sides of 0
		rng := rand.New(rand.NewPCG(5, uint64(i)))
		for k := range v.Swapped[i] {
			v.Swapped[i][k] = v.Original[i][k] + float32(rng.NormFloat64())
		}
	}
	r := run(t, v, "effect-size", AllPairs, Options{Draws: 200, Seed: 1})
	ends := 0
	for _, l := range r.Curve.Lines {
		if !strings.HasPrefix(l.Key, "reliability-") {
			continue
		}
		for _, p := range l.Points {
			if p.Low == nil || p.High == nil {
				continue
			}
			ends++
			if !(*p.Low >= 0 && *p.Low <= *p.High && *p.High < 1) {
				t.Errorf("%s, block %d: [%v, %v], expected 0 ≤ low ≤ high < 1", l.Key, p.Block, *p.Low, *p.High)
			}
		}
	}
	if ends == 0 {
		t.Fatal("no interval seen")
	}
}
