package analyze

import (
	"fmt"
	"math"
)

func init() {
	Register(Metric{
		Name: "object-held-out", Version: 1, Title: "Does an axis' direction hold for objects it was not estimated on?", Shape: ShapeCurve, Objects: true,
		Subsets: []Subset{AllPairs, BothCorrect},
		About: "Coherence over pairs of pairs that share no object, and how often the direction of the pairs with none of a pair's objects calls that pair right. What " +
			"falls against coherence and sign accuracy was about the objects.",
		Compute: objectHeldOut,
	})
}

func objectHeldOut(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	unit, count, known := v.scenes()
	points := make([][3][2]Estimate, len(v.Blocks)) // by block, axis and line
	alone := make([][3]int, len(v.Blocks))
	if err := eachBlock(len(v.Blocks), func(b int) error {
		for a, axis := range Axes {
			at := v.withObjects(members, axis, b)
			var err error
			if points[b][a], alone[b][a], err = v.heldOut(at, b, unit, count); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	c := &Curve{Unit: "mean cosine (called right: share)", Range: cosineRange(), Method: "95 %: ± 1.96 standard errors by the delta method over " + resampled(known) + "; called right: Wilson"}
	for k, name := range []string{"no-shared-object-", "called-by-other-objects-"} {
		for a, axis := range Axes {
			c.Lines = append(c.Lines, lineOf(name+axis, v.Blocks, func(b int) Estimate { return points[b][a][k] }))
		}
	}
	r := &Result{Curve: c}
	for a, axis := range Axes {
		most := 0
		for b := range alone {
			most = max(most, alone[b][a])
		}
		if most > 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: %d pairs share an object with every other one and are left out", axis, most))
		}
	}
	return r, nil
}

// withObjects are the members of an axis that have position b and name their objects.
func (v *Vectors) withObjects(members []int, axis string, b int) []int {
	var at []int
	for _, i := range members {
		if v.Pairs[i].Axis == axis && v.has(i, b) && v.Pairs[i].Objects != [2]string{} {
			at = append(at, i)
		}
	}
	return at
}

// heldOut looks at the sum of signed unit deltas of the pairs with neither of pair i's objects x and y, which is S − T_x − T_y + T_xy: T over
// the pairs with an object, or with both. a_i is its inner product with the pair's own signed unit delta and m_i the number of pairs in it; the
// coherence is Σa/Σm, and a pair is called right if a_i > 0. A pair moves the former by 2(a_i − Σa/Σm·m_i)/Σm, from which its standard error
// follows over scenes. Pairs with m_i = 0 are left out and counted.
func (v *Vectors) heldOut(at []int, b int, unit []int, count int) (out [2]Estimate, alone int, err error) {
	// An index of every object, and of every two, with their sums.
	type group struct {
		sum []float64
		n   float64
	}
	groups := map[[2]string]*group{}
	whole := &group{sum: make([]float64, v.Width)}
	of := func(i int) []*group { // with one object, with the other, with both; the first alone if they are one
		x, y := v.Pairs[i].Objects[0], v.Pairs[i].Objects[1]
		if y < x {
			x, y = y, x
		}
		keys := [][2]string{{x}, {y}, {x, y}}
		if x == y {
			keys = keys[:1]
		}
		list := make([]*group, len(keys))
		for k, key := range keys {
			if groups[key] == nil {
				groups[key] = &group{sum: make([]float64, v.Width)}
			}
			list[k] = groups[key]
		}
		return list
	}
	delta, own := make([]float32, v.Width), make([]float64, v.Width)
	for _, i := range at {
		v.unitTo(own, delta, i, b)
		for _, g := range append(of(i), whole) {
			axpy(g.sum, signOf(categoryOf(v.Pairs[i].Category)), own)
			g.n++
		}
	}
	a, m := make([]float64, len(at)), make([]float64, len(at))
	var total, weight float64
	right, tested := 0, 0
	for k, i := range at {
		v.unitTo(own, delta, i, b)
		a[k], m[k] = dot(own, whole.sum), whole.n
		for j, g := range of(i) {
			s := -1.0
			if j == 2 {
				s = 1
			}
			a[k], m[k] = a[k]+s*dot(own, g.sum), m[k]+s*g.n
		}
		if a[k] *= signOf(categoryOf(v.Pairs[i].Category)); math.IsNaN(a[k]) || math.IsInf(a[k], 0) {
			return out, 0, fmt.Errorf("block %d: a delta is not finite", v.Blocks[b])
		}
		if m[k] == 0 {
			alone++
			continue
		}
		total, weight = total+a[k], weight+m[k]
		tested++
		if a[k] > 0 {
			right++
		}
	}
	out[0], out[1] = Estimate{N: tested}, proportion(right, tested)
	if tested == 0 {
		return out, alone, nil
	}
	coherence := total / weight
	out[0].Value = number(coherence)
	moved, scenes := make([]float64, count), map[int]bool{}
	for k, i := range at {
		if m[k] > 0 {
			moved[unit[i]] += 2 * (a[k] - coherence*m[k]) / weight
			scenes[unit[i]] = true
		}
	}
	if c := float64(len(scenes)); c >= 3 {
		se := math.Sqrt(dot(moved, moved) * c / (c - 1))
		out[0].SE, out[0].Low, out[0].High = number(se), number(max(coherence-z95*se, -1)), number(min(coherence+z95*se, 1))
	}
	return out, alone, nil
}
