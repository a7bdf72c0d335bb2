package analyze

import (
	"fmt"
	"math"
	"slices"
)

func init() {
	RegisterComparison(Comparison{
		Name: "coherence-difference", Version: 2, Title: "Change of axis coherence between checkpoints", Shape: ShapeCurve,
		About: "Axis coherence of a checkpoint less that of the first, on the same scenes; p-values are paired and adjusted.",
		Compute: func(names []string, vs []*Vectors, s Subset, o Options) (*Result, error) {
			return differences(names, vs, s, o, []difference{
				{"horizontal", "coherence/horizontal", []int{0}}, {"vertical", "coherence/vertical", []int{1}}, {"distance", "coherence/distance", []int{2}},
			}, "difference of mean cosines")
		},
	})
	RegisterComparison(Comparison{
		Name: "vd-ei-difference", Version: 2, Title: "Change of entanglement between checkpoints", Shape: ShapeCurve,
		About: "VD-EI (released form, and balanced where layouts are known) of a checkpoint less that of the first, on the same scenes; p-values are paired and adjusted.",
		Compute: func(names []string, vs []*Vectors, s Subset, o Options) (*Result, error) {
			return differences(names, vs, s, o, []difference{{"vd-ei", "released/vd", []int{1, 2}}, {"vd-ei-balanced", "balanced/vd", []int{1, 2}}}, "difference of cosines")
		},
	})
	RegisterComparison(Comparison{
		Name: "accuracy-difference", Version: 1, Title: "Change of accuracy between checkpoints", Shape: ShapeTable, Answers: true, Subsets: []Subset{AllPairs},
		About:   "Share of pairs with both answers right, less that of the first checkpoint: exact McNemar tests on discordant pairs, adjusted.",
		Compute: accuracyDifference,
	})
	RegisterComparison(Comparison{
		Name: "rank-stability", Version: 2, Title: "Does the block decide the ranking of checkpoints?", Shape: ShapeCurve,
		About:   "Rank correlation (Spearman, and Kendall's τ) of the checkpoints' coherences at a block with those at the block that ranks them most typically.",
		Compute: rankStability,
	})
}

// A difference is one line for each later checkpoint: a quantity and the axes whose pairs it rests on.
type difference struct {
	key, quantity string
	axes          []int
}

// commonBlocks are the blocks all vectors have.
func commonBlocks(vs []*Vectors) []int {
	var out []int
	for _, b := range vs[0].Blocks {
		everywhere := true
		for _, v := range vs {
			_, ok := slices.BinarySearch(v.Blocks, b)
			everywhere = everywhere && ok
		}
		if everywhere {
			out = append(out, b)
		}
	}
	return out
}

// facts of a block by its number.
func (v *Vectors) factsAt(s *summary, block int, subset Subset) *facts {
	b, _ := slices.BinarySearch(v.Blocks, block)
	return s.facts(b, subset)
}

func summaries(vs []*Vectors, o Options) ([]*summary, error) {
	out := make([]*summary, len(vs))
	for i, v := range vs {
		s, err := v.summarise(o)
		if err != nil {
			return nil, err
		}
		out[i] = s
	}
	return out, nil
}

func differences(names []string, vs []*Vectors, subset Subset, o Options, ds []difference, unit string) (*Result, error) {
	ss, err := summaries(vs, o)
	if err != nil {
		return nil, err
	}
	blocks := commonBlocks(vs)
	c := &Curve{Unit: unit, Method: ss[0].method + ", the same scenes for both; p two-sided from these draws, adjusted over all lines and blocks by Holm"}
	var tests []*Null
	for _, d := range ds {
		for i := 1; i < len(vs); i++ {
			line := Line{Key: fmt.Sprintf("%s: %s − %s", d.key, names[i], names[0])}
			present := false
			for _, block := range blocks {
				f, g := vs[0].factsAt(ss[0], block, subset), vs[i].factsAt(ss[i], block, subset)
				e := paired(f.estimates[d.quantity], g.estimates[d.quantity], f.draws[d.quantity], g.draws[d.quantity])
				e.N = math.MaxInt
				for _, a := range d.axes {
					e.N = min(e.N, f.axisN(a), g.axisN(a))
				}
				if e.Null != nil {
					tests = append(tests, e.Null)
				}
				present = present || e.Value != nil
				line.Points = append(line.Points, Point{Block: block, Estimate: e})
			}
			if present {
				c.Lines = append(c.Lines, line)
			}
		}
	}
	adjust(tests, Holm)
	return &Result{Curve: c}, nil
}

// paired is the second estimate less the first, with interval and p-value from the draws they share.
func paired(a, b Estimate, da, db []float64) Estimate {
	var e Estimate
	if a.Value == nil || b.Value == nil {
		return e
	}
	e.Value = number(*b.Value - *a.Value)
	if len(da) == 0 || len(da) != len(db) {
		return e
	}
	diff := make([]float64, len(da))
	var below, above, defined int
	for i := range diff {
		diff[i] = db[i] - da[i]
		if math.IsNaN(diff[i]) {
			continue
		}
		defined++
		if diff[i] <= 0 {
			below++
		}
		if diff[i] >= 0 {
			above++
		}
	}
	se, low, high, ok := percentiles(diff)
	if !ok {
		return e
	}
	e.SE, e.Low, e.High = number(se), number(low), number(high)
	p := min(2*float64(min(below, above)+1)/float64(defined+1), 1)
	e.Null = &Null{Low: -z95 * se, High: z95 * se, P: &p}
	return e
}

