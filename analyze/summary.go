package analyze

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
)

// A quantity is a named function of the moments.
type quantity struct {
	key   string
	value func(*moments) float64
}

// quantities that one pass over the draws serves together. Keys are "family/name".
var quantities = buildQuantities()

func buildQuantities() []quantity {
	var q []quantity
	add := func(key string, value func(*moments) float64) { q = append(q, quantity{key, value}) }
	for a, name := range Axes {
		add("coherence/"+name, func(m *moments) float64 { return m.coherence(a) })
		add("order/"+name, func(m *moments) float64 { return m.order(a) })
	}
	for c, name := range Categories {
		add("within/"+name, func(m *moments) float64 { return m.within(c) })
		add("norm/"+name, func(m *moments) float64 { return m.meanNorm(c) })
		for b := range c + 1 {
			add("cosine/"+name+"/"+Categories[b], func(m *moments) float64 { return m.cosine(c, b) })
		}
	}
	for _, p := range axisPairs {
		add("released/"+p.key, func(m *moments) float64 { return m.released(p.a, p.b) })
		add("paper/"+p.key, func(m *moments) float64 { return m.paper(p.a, p.b) })
		add("ratio/"+p.key, func(m *moments) float64 { return m.ratio(p.a, p.b) })
		add("disattenuated/"+p.key, func(m *moments) float64 { return m.disattenuated(p.a, p.b) })
	}
	add("balanced/vd", func(m *moments) float64 { return m.balanced() })
	return q
}

// axisPairs are the entanglements by their usual short names.
var axisPairs = []struct {
	key  string
	a, b int
}{{"vd", 1, 2}, {"hd", 0, 2}, {"hv", 0, 1}}

// keptDraws are the quantities whose draws outlive the summary: choices of a block and differences between checkpoints
// rest on all draws, not on an interval.
var keptDraws = []string{"coherence/horizontal", "coherence/vertical", "coherence/distance", "released/vd", "paper/vd", "balanced/vd"}

// facts are everything Gram-type metrics say of one block and subset.
type facts struct {
	n          [6]int // pairs by category
	layouts    map[Layout]int
	estimates  map[string]Estimate  // by quantity; n is left to the metric
	draws      map[string][]float64 // by kept quantity, NaN where a draw leaves it undefined
	projection map[string][]float64
	signs      map[string][]float64 // s by axis, in the order of projection
	pairs      map[string][]int     // positions in Vectors.Pairs, likewise
	unsigned   map[string]float64   // mean cosine of an axis' deltas without sign correction
	flips      [3]*signFlip         // by axis
}

// A summary is facts by block position and subset.
type summary struct {
	blocks []map[Subset]*facts
	method string
}

// summarise computes the facts of every block once for all metrics and subsets.
func (v *Vectors) summarise(o Options) (*summary, error) {
	return remember(v, "summary "+string(o.Key()), func() (*summary, error) {
		unit, count, known := v.scenes()
		s := &summary{blocks: make([]map[Subset]*facts, len(v.Blocks)), method: intervalMethod(o, known)}
		r := &resampler{unit: unit, count: count, seed: o.Seed}
		err := eachBlock(len(v.Blocks), func(b int) (err error) {
			s.blocks[b], err = v.blockFacts(b, o, r)
			return err
		})
		if err != nil {
			return nil, err
		}
		s.adjustByMaximum(AllPairs, o.Draws)
		if v.Answered {
			s.adjustByMaximum(BothCorrect, o.Draws)
		}
		return s, nil
	})
}

// intervalMethod says how Low and High came about.
func intervalMethod(o Options, scenes bool) string {
	unit := "scenes"
	if !scenes {
		unit = "pairs (no scenes known)"
	}
	if o.Draws == 0 {
		return "95 %: ± 1.96 standard errors of the Hájek projection over pairs"
	}
	return fmt.Sprintf("95 %%: percentiles of %d bootstrap draws of %s, seed %d", o.Draws, unit, o.Seed)
}

// eachBlock calls f for 0 ≤ b < n, on all processors, and returns the error of the lowest b. Blocks share nothing,
// so the order cannot matter.
func eachBlock(n int, f func(b int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for b := range next {
				errs[b] = f(b)
			}
		})
	}
	for b := range n {
		next <- b
	}
	close(next)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *Vectors) blockFacts(b int, o Options, r *resampler) (map[Subset]*facts, error) {
	g, err := newGram(v, b, true)
	if err != nil {
		return nil, err
	}
	out := map[Subset]*facts{AllPairs: g.facts(o, r)}
	if v.Answered {
		g = g.sub(func(pair int) bool { return v.Pairs[pair].BothCorrect() })
		out[BothCorrect] = g.facts(o, r)
	}
	return out, nil
}

