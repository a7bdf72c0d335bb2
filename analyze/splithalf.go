package analyze

import (
	"fmt"
	"math"
)

func init() {
	Register(Metric{
		Name: "split-half", Version: 1, Title: "Does an axis' direction repeat in other scenes?", Shape: ShapeCurve,
		About:   "Cosine between the mean sign-corrected deltas of two random halves of the scenes.",
		Compute: splitHalf,
	})
}

// splits is how many random halvings are averaged.
const splits = 20

func splitHalf(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	unit, count, _ := v.scenes()
	halves := make([][]bool, splits) // the same at every block
	for s := range halves {
		rng := newStream(o.Seed^0x48616c66, uint64(s)) // "Half"
		order := make([]int, count)
		for i := range order {
			order[i] = i
		}
		halves[s] = make([]bool, count)
		for i := range count / 2 {
			j := i + rng.below(count-i)
			order[i], order[j] = order[j], order[i]
			halves[s][order[i]] = true
		}
	}
	points := make([][]Estimate, len(v.Blocks))
	if err := eachBlock(len(v.Blocks), func(b int) error {
		points[b] = make([]Estimate, len(Axes))
		for a := range Axes {
			var at []int
			for _, i := range members {
				if v.Pairs[i].Axis == Axes[a] && v.has(i, b) {
					at = append(at, i)
				}
			}
			var err error
			if points[b][a], err = v.repeat(at, b, unit, halves); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	c := &Curve{Unit: "cosine", Range: cosineRange(), Method: fmt.Sprintf("95 %%: central range of %d halvings, seed %d", splits, o.Seed)}
	for a, axis := range Axes {
		c.Lines = append(c.Lines, lineOf(axis, v.Blocks, func(b int) Estimate { return points[b][a] }))
	}
	return &Result{Curve: c}, nil
}

// repeat is the mean cosine over halvings; those that leave a half without pairs, or with a zero mean, are left out.
func (v *Vectors) repeat(at []int, b int, unit []int, halves [][]bool) (Estimate, error) {
	e := Estimate{N: len(at)}
	delta := make([]float32, v.Width)
	signed := make([]float64, v.Width)
	sums := make([][2][]float64, len(halves))
	for s := range sums {
		sums[s] = [2][]float64{make([]float64, v.Width), make([]float64, v.Width)}
	}
	for _, i := range at {
		DeltaTo(delta, v.original(i, b), v.swapped(i, b))
		widen(signed, delta)
		for s, half := range halves {
			side := 0
			if half[unit[i]] {
				side = 1
			}
			axpy(sums[s][side], signOf(categoryOf(v.Pairs[i].Category)), signed)
		}
	}
	var cosines []float64
	for _, s := range sums {
		aa, bb := dot(s[0], s[0]), dot(s[1], s[1])
		if math.IsNaN(aa+bb) || math.IsInf(aa+bb, 0) {
			return e, fmt.Errorf("block %d: a delta is not finite", v.Blocks[b])
		}
		if aa > 0 && bb > 0 {
			cosines = append(cosines, dot(s[0], s[1])/math.Sqrt(aa*bb))
		}
	}
	if len(cosines) == 0 {
		return e, nil
	}
	mean, sd := meanSD(cosines)
	e.Value, e.SD = number(mean), number(sd)
	if _, low, high, ok := percentiles(cosines); ok {
		e.Low, e.High = number(low), number(high)
	}
	return e, nil
}
