package analyze

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

func init() {
	Register(Metric{
		Name: "cross-alignment", Version: 5, Title: "Alignment of vertical and distance deltas", Shape: ShapeCurve, Quads: true, Subsets: []Subset{AllPairs},
		About: "Mean cosine between a scene's vertical and its own distance delta (the seed's cross-group alignment), beside the released control of 100 " +
			"shuffles, with draws the exact moments of all shuffles, and the same split by whether height points to the truth.",
		Compute: func(v *Vectors, _ Subset, o Options) (*Result, error) { return v.Quads.alignment(o) },
	})
	Register(Metric{
		Name: "horizontal-alignment", Version: 4, Title: "Alignment of horizontal and distance deltas", Shape: ShapeCurve, Quads: true, Horizontal: true, Subsets: []Subset{AllPairs},
		About: "The same with left and right in place of height: what two axes share because they name the same objects of the same scene is here too, " +
			"so that only what the alignment of vertical and distance has beyond this is about height.",
		Compute: func(v *Vectors, _ Subset, o Options) (*Result, error) { return v.Horizontal.alignment(o) },
	})
}

// ErrNoQuads says that a metric needs quads.
var ErrNoQuads = errors.New("vectors carry no quads")

// tinyQuad is the norm up to which the released code drops a quad's delta.
const tinyQuad = 1e-10