// facts of one gram.
func (g *gram) facts(o Options, r *resampler) *facts {
	f := &facts{layouts: map[Layout]int{}, estimates: map[string]Estimate{}, draws: map[string][]float64{},
		projection: map[string][]float64{}, signs: map[string][]float64{}, unsigned: map[string]float64{}, pairs: map[string][]int{}}
	for c, cl := range g.cells {
		f.n[cl.category] += g.start[c+1] - g.start[c]
		if cl.category/2 == 2 {
			f.layouts[cl.layout] += g.start[c+1] - g.start[c]
		}
	}
	n := g.n()
	if n == 0 {
		return f
	}
	ones := make([]float64, n)
	for i := range ones {
		ones[i] = 1
	}
	s := newSums(g.cells)
	g.weigh([]*sums{s}, ones)
	m := s.moments()
	value := make([]float64, len(quantities))
	for i, q := range quantities {
		value[i] = q.value(m)
	}
	// Mean and deviation of pair cosines from the cosines themselves: two passes lose nothing to cancellation.
	spread := map[string][2]float64{}
	for a, name := range Axes {
		p, q := 2*a, 2*a+1
		f.unsigned[name] = (m.unit[p][p] + m.unit[q][q] + 2*m.unit[p][q] - m.udiag[p] - m.udiag[q]) / pairsOf(m.w[p]+m.w[q], m.w2[p]+m.w2[q])
		lo, hi := g.axisRows(a)
		mean, sd := g.spread(lo, hi)
		spread["coherence/"+name] = [2]float64{mean, sd}
		f.projection[name] = g.projections(lo, hi)
		for i := lo; i < hi; i++ {
			f.signs[name] = append(f.signs[name], g.sign(i))
			f.pairs[name] = append(f.pairs[name], g.pairs[i])
		}
	}
	for c, name := range Categories {
		mean, sd := g.spread(g.rows(c))
		spread["within/"+name] = [2]float64{mean, sd}
	}
	draws := g.bootstrap(o, r)
	for i, q := range quantities {
		e := Estimate{}
		v := value[i]
		if x, ok := spread[q.key]; ok {
			v = x[0]
			e.SD = number(x[1])
		}
		if e.Value = number(v); e.Value == nil {
			f.estimates[q.key] = Estimate{}
			continue
		}
		if draws != nil {
			if slices.Contains(keptDraws, q.key) {
				f.draws[q.key] = slices.Clone(draws[i*o.Draws : (i+1)*o.Draws])
			}
			if se, low, high, ok := percentiles(draws[i*o.Draws : (i+1)*o.Draws]); ok {
				e.SE, e.Low, e.High = number(se), number(low), number(high)
			}
		}
		f.estimates[q.key] = e
	}
	f.flips = g.signFlips(o)
	for a, name := range Axes {
		if e := f.estimates["coherence/"+name]; e.Value != nil && f.flips[a] != nil {
			e.Null = f.flips[a].null(*e.Value)
			f.estimates["coherence/"+name] = e
		}
	}
	if o.Draws == 0 {
		for name, h := range f.projection {
			if e := f.estimates["coherence/"+name]; e.Value != nil {
				hajek(&e, h)
				f.estimates["coherence/"+name] = e
			}
		}
		for c, name := range Categories {
			if e := f.estimates["within/"+name]; e.Value != nil {
				lo, hi := g.rows(c)
				hajek(&e, g.projections(lo, hi))
				f.estimates["within/"+name] = e
			}
		}
	}
	return f
}

// hajek sets the standard error of a mean pair cosine from its leave-one-out projections, 2 sd(h)/√n, and
// the interval that follows.
func hajek(e *Estimate, h []float64) {
	if len(h) < 3 {
		return
	}
	_, sd := meanSD(h)
	n := float64(len(h))
	se := 2 * sd * math.Sqrt(n/(n-1)) / math.Sqrt(n)
	e.SE, e.Low, e.High = number(se), number(*e.Value-1.96*se), number(*e.Value+1.96*se)
}

// bootstrap returns every quantity under every draw, [quantity][draw] flat; nil without draws or with one scene.
func (g *gram) bootstrap(o Options, r *resampler) []float64 {
	if o.Draws == 0 || r.count < 2 {
		return nil
	}
	n := g.n()
	out := make([]float64, len(quantities)*o.Draws)
	w := make([]float64, n*batch)
	group := make([]*sums, batch)
	for j := range group {
		group[j] = newSums(g.cells)
	}
	for from := 0; from < o.Draws; from += batch {
		m := min(batch, o.Draws-from)
		r.weights(w[:n*m], g.pairs, from, m)
		g.weigh(group[:m], w[:n*m])
		for j, s := range group[:m] {
			mo := s.moments()
			for i, q := range quantities {
				out[i*o.Draws+from+j] = q.value(mo)
			}
		}
	}
	return out
}

// number is v as an optional value: nil if it is not a finite number.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// estimate is a quantity of one block and subset with its n.
func (s *summary) estimate(b int, subset Subset, key string, n int) Estimate {
	f := s.facts(b, subset)
	e := f.estimates[key]
	e.N = n
	return e
}

// facts of one block; the subset with validity marks holds all pairs.
func (s *summary) facts(b int, subset Subset) *facts {
	if subset == AllWithValidity {
		subset = AllPairs
	}
	return s.blocks[b][subset]
}

func (f *facts) axisN(a int) int { return f.n[2*a] + f.n[2*a+1] }

// lines makes one line for each key over all blocks.
func (v *Vectors) lines(keys []string, at func(b int, key string) Estimate) []Line {
	out := make([]Line, len(keys))
	for i, key := range keys {
		out[i].Key = key
		for b, block := range v.Blocks {
			out[i].Points = append(out[i].Points, Point{Block: block, Estimate: at(b, key)})
		}
	}
	return out
}

// cosineRange are the limits of a cosine.
func cosineRange() *[2]float64 { return &[2]float64{-1, 1} }

// member checks that the subset exists in v.
func (v *Vectors) member(s Subset) error {
	_, err := v.members(s)
	return err
}
