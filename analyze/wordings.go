package analyze

import (
	"errors"
	"fmt"
	"math"
)

func init() {
	Register(Metric{
		Name: "wording-transfer", Version: 1, Title: "Does an axis' direction serve other words?", Shape: ShapeCurve, Wordings: true, Subsets: []Subset{AllPairs},
		About: "Mean cosine between a pair's delta in the usual words and other pairs' deltas in other words, signs aligned, and the same over what the coherences within " +
			"each wording leave possible: 1 means one direction for both wordings, 0 a direction of the words' own.",
		Compute: wordingTransfer,
	})
}

// ErrOneWording says that a metric needs the pairs in two wordings.
var ErrOneWording = errors.New("vectors come in one wording")

func wordingTransfer(v *Vectors, subset Subset, o Options) (*Result, error) {
	both, dropped, err := Pairwise([]*Vectors{v.Usual, v})
	if err != nil {
		return nil, err
	}
	if v.Usual.Width != v.Width {
		return nil, fmt.Errorf("two wordings of width %d and %d", v.Usual.Width, v.Width)
	}
	members, err := both[1].members(subset)
	if err != nil {
		return nil, err
	}
	usual, other := both[0], both[1]
	unit, count, known := usual.scenes()
	points := make([][3][2]Estimate, len(other.Blocks)) // by block, axis and line
	if err := eachBlock(len(other.Blocks), func(b int) error {
		from := -1
		for k, block := range usual.Blocks {
			if block == other.Blocks[b] {
				from = k
			}
		}
		for a, axis := range Axes {
			var at []int
			for _, i := range members {
				if other.Pairs[i].Axis == axis && from >= 0 && usual.has(i, from) && other.has(i, b) {
					at = append(at, i)
				}
			}
			var err error
			if points[b][a], err = transfers(usual, other, at, from, b, unit, count); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	c := &Curve{Unit: "mean cosine (direction: cosine)", Range: cosineRange(), Method: "95 %: ± 1.96 jackknife standard errors over " + resampled(known)}
	for k, name := range []string{"across-wordings-", "same-direction-"} {
		for a, axis := range Axes {
			c.Lines = append(c.Lines, lineOf(name+axis, other.Blocks, func(b int) Estimate { return points[b][a][k] }))
		}
	}
	r := &Result{Curve: c}
	for i, n := range dropped {
		if n > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%d pairs are left out, the %s wording lacks them", n, []string{"other", "usual"}[i]))
		}
	}
	return r, nil
}

// A wordings holds what coherence within and across two wordings is a function of, for a set of pairs: with S and T the sums of the signed
// unit deltas u and t of the two, ⟨S,S⟩, ⟨T,T⟩, ⟨S,T⟩, and Σ⟨u,u⟩, Σ⟨t,t⟩, Σ⟨u,t⟩ over n pairs.
type wordings struct{ ss, tt, st, uu, tu, ut, n float64 }

// across is the mean cosine over different pairs.
func (w wordings) across() float64 { return (w.st - w.ut) / (w.n * (w.n - 1)) }

// direction is across over the root of the coherences within: the cosine of the two mean directions, freed of the noise in them. NaN
// unless both coherences are positive.
func (w wordings) direction() float64 {
	a, b := w.ss-w.uu, w.tt-w.tu
	if !(a > 0 && b > 0) {
		return math.NaN()
	}
	return (w.st - w.ut) / math.Sqrt(a*b)
}

// transfers estimates across and direction at a block, with the standard errors of leaving out scenes one by one.
func transfers(usual, other *Vectors, at []int, from, b int, unit []int, count int) (out [2]Estimate, err error) {
	out = [2]Estimate{{N: len(at)}, {N: len(at)}}
	if len(at) < 2 {
		return out, nil
	}
	width := other.Width
	type scene struct {
		s, t []float64
		own  wordings // its Σ and n
	}
	scenes := make([]*scene, count)
	var order []*scene
	s, t := make([]float64, width), make([]float64, width)
	var whole wordings
	delta, u, w := make([]float32, width), make([]float64, width), make([]float64, width)
	for _, i := range at {
		c := scenes[unit[i]]
		if c == nil {
			c = &scene{s: make([]float64, width), t: make([]float64, width)}
			scenes[unit[i]], order = c, append(order, c)
		}
		sign := signOf(categoryOf(other.Pairs[i].Category))
		uu, tu := usual.unitTo(u, delta, i, from), other.unitTo(w, delta, i, b)
		axpy(c.s, sign, u)
		axpy(c.t, sign, w)
		c.own.uu, c.own.tu, c.own.ut, c.own.n = c.own.uu+uu, c.own.tu+tu, c.own.ut+dot(u, w), c.own.n+1
	}
	for _, c := range order {
		axpy(s, 1, c.s)
		axpy(t, 1, c.t)
		whole.uu, whole.tu, whole.ut, whole.n = whole.uu+c.own.uu, whole.tu+c.own.tu, whole.ut+c.own.ut, whole.n+c.own.n
	}
	whole.ss, whole.tt, whole.st = dot(s, s), dot(t, t), dot(s, t)
	if x := whole.ss + whole.tt; math.IsNaN(x) || math.IsInf(x, 0) {
		return out, fmt.Errorf("block %d: a delta is not finite", other.Blocks[b])
	}
	var left [2][]float64
	for _, c := range order {
		l := wordings{
			ss: whole.ss - 2*dot(s, c.s) + dot(c.s, c.s), tt: whole.tt - 2*dot(t, c.t) + dot(c.t, c.t),
			st: whole.st - dot(s, c.t) - dot(c.s, t) + dot(c.s, c.t),
			uu: whole.uu - c.own.uu, tu: whole.tu - c.own.tu, ut: whole.ut - c.own.ut, n: whole.n - c.own.n,
		}
		left[0], left[1] = append(left[0], l.across()), append(left[1], l.direction())
	}
	for k, value := range []float64{whole.across(), whole.direction()} {
		out[k].Value = number(value)
		// NaN and infinity where a scene holds all pairs but one, or decides whether there is a coherence: no interval then.
		_, sd := meanSD(left[k])
		se := sd * math.Sqrt(float64(len(order)-1))
		if out[k].Value != nil && len(order) >= 3 && !math.IsNaN(se) && !math.IsInf(se, 0) {
			out[k].SE, out[k].Low, out[k].High = number(se), number(value-z95*se), number(value+z95*se)
		}
	}
	return out, nil
}