// alignment makes the lines "per-sample", "mean-delta" and "permutations" of the released file, "excess" (per-sample less the mean of all
// shuffles), and "per-sample-consistent" and so on where layouts are known.
func (q *Quads) alignment(o Options) (*Result, error) {
	// Lines that do not depend on layout, then one for each layout that occurs.
	keys := []string{"per-sample", "mean-delta", "permutations", "excess"}
	known := map[Layout]bool{}
	for _, quad := range q.Quads {
		if quad.Layout != LayoutUnknown {
			known[quad.Layout] = true
		}
	}
	var split []Layout
	for _, l := range layouts {
		if known[l] {
			split = append(split, l)
			keys = append(keys, "per-sample-"+string(l))
		}
	}
	points := make([][]Point, len(q.Blocks))
	dropped := make([]int, len(q.Blocks))
	units, count := q.scenes()
	var shuffles shuffles
	err := eachBlock(len(q.Blocks), func(b int) error {
		a, err := q.align(b, o.Draws > 0, &shuffles)
		if err != nil {
			return err
		}
		for i := range q.Quads {
			if q.has(i, b) {
				dropped[b]++
			}
		}
		dropped[b] -= len(a.quads)
		points[b] = a.points(q, split, o, &resampler{unit: units, count: count, seed: o.Seed})
		if a.c != nil {
			giveBack(a.c)
		}
		for i := range points[b] {
			points[b][i].Block = q.Blocks[b]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r := &Result{Curve: &Curve{Unit: "mean cosine", Range: cosineRange(), Method: intervalMethod(o, true) +
		"; mean-delta, excess: ± 1.96 jackknife standard errors over scenes, of the cosine on Fisher's scale; permutations: 100 shuffles, RandomState(42) at every block; " +
		"nulls: exact moments of all shuffles, for split lines random signs of whole scenes"}}
	for i, key := range keys {
		line := Line{Key: key}
		for b := range q.Blocks {
			line.Points = append(line.Points, points[b][i])
		}
		r.Curve.Lines = append(r.Curve.Lines, line)
	}
	for b, n := range dropped {
		if n > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("block %d: %d quads dropped, a delta's norm is at most %.0e", q.Blocks[b], n, tinyQuad))
		}
	}
	return r, nil
}

// scenes numbers the quads' resampling units, as Vectors.scenes does.
func (q *Quads) scenes() (unit []int, count int) {
	v := &Vectors{Pairs: make([]Pair, len(q.Quads))}
	for i := range v.Pairs {
		v.Pairs[i].Scene = q.Quads[i].Scene
	}
	unit, count, _ = v.scenes()
	return unit, count
}

func (q *Quads) vertical(i, b int) []float32 { return q.Vertical[i][b*q.Width : (b+1)*q.Width] }
func (q *Quads) distance(i, b int) []float32 { return q.Distance[i][b*q.Width : (b+1)*q.Width] }

// fisher is the 95 % interval of a cosine on the scale of its inverse hyperbolic tangent, where it cannot leave [−1, 1]; by the delta
// method a standard error se is se/(1 − cosine²) there. Both ends are absent at ±1, where the scale ends.
func fisher(cosine, se float64) (low, high *float64) {
	z, half := math.Atanh(cosine), z95*se/(1-cosine*cosine)
	if math.IsInf(z, 0) || math.IsNaN(half) {
		return nil, nil
	}
	return number(math.Tanh(z - half)), number(math.Tanh(z + half))
}

// points are the estimates of every line of crossAlignment.
func (a *alignment) points(q *Quads, split []Layout, o Options, r *resampler) []Point {
	n := len(a.quads)
	out := make([]Point, 4+len(split))
	for i := range out {
		out[i].N = n
	}
	if n == 0 {
		return out
	}
	own := a.own
	mean, sd := meanSD(own)
	var nullMean, nullSD float64
	per := &out[0].Estimate
	per.Value, per.SD = number(mean), number(sd)
	if a.c != nil && n > 1 {
		nullMean, nullSD = shuffleMoments(a.c, n)
		per.Null = &Null{Mean: nullMean, Low: nullMean - z95*nullSD, High: nullMean + z95*nullSD, P: a.shuffleP(mean, nullMean, o)}
	}
	out[1].Value = number(a.mean)
	if se := number(a.meanSE); se != nil {
		out[1].SE = se
		out[1].Low, out[1].High = fisher(a.mean, *se)
	}
	pm, ps := meanSD(a.shuffled)
	out[2].Value, out[2].SD = number(pm), number(ps)
	if a.c == nil {
		out[3].Value = nil
	} else if out[3].Value = number(mean - nullMean); n < 2 {
		out[3].Value = nil // one quad has no other to be shuffled with
	} else if se := number(a.excessSE(q, r.unit)); se != nil {
		out[3].SE, out[3].Low, out[3].High = se, number(mean-nullMean-z95**se), number(mean-nullMean+z95**se)
	}
	in := make([][]bool, len(split))
	for s, l := range split {
		in[s] = make([]bool, n)
		var x []float64
		for i, at := range a.quads {
			if q.Quads[at].Layout == l {
				in[s][i] = true
				x = append(x, own[i])
			}
		}
		e := &out[4+s].Estimate
		e.N = len(x)
		if len(x) > 0 {
			m, d := meanSD(x)
			e.Value, e.SD = number(m), number(d)
			e.Null = signNull(x, a.units(r, in[s]), o)
		}
	}
	if o.Draws == 0 || r.count < 2 {
		return out
	}
	// Scene draws: weighted means of own cosines.
	draws := make([][]float64, len(out))
	w := make([]float64, n)
	for d := range o.Draws {
		r.weights(w, a.quads, d, 1)
		var sw float64
		for _, x := range w {
			sw += x
		}
		at := dot(w, own) / sw
		draws[0] = append(draws[0], at)
		for s := range split {
			var num, den float64
			for i, x := range w {
				if in[s][i] {
					num += x * own[i]
					den += x
				}
			}
			draws[4+s] = append(draws[4+s], num/den)
		}
	}
	for i, d := range draws {
		if d == nil {
			continue
		}
		if se, low, high, ok := percentiles(d); ok {
			out[i].SE, out[i].Low, out[i].High = number(se), number(low), number(high)
		}
	}
	return out
}

// excessSE is the standard error of the own cosines' mean less that of all cosines, by leaving out one scene at a time:
// a scene takes its rows, its columns and what both share. NaN with fewer than three scenes.
func (a *alignment) excessSE(q *Quads, unit []int) float64 {
	n := len(a.quads)
	members := map[int][]int{}
	var order []int
	cross := make([]float64, n) // row sum + column sum of each quad
	var own, total float64
	for i, at := range a.quads {
		u := unit[at]
		if members[u] == nil {
			order = append(order, u)
		}
		members[u] = append(members[u], i)
		own += a.c[i*n+i]
		for j, x := range a.c[i*n : (i+1)*n] {
			cross[i] += x
			cross[j] += x
			total += x
		}
	}
	var left []float64
	for _, u := range order {
		m := members[u]
		rest := float64(n - len(m))
		if rest == 0 {
			continue
		}
		o, t := own, total
		for _, i := range m {
			o -= a.c[i*n+i]
			t -= cross[i]
			for _, j := range m {
				t += a.c[i*n+j]
			}
		}
		left = append(left, o/rest-t/(rest*rest))
	}
	if len(left) < 3 {
		return math.NaN()
	}
	_, sd := meanSD(left)
	return sd * math.Sqrt(float64(len(left)-1))
}

// units are the resampling units of the rows for which in holds.
func (a *alignment) units(r *resampler, in []bool) []int {
	var out []int
	for i, at := range a.quads {
		if in[i] {
			out = append(out, r.unit[at])
		}
	}
	return out
}

// shuffleMoments are mean and deviation of the mean of c[i, π(i)] over all n! permutations π of a matrix c [n, n]: the mean of all
// entries, and √(Σ d_ij²/(n²(n−1))) with d = c doubly centred.
func shuffleMoments(c []float64, n int) (mean, sd float64) {
	rows, cols := make([]float64, n), make([]float64, n)
	for i := range n {
		for j, x := range c[i*n : (i+1)*n] {
			rows[i] += x
			cols[j] += x
		}
	}
	for i := range n {
		mean += rows[i]
	}
	m := float64(n)
	mean /= m * m
	if n < 2 {
		return mean, 0
	}
	var sum float64
	for i := range n {
		for j, x := range c[i*n : (i+1)*n] {
			d := x - rows[i]/m - cols[j]/m + mean
			sum += d * d
		}
	}
	return mean, math.Sqrt(sum / (m * m * (m - 1)))
}

// shuffleP is the Monte-Carlo p-value of the observed mean against shuffles, two-sided about their mean:
// (b+1)/(B+1), Phipson and Smyth 2010. Nil without draws.
func (a *alignment) shuffleP(observed, mean float64, o Options) *float64 {
	if o.Draws == 0 {
		return nil
	}
	n := len(a.quads)
	rng := newStream(o.Seed, 0x5175616473) // "Quads"
	// Several shuffles at a time, so that each row of the matrix is read once for all of them.
	const group = 32
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	perms := make([]int32, n*group) // [n, group]
	var sums [group]float64
	at := 0
	// A shuffle at least as far out counts; rounding must not decide ties.
	limit := math.Abs(observed-mean) * (1 - 1e-12)
	for from := 0; from < o.Draws; from += group {
		m := min(group, o.Draws-from)
		for p := range m {
			for i := n - 1; i > 0; i-- {
				j := rng.below(i + 1)
				order[i], order[j] = order[j], order[i]
			}
			for i, j := range order {
				perms[i*group+p] = j
			}
		}
		clear(sums[:])
		for i := range n {
			row := a.c[i*n : (i+1)*n]
			for p, j := range perms[i*group : i*group+m] {
				sums[p] += row[j]
			}
		}
		for _, sum := range sums[:m] {
			if math.Abs(sum/float64(n)-mean) >= limit {
				at++
			}
		}
	}
	return number(float64(at+1) / float64(o.Draws+1))
}

// signNull is the null of a mean under random signs of whole units: there is no alignment either way. All signs are
// enumerated where there are at most 12 units.
func signNull(x []float64, unit []int, o Options) *Null {
	total := map[int]float64{}
	var order []int
	for i, u := range unit {
		if _, ok := total[u]; !ok {
			order = append(order, u)
		}
		total[u] += x[i]
	}
	sums := make([]float64, len(order))
	var square, observed float64
	for i, u := range order {
		sums[i] = total[u]
		square += sums[i] * sums[i]
		observed += sums[i]
	}
	n := float64(len(x))
	sd := math.Sqrt(square) / n
	null := &Null{Low: -z95 * sd, High: z95 * sd}
	limit := math.Abs(observed) * (1 - 1e-12)
	at := 0
	if len(sums) <= 12 {
		for s := range 1 << len(sums) {
			var sum float64
			for i, x := range sums {
				if s>>i&1 == 1 {
					x = -x
				}
				sum += x
			}
			if math.Abs(sum) >= limit {
				at++
			}
		}
		null.P = number(float64(at) / float64(int(1)<<len(sums)))
		return null
	}
	if o.Draws == 0 {
		return null
	}
	src := rand.NewPCG(o.Seed, 0x5369676e73) // "Signs"
	for range o.Draws {
		var sum float64
		var word uint64
		for i, x := range sums {
			if i%64 == 0 {
				word = src.Uint64()
			}
			if word&1 == 1 {
				x = -x
			}
			word >>= 1
			sum += x
		}
		if math.Abs(sum) >= limit {
			at++
		}
	}
	null.P = number(float64(at+1) / float64(o.Draws+1))
	return null
}
