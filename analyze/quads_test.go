package analyze

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGoldenAlignment(t *testing.T) {
	for _, set := range goldenSets {
		g := readGolden(t, set)
		if g.vectors.Quads == nil {
			if g.expected.Alignment != nil {
				t.Errorf("%s: no quads, but expectations", set)
			}
			continue
		}
		for _, draws := range []int{0, 30} {
			lines := run(t, g.vectors, "cross-alignment", AllPairs, Options{Draws: draws, Seed: 5}).Curve.Lines
			for b, p := range lines[0].Points {
				key := fmt.Sprintf("L%d", p.Block)
				for _, c := range []struct {
					want      map[string]alignmentJSON
					tolerance float64
				}{{g.expected.Alignment, releasedTolerance}, {g.expected.Exact.Alignment, exactTolerance}} {
					w, ok := c.want[key]
					if !ok {
						if p.Value != nil {
							t.Errorf("%s %s: %v, expected nothing", set, key, *p.Value)
						}
						continue
					}
					near(t, set+" per-sample "+key, p.Value, w.PerSampleMean, c.tolerance)
					near(t, set+" per-sample std "+key, p.SD, w.PerSampleStd, c.tolerance)
					near(t, set+" mean-delta "+key, lines[1].Points[b].Value, w.MeanDelta, c.tolerance)
					near(t, set+" permutations "+key, lines[2].Points[b].Value, w.PermMean, c.tolerance)
					near(t, set+" permutations std "+key, lines[2].Points[b].SD, w.PermStd, c.tolerance)
					if p.N != w.N {
						t.Errorf("%s %s: n = %d, expected %d", set, key, p.N, w.N)
					}
				}
			}
		}
	}
}

// TestShuffleMoments enumerates all permutations of six.
func TestShuffleMoments(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 6; n++ {
		c := make([]float64, n*n)
		for i := range c {
			c[i] = rng.NormFloat64()
		}
		var means []float64
		var visit func(i int, used uint, sum float64)
		visit = func(i int, used uint, sum float64) {
			if i == n {
				means = append(means, sum/float64(n))
				return
			}
			for j := range n {
				if used>>j&1 == 0 {
					visit(i+1, used|1<<j, sum+c[i*n+j])
				}
			}
		}
		visit(0, 0, 0)
		mean, sd := meanSD(means)
		gotMean, gotSD := shuffleMoments(c, n)
		if math.Abs(gotMean-mean) > 1e-12 || math.Abs(gotSD-sd) > 1e-12 {
			t.Errorf("n = %d: %v ± %v, by enumeration %v ± %v", n, gotMean, gotSD, mean, sd)
		}
	}
}

func TestAlignmentByLayout(t *testing.T) {
	// Two dimensions by hand: consistent quads point the same way, counter quads opposite ways.
	q := &Quads{Blocks: []int{0}, Width: 2}
	for i := range 14 {
		l, d := Consistent, []float32{2, 0}
		if i >= 10 {
			l, d = Counter, []float32{-3, 0}
		}
		q.Quads = append(q.Quads, Quad{ID: fmt.Sprint(i), Layout: l})
		q.Vertical, q.Distance = append(q.Vertical, []float32{1, 0}), append(q.Distance, d)
	}
	v := &Vectors{Width: 2, Quads: q}
	lines := run(t, v, "cross-alignment", AllPairs, Options{Draws: 200, Seed: 1}).Curve.Lines
	value := func(key string) Estimate {
		for _, l := range lines {
			if l.Key == key {
				return l.Points[0].Estimate
			}
		}
		t.Fatalf("no line %q", key)
		return Estimate{}
	}
	near(t, "all", value("per-sample").Value, 6.0/14, 1e-15)
	near(t, "consistent", value("per-sample-consistent").Value, 1, 1e-15)
	near(t, "counter", value("per-sample-counter").Value, -1, 1e-15)
	near(t, "excess", value("excess").Value, 0, 1e-15)
	near(t, "counter p", value("per-sample-counter").Null.P, 2.0/16, 0) // all four signs alike
	if p := value("per-sample-consistent").Null.P; *p != 2.0/1024 {
		t.Errorf("consistent p: %v, expected %v", *p, 2.0/1024)
	}
	near(t, "interval", value("per-sample-consistent").Low, 1, 1e-15)
}

