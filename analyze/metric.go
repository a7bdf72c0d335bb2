package analyze

import (
	"cmp"
	"fmt"
	"slices"
)

// A Shape is which of a Result's four fields a metric sets.
type Shape string

const (
	ShapeCurve  Shape = "curve"
	ShapeGrids  Shape = "grids"
	ShapeClouds Shape = "clouds"
	ShapeTable  Shape = "table"
)

// A Metric is one registered analysis of one checkpoint.
type Metric struct {
	Name       string // as in experiment files
	Version    int    // raised when its numbers change; part of a result's key
	Title      string
	About      string // one sentence: what the number is, with its source
	Shape      Shape
	Answers    bool     // needs Vectors.Answered
	Quads      bool     // needs Vectors.Quads
	Horizontal bool     // needs Vectors.Horizontal
	Layouts    bool     // needs Pair.Layout on some pairs
	Readout    bool     // needs Vectors.Readout
	Wordings   bool     // needs Vectors.Usual: is computed of pairs in other words
	Objects    bool     // needs Pair.Objects on some pairs
	Doubtful   bool     // needs Pair.Doubtful on some pairs: without, it says what others say
	Controls   bool     // is computed under control conditions too, on all pairs
	Subsets    []Subset // it says something of its own about these; nil = all three

	// Compute is a pure function: same vectors, subset and options, same result.
	Compute func(v *Vectors, s Subset, o Options) (*Result, error)
}

var metrics = map[string]Metric{}

// Register adds a metric; each metric's file calls it from init. It panics on a duplicate or incomplete metric.
func Register(m Metric) {
	if m.Name == "" || m.Version <= 0 || m.Title == "" || m.About == "" || m.Shape == "" || m.Compute == nil {
		panic(fmt.Sprintf("analyze: metric %q is incomplete", m.Name))
	}
	if _, dup := metrics[m.Name]; dup {
		panic(fmt.Sprintf("analyze: metric %q registered twice", m.Name))
	}
	metrics[m.Name] = m
}

// Metrics lists the registered metrics by name.
func Metrics() []Metric {
	out := make([]Metric, 0, len(metrics))
	for _, m := range metrics {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Lookup returns the metric of a name.
func Lookup(name string) (Metric, bool) {
	m, ok := metrics[name]
	return m, ok
}

// AppliesTo reports whether the metric says something of its own about a subset.
func (m Metric) AppliesTo(s Subset) bool { return m.Subsets == nil || slices.Contains(m.Subsets, s) }

// Run validates and computes: the result carries the metric's name, title and subset, and names unreliable categories
// where the subset asks for them.
func (m Metric) Run(v *Vectors, s Subset, o Options) (*Result, error) {
	wrap := func(err error) error { return fmt.Errorf("metric %s of %s: %w", m.Name, s, err) }
	if err := v.Validate(); err != nil {
		return nil, wrap(err)
	}
	if err := o.validate(); err != nil {
		return nil, wrap(err)
	}
	if m.Answers && !v.Answered {
		return nil, wrap(ErrNoAnswers)
	}
	if m.Quads && v.Quads == nil || m.Horizontal && v.Horizontal == nil {
		return nil, wrap(ErrNoQuads)
	}
	if m.Readout && v.Readout == nil {
		return nil, wrap(ErrNoReadout)
	}
	if m.Wordings && v.Usual == nil {
		return nil, wrap(ErrOneWording)
	}
	if m.Objects && !slices.ContainsFunc(v.Pairs, func(p Pair) bool { return p.Objects != [2]string{} }) {
		return nil, wrap(ErrNoObjects)
	}
	r, err := m.Compute(v, s, o)
	if err != nil {
		return nil, wrap(err)
	}
	r.Metric, r.Title, r.About, r.Subset = m.Name, m.Title, m.About, s
	if s == AllWithValidity && v.Answered {
		for _, c := range v.unreliable() {
			r.Notes = append(r.Notes, fmt.Sprintf("category %q is unreliable: fewer than half of its original or of its swapped questions were answered right", c))
		}
	}
	return r, nil
}
