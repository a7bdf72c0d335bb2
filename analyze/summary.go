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

// resampled is what an interval is over.
func resampled(scenes bool) string {
	if !scenes {
		return "pairs (no scenes known)"
	}
	return "scenes"
}

// intervalMethod says how Low and High came about.
func intervalMethod(o Options, scenes bool) string {
	unit := resampled(scenes)
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

// blockFacts computes the facts of one block for every subset at once.
func (v *Vectors) blockFacts(b int, o Options, r *resampler) (map[Subset]*facts, error) {
	draws := o.Draws > 0 && r.count > 1
	g, err := newGram(v, b, draws)
	if err != nil {
		return nil, err
	}
	defer g.release()
	subsets := []Subset{AllPairs}
	if v.Answered {
		subsets = append(subsets, BothCorrect)
	}
	var distribution map[Subset][]float64
	if draws {
		distribution = g.bootstrap(subsets, o, r)
		defer func() {
			for _, d := range distribution {
				giveBack(d)
			}
		}()
	}
	point := newSums(g.cells)
	ones := make([]float64, g.n())
	for i, p := range g.pairs {
		if p >= 0 {
			ones[i] = 1
		}
	}
	g.weigh([]*sums{point}, ones)
	pairs, flips := g.gather(), g.signFlips(subsets, o)
	out := map[Subset]*facts{}
	for _, s := range subsets {
		out[s] = g.facts(s, pairs, point.moments(s), distribution[s], flips[s], o)
	}
	return out, nil
}

// facts of one subset from its moments and, if there are any, the draws of every quantity, [quantity][draw] flat, and of
// every axis' sign flips.
func (g *gram) facts(subset Subset, c *cosines, m *moments, draws []float64, flips [3][]float64, o Options) *facts {
	f := &facts{layouts: map[Layout]int{}, estimates: map[string]Estimate{}, draws: map[string][]float64{},
		projection: map[string][]float64{}, signs: map[string][]float64{}, unsigned: map[string]float64{}, pairs: map[string][]int{}}
	// Mean and deviation of pair cosines from the cosines themselves: two passes lose nothing to cancellation.
	spread := map[string][2]float64{}
	projections := map[string][]float64{}
	for a, name := range Axes {
		p, q := 2*a, 2*a+1
		f.unsigned[name] = (m.unit[p][p] + m.unit[q][q] + 2*m.unit[p][q] - m.udiag[p] - m.udiag[q]) / pairsOf(m.w[p]+m.w[q], m.w2[p]+m.w2[q])
		mean, sd := g.spread(c, subset, onAxis(a))
		spread["coherence/"+name] = [2]float64{mean, sd}
		f.projection[name] = g.projections(c, subset, onAxis(a))
		projections["coherence/"+name] = f.projection[name]
		for _, i := range g.axisRows(subset, a) {
			f.signs[name] = append(f.signs[name], g.sign[i])
			f.pairs[name] = append(f.pairs[name], g.pairs[i])
		}
	}
	for i, name := range Categories {
		f.n[i] = len(g.rows(subset, inCategory(i)))
		mean, sd := g.spread(c, subset, inCategory(i))
		spread["within/"+name] = [2]float64{mean, sd}
		if o.Draws == 0 {
			projections["within/"+name] = g.projections(c, subset, inCategory(i))
		}
	}
	for i, cl := range g.cells {
		if cl.category/2 == 2 && cl.in(subset) {
			for _, p := range g.pairs[g.start[i]:g.start[i+1]] {
				if p >= 0 {
					f.layouts[cl.layout]++
				}
			}
		}
	}
	for i, q := range quantities {
		e := Estimate{}
		v := q.value(m)
		if x, ok := spread[q.key]; ok {
			v = x[0]
			e.SD = number(x[1])
		}
		if e.Value = number(v); e.Value == nil {
			f.estimates[q.key] = Estimate{}
			continue
		}
		switch {
		case draws != nil:
			own := draws[i*o.Draws : (i+1)*o.Draws]
			if slices.Contains(keptDraws, q.key) {
				f.draws[q.key] = slices.Clone(own)
			}
			if se, low, high, ok := percentiles(own); ok {
				e.SE, e.Low, e.High = number(se), number(low), number(high)
			}
		case o.Draws == 0:
			hajek(&e, projections[q.key])
		}
		f.estimates[q.key] = e
	}
	var axes [3][2]float64
	for a, name := range Axes {
		axes[a] = spread["coherence/"+name]
	}
	for a, flip := range flips {
		if n := f.axisN(a); n > 1 {
			f.flips[a] = newSignFlip(n, axes[a], flip)
		}
	}
	for a, name := range Axes {
		if e := f.estimates["coherence/"+name]; e.Value != nil && f.flips[a] != nil {
			e.Null = f.flips[a].null(*e.Value)
			f.estimates["coherence/"+name] = e
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

// A draw's weights fill one row of w [draws, n]; from is the first draw's number.
type weights func(w []float64, from, draws int)

// eachDraw weighs K under every draw and hands out the sums, in batches; raw false leaves out the sums of deltas as they are. Much work
// is done in float32 (see newSingleWeigher).
func (g *gram) eachDraw(draws int, raw bool, fill weights, take func(draw int, s *sums)) {
	n := g.n()
	weigh := newWeigher(g).weigh
	if n*n*draws >= singleWork {
		f, release := newSingleWeigher(g)
		defer release()
		weigh = f.weigh
	}
	w := borrow[float64](batch * n)
	defer giveBack(w)
	group := make([]*sums, batch)
	for j := range group {
		group[j] = newSums(g.cells)
	}
	for from := 0; from < draws; from += batch {
		m := min(batch, draws-from)
		fill(w[:m*n], from, m)
		weigh(group[:m], w[:m*n], raw)
		for j, s := range group[:m] {
			take(from+j, s)
		}
	}
}

// bootstrap returns every quantity of every subset under every draw, [quantity][draw] flat and borrowed.
func (g *gram) bootstrap(subsets []Subset, o Options, r *resampler) map[Subset][]float64 {
	out := map[Subset][]float64{}
	for _, s := range subsets {
		out[s] = borrow[float64](len(quantities) * o.Draws)
	}
	fill := func(w []float64, from, draws int) { r.weights(w, g.pairs, from, draws) }
	g.eachDraw(o.Draws, true, fill, func(d int, s *sums) {
		for _, subset := range subsets {
			m := s.moments(subset)
			for i, q := range quantities {
				out[subset][i*o.Draws+d] = q.value(m)
			}
		}
	})
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