// adjust fills the adjusted p-values of a family of tests.
func adjust(tests []*Null, method func([]float64) []float64) {
	var p []float64
	for _, t := range tests {
		p = append(p, *t.P)
	}
	for i, a := range method(p) {
		tests[i].Adjusted = number(a)
	}
}

func accuracyDifference(names []string, vs []*Vectors, subset Subset, o Options) (*Result, error) {
	t := &Table{Columns: append(slices.Clone(Axes), "overall"), Unit: "difference of shares",
		Method: "95 %: ± 1.96 standard errors of the paired difference; p: exact McNemar, adjusted over the table by Holm"}
	var tests []*Null
	for i := 1; i < len(vs); i++ {
		row := TableRow{Key: fmt.Sprintf("%s − %s", names[i], names[0])}
		for a := range len(Axes) + 1 {
			var n, gained, lost int
			for k := range vs[0].Pairs {
				p, q := &vs[0].Pairs[k], &vs[i].Pairs[k]
				if a < len(Axes) && p.Axis != Axes[a] {
					continue
				}
				n++
				switch {
				case !p.BothCorrect() && q.BothCorrect():
					gained++
				case p.BothCorrect() && !q.BothCorrect():
					lost++
				}
			}
			e := Estimate{N: n}
			if n > 0 {
				m := float64(n)
				d := float64(gained-lost) / m
				se := math.Sqrt(max(float64(gained+lost)/m-d*d, 0) / m)
				p := McNemar(gained, lost)
				e.Value, e.SE, e.Low, e.High = number(d), number(se), number(max(d-z95*se, -1)), number(min(d+z95*se, 1))
				e.Null = &Null{Low: -z95 * se, High: z95 * se, P: &p}
				tests = append(tests, e.Null)
			}
			row.Cells = append(row.Cells, e)
		}
		t.Rows = append(t.Rows, row)
	}
	adjust(tests, Holm)
	return &Result{Table: t}, nil
}

func rankStability(names []string, vs []*Vectors, subset Subset, o Options) (*Result, error) {
	ss, err := summaries(vs, o)
	if err != nil {
		return nil, err
	}
	blocks := commonBlocks(vs)
	c := &Curve{Unit: "rank correlation", Range: cosineRange(), Method: ss[0].method + ", ranked anew in every draw"}
	var notes []string
	for _, axis := range Axes {
		key := "coherence/" + axis
		// value[b] are the checkpoints' coherences at blocks[b]; blocks where one has none are skipped.
		var at []int
		var value [][]float64
		for _, block := range blocks {
			x := make([]float64, 0, len(vs))
			for i, v := range vs {
				if e := v.factsAt(ss[i], block, subset).estimates[key]; e.Value != nil {
					x = append(x, *e.Value)
				}
			}
			if len(x) == len(vs) {
				at, value = append(at, block), append(value, x)
			}
		}
		if len(at) == 0 {
			continue
		}
		// The reference is the block with the largest mean correlation with the others: the most typical ranking.
		reference, best := 0, math.Inf(-1)
		for b := range at {
			var sum float64
			for k := range at {
				if r := Spearman(value[b], value[k]); !math.IsNaN(r) {
					sum += r
				}
			}
			if sum > best {
				reference, best = b, sum
			}
		}
		notes = append(notes, fmt.Sprintf("%s: compared with block %d", axis, at[reference]))
		spearman, kendall := Line{Key: "spearman-" + axis}, Line{Key: "kendall-" + axis}
		drawn := func(block, d int) []float64 {
			x := make([]float64, len(vs))
			for i, v := range vs {
				draws := v.factsAt(ss[i], block, subset).draws[key]
				if draws == nil {
					return nil
				}
				x[i] = draws[d]
			}
			return x
		}
		for b, block := range at {
			r := Estimate{Value: number(Spearman(value[b], value[reference])), N: len(vs)}
			k := Estimate{Value: number(Kendall(value[b], value[reference])), N: len(vs)}
			var rs, ks []float64
			for d := range min(o.Draws, 1000) { // ranks are coarse: a thousand draws say all
				x, y := drawn(block, d), drawn(at[reference], d)
				if x == nil || y == nil {
					break
				}
				if slices.ContainsFunc(append(x, y...), math.IsNaN) {
					continue // a draw without two different scenes of an axis has no coherence to rank
				}
				rs, ks = append(rs, Spearman(x, y)), append(ks, Kendall(x, y))
			}
			if se, low, high, ok := percentiles(rs); ok && r.Value != nil {
				r.SE, r.Low, r.High = number(se), number(low), number(high)
			}
			if se, low, high, ok := percentiles(ks); ok && k.Value != nil {
				k.SE, k.Low, k.High = number(se), number(low), number(high)
			}
			spearman.Points = append(spearman.Points, Point{Block: block, Estimate: r})
			kendall.Points = append(kendall.Points, Point{Block: block, Estimate: k})
		}
		c.Lines = append(c.Lines, spearman, kendall)
	}
	return &Result{Curve: c, Notes: notes}, nil
}
