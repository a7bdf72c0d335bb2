package analyze

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// A Comparison is a registered analysis of several checkpoints asked about the same pairs.
type Comparison struct {
	Name    string
	Version int
	Title   string
	About   string
	Shape   Shape
	Answers bool
	Subsets []Subset // nil = all three

	// Compute is a pure function of the checkpoints, in declaration order; they hold the same pairs in the same order.
	Compute func(names []string, vs []*Vectors, s Subset, o Options) (*Result, error)
}

var comparisons = map[string]Comparison{}

// RegisterComparison adds a comparison; it panics on a duplicate or incomplete one.
func RegisterComparison(c Comparison) {
	if c.Name == "" || c.Version <= 0 || c.Title == "" || c.About == "" || c.Shape == "" || c.Compute == nil {
		panic(fmt.Sprintf("analyze: comparison %q is incomplete", c.Name))
	}
	if _, dup := comparisons[c.Name]; dup {
		panic(fmt.Sprintf("analyze: comparison %q registered twice", c.Name))
	}
	comparisons[c.Name] = c
}

// Comparisons lists the registered comparisons by name.
func Comparisons() []Comparison {
	out := make([]Comparison, 0, len(comparisons))
	for _, c := range comparisons {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Comparison) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// ErrOneCheckpoint says that there is nothing to compare.
var ErrOneCheckpoint = errors.New("a comparison needs at least two checkpoints")

// Run pairs the checkpoints by pair id and computes. Pairs that one of them lacks are left out and counted in the notes.
// Both the number of blocks and the width may differ; blocks are compared by number.
func (c Comparison) Run(names []string, vs []*Vectors, s Subset, o Options) (*Result, error) {
	wrap := func(err error) error { return fmt.Errorf("comparison %s of %s: %w", c.Name, s, err) }
	if len(names) != len(vs) || len(vs) < 2 {
		return nil, wrap(ErrOneCheckpoint)
	}
	if err := o.validate(); err != nil {
		return nil, wrap(err)
	}
	for i, v := range vs {
		if err := v.Validate(); err != nil {
			return nil, wrap(fmt.Errorf("%s: %w", names[i], err))
		}
		if (c.Answers || s == BothCorrect) && !v.Answered {
			return nil, wrap(fmt.Errorf("%s: %w", names[i], ErrNoAnswers))
		}
	}
	paired, dropped, err := Pairwise(vs)
	if err != nil {
		return nil, wrap(err)
	}
	r, err := c.Compute(names, paired, s, o)
	if err != nil {
		return nil, wrap(err)
	}
	r.Metric, r.Title, r.About, r.Subset = c.Name, c.Title, c.About, s
	for i, n := range dropped {
		if n > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: %d pairs left out, another checkpoint lacks them", names[i], n))
		}
	}
	return r, nil
}

// Pairwise returns views of the vectors that hold the same pairs, matched by id, in the order of the first. Vectors that already agree are
// returned as they are, so that their intermediate results are shared. dropped counts the pairs each lost.
func Pairwise(vs []*Vectors) (paired []*Vectors, dropped []int, err error) {
	at := make([]map[string]int, len(vs))
	same := true
	for i, v := range vs {
		at[i] = map[string]int{}
		for p := range v.Pairs {
			id := v.Pairs[p].ID
			if _, dup := at[i][id]; dup {
				return nil, nil, fmt.Errorf("pair %q occurs twice in a checkpoint", id)
			}
			at[i][id] = p
			same = same && len(v.Pairs) == len(vs[0].Pairs) && id == vs[0].Pairs[p].ID
		}
		same = same && len(v.Pairs) == len(vs[0].Pairs)
	}
	dropped = make([]int, len(vs))
	if same {
		return vs, dropped, nil
	}
	var ids []string
	for _, p := range vs[0].Pairs {
		everywhere := true
		for i := range vs {
			_, ok := at[i][p.ID]
			everywhere = everywhere && ok
		}
		if everywhere {
			ids = append(ids, p.ID)
		}
	}
	for i, v := range vs {
		w := &Vectors{Blocks: v.Blocks, Width: v.Width, Answered: v.Answered}
		for _, id := range ids {
			p := at[i][id]
			w.Pairs = append(w.Pairs, v.Pairs[p])
			w.Original = append(w.Original, v.Original[p])
			w.Swapped = append(w.Swapped, v.Swapped[p])
			if v.Absent != nil {
				w.Absent = append(w.Absent, v.Absent[p])
			}
		}
		paired = append(paired, w)
		dropped[i] = len(v.Pairs) - len(ids)
	}
	return paired, dropped, nil
}

// Holm returns Holm's adjusted p-values in the order of p: strong control of the chance of any false finding.
func Holm(p []float64) []float64 {
	order := ascending(p)
	out := make([]float64, len(p))
	largest := 0.0
	for rank, i := range order {
		largest = max(largest, min(p[i]*float64(len(p)-rank), 1))
		out[i] = largest
	}
	return out
}

// BenjaminiHochberg returns adjusted p-values in the order of p: control of the false discovery rate.
func BenjaminiHochberg(p []float64) []float64 {
	order := ascending(p)
	out := make([]float64, len(p))
	smallest := 1.0
	for rank := len(order) - 1; rank >= 0; rank-- {
		i := order[rank]
		smallest = min(smallest, p[i]*float64(len(p))/float64(rank+1))
		out[i] = smallest
	}
	return out
}

func ascending(p []float64) []int {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	return order
}

// McNemar is the exact two-sided p-value of b against c discordant pairs: binomial with one half, doubled and at most 1.
func McNemar(b, c int) float64 {
	n, k := b+c, min(b, c)
	if n == 0 {
		return 1
	}
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	var tail float64
	for i := range k + 1 {
		tail += math.Exp(lg(n) - lg(i) - lg(n-i) - float64(n)*math.Ln2)
	}
	return min(2*tail, 1)
}

// Ranks are the ranks of x from 1, ties sharing their mean.
func Ranks(x []float64) []float64 {
	order := ascending(x)
	out := make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i + 1 // not i: a NaN equals nothing, not even itself
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			out[order[k]] = float64(i+j+1) / 2
		}
		i = j
	}
	return out
}

// Spearman is the rank correlation with ties at mean ranks; NaN without variation.
func Spearman(x, y []float64) float64 { return pearson(Ranks(x), Ranks(y)) }

func pearson(x, y []float64) float64 {
	mx, sx := meanSD(x)
	my, sy := meanSD(y)
	var sum float64
	for i := range x {
		sum += (x[i] - mx) * (y[i] - my)
	}
	if !(sx > 0 && sy > 0) {
		return math.NaN()
	}
	return sum / (float64(len(x)) * sx * sy)
}

// Kendall is τ_b; NaN without variation.
func Kendall(x, y []float64) float64 {
	var concordant, tx, ty float64
	for i := range x {
		for j := range i {
			a, b := sign(x[i]-x[j]), sign(y[i]-y[j])
			concordant += a * b
			tx += a * a
			ty += b * b
		}
	}
	if tx == 0 || ty == 0 {
		return math.NaN()
	}
	return concordant / math.Sqrt(tx*ty)
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}