// TestSelectedCosines holds the way large sets take without draws to the full matrix.
func TestSelectedCosines(t *testing.T) {
	const n, d = 137, 2*stretch + 87
	rng := rand.New(rand.NewPCG(3, 4))
	q := &Quads{Blocks: []int{0}, Width: d}
	for i := range n {
		v, w := make([]float32, d), make([]float32, d)
		for k := range v {
			v[k], w[k] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
		}
		q.Quads = append(q.Quads, Quad{ID: fmt.Sprint(i), Scene: fmt.Sprint(min(i*i, 8*i) % 9)})
		q.Vertical, q.Distance = append(q.Vertical, v), append(q.Distance, w)
	}
	full, err := q.align(0, true, &shuffles{})
	if err != nil {
		t.Fatal(err)
	}
	few := &alignment{quads: full.quads, shuffled: make([]float64, 100)}
	var nv, nd []float64
	sv, sd := make([]float64, d+1), make([]float64, d+1)
	for i := range n {
		nv, nd = append(nv, norm32(q.Vertical[i])), append(nd, norm32(q.Distance[i]))
		addWide(sv[:d], q.Vertical[i])
		addWide(sd[:d], q.Distance[i])
		var own float64
		for k, x := range q.Vertical[i] {
			own += float64(x) * float64(q.Distance[i][k])
		}
		if own /= nv[i] * nd[i]; math.Abs(full.own[i]-own) > 1e-12 {
			t.Errorf("own cosine %d: %v, expected %v", i, full.own[i], own)
		}
	}
	perms := releasedShuffles(n)
	few.sumShuffles(q, 0, few.members(q), sv, sd, nv, nd, perms)
	for s, perm := range perms {
		if math.Abs(few.shuffled[s]-full.shuffled[s]) > 1e-8 {
			t.Errorf("shuffle %d (%v …): %v, expected %v", s, perm[:3], few.shuffled[s], full.shuffled[s])
		}
	}
	// Leaving one scene after the other out, by definition.
	var left []float64
	for scene := range 9 {
		a, b, m := make([]float64, d), make([]float64, d), 0.0
		for i, quad := range q.Quads {
			if quad.Scene != fmt.Sprint(scene) {
				addWide(a, q.Vertical[i])
				addWide(b, q.Distance[i])
				m++
			}
		}
		left = append(left, dot(a, b)/(m*m)/(math.Sqrt(dot(a, a)*dot(b, b))/(m*m)+1e-10))
	}
	_, deviation := meanSD(left)
	if want := deviation * math.Sqrt(8); math.Abs(few.meanSE-want) > 1e-12 || few.meanSE != full.meanSE || few.mean != full.mean {
		t.Errorf("mean %v and %v, its error %v and %v, expected %v", few.mean, full.mean, few.meanSE, full.meanSE, want)
	}
}

// TestHorizontalAlignment is the same measure of other quads, and is refused without them.
func TestHorizontalAlignment(t *testing.T) {
	v := readGolden(t, "small").vectors
	m, _ := Lookup("horizontal-alignment")
	if _, err := m.Run(v, AllPairs, Options{}); !errors.Is(err, ErrNoQuads) {
		t.Errorf("without horizontal quads: %v", err)
	}
	v.Horizontal = v.Quads
	one, other := run(t, v, "cross-alignment", AllPairs, Options{}), run(t, v, "horizontal-alignment", AllPairs, Options{})
	if d := cmp.Diff(one.Curve.Lines, other.Curve.Lines); d != "" {
		t.Errorf("the same quads have another alignment: %s", d)
	}
}

func TestFisher(t *testing.T) {
	// Near 0 the scale is that of the cosine itself.
	if low, high := fisher(0.01, 0.001); math.Abs(*low-(0.01-z95*0.001)) > 1e-6 || math.Abs(*high-(0.01+z95*0.001)) > 1e-6 {
		t.Errorf("fisher(0.01, 0.001) = %v, %v", *low, *high)
	}
	// atanh(.5) = .5493, 1.96·.3/.75 = .784: tanh(-.2347), tanh(1.3333).
	low, high := fisher(0.5, 0.3)
	if math.Abs(*low+0.2305) > 1e-4 || math.Abs(*high-0.8701) > 1e-4 {
		t.Errorf("fisher(0.5, 0.3) = %v, %v", *low, *high)
	}
	for _, cosine := range []float64{-1, 1} {
		if low, high := fisher(cosine, 0); low != nil || high != nil {
			t.Errorf("fisher(%v, 0) has ends", cosine)
		}
	}
}
