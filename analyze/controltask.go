package analyze

import (
	"fmt"
	"math"
)

func init() {
	Register(Metric{
		Name: "control-task", Version: 1, Title: "Would a made-up relation be found as well?", Shape: ShapeCurve, Objects: true, Subsets: []Subset{AllPairs, BothCorrect},
		About: "How often the other pairs' direction calls a pair right: for the true relation, and for relations made up at random, one for every two objects, the same in " +
			"every picture and turned round with the order of the question (control task of Hewitt and Liang 2019). What is left for the true one, selectivity, is not " +
			"owed to knowing the objects.",
		Compute: controlTask,
	})
}

// relations is how many made-up relations are averaged.
const relations = 20

func controlTask(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	s, err := v.summarise(o)
	if err != nil {
		return nil, err
	}
	labels, notes := v.madeUp(o.Seed)
	points := make([][3][3]Estimate, len(v.Blocks)) // by block, axis and line
	if err := eachBlock(len(v.Blocks), func(b int) error {
		for a, axis := range Axes {
			at := v.withObjects(members, axis, b)
			made := v.calledRight(at, b, labels)
			found := signAccuracy(s.facts(b, subset).projection[axis])
			points[b][a] = [3]Estimate{found, made, lead(found, made)}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	c := &Curve{Unit: "share of pairs", Range: cosineRange(), Method: fmt.Sprintf("95 %%: Wilson for the true relation, central range of %d for made-up ones, seed %d; "+
		"selectivity by the square-and-add rule on the two", relations, o.Seed)}
	for k, name := range []string{"true-relation-", "made-up-relation-", "selectivity-"} {
		for a, axis := range Axes {
			c.Lines = append(c.Lines, lineOf(name+axis, v.Blocks, func(b int) Estimate { return points[b][a][k] }))
		}
	}
	return &Result{Curve: c, Notes: notes}, nil
}

// madeUp is the sign of every pair under made-up relations: each draws one sign for every two objects of an axis, in order of appearance,
// and a pair that names the two the other way round has the opposite one. The notes say how often objects meet again, without which there
// is nothing to know about them.
func (v *Vectors) madeUp(seed uint64) (labels [][]float64, notes []string) {
	type both struct{ axis, first, second string }
	kind, order := make([]int, len(v.Pairs)), make([]float64, len(v.Pairs))
	seen := map[both]int{}
	kinds, pairs := [3]int{}, [3]int{}
	for i, p := range v.Pairs {
		if p.Objects == [2]string{} {
			continue
		}
		key := both{p.Axis, p.Objects[0], p.Objects[1]}
		order[i] = 1
		if key.second < key.first {
			key.first, key.second, order[i] = key.second, key.first, -1
		}
		a := categoryOf(p.Category) / 2
		pairs[a]++
		if _, ok := seen[key]; !ok {
			seen[key] = len(seen)
			kinds[a]++
		}
		kind[i] = seen[key]
	}
	labels = make([][]float64, relations)
	for r := range labels {
		rng := newStream(seed^0x5461736b, uint64(r)) // "Task"
		sign := make([]float64, len(seen))
		for k := range sign {
			sign[k] = 1 - 2*float64(rng.below(2))
		}
		labels[r] = make([]float64, len(v.Pairs))
		for i := range v.Pairs {
			if order[i] != 0 {
				labels[r][i] = sign[kind[i]] * order[i]
			}
		}
	}
	for a, axis := range Axes {
		if pairs[a] > 0 {
			notes = append(notes, fmt.Sprintf("%s: %d pairs of %d different two objects", axis, pairs[a], kinds[a]))
		}
	}
	return labels, notes
}

// calledRight is the share of pairs whose leave-one-out projection h_i = (s_i⟨u_i, Σ_j s_j u_j⟩ − ‖u_i‖²)/(n−1) is positive, averaged over
// sets of signs s.
func (v *Vectors) calledRight(at []int, b int, labels [][]float64) Estimate {
	e := Estimate{N: len(at)}
	if len(at) < 2 {
		return e
	}
	delta, unit := make([]float32, v.Width), make([]float64, v.Width)
	sums := make([][]float64, len(labels))
	for r := range sums {
		sums[r] = make([]float64, v.Width)
	}
	for _, i := range at {
		v.unitTo(unit, delta, i, b)
		for r := range sums {
			axpy(sums[r], labels[r][i], unit)
		}
	}
	shares := make([]float64, len(labels))
	for _, i := range at {
		own := v.unitTo(unit, delta, i, b)
		for r := range sums {
			if labels[r][i]*dot(unit, sums[r])-own > 0 {
				shares[r]++
			}
		}
	}
	for r := range shares {
		shares[r] /= float64(len(at))
	}
	mean, sd := meanSD(shares)
	e.Value, e.SD = number(mean), number(sd)
	if _, low, high, ok := percentiles(shares); ok {
		e.Low, e.High = number(low), number(high)
	}
	return e
}

// unitTo writes δ_i/‖δ_i‖ of position b to dst and returns its square: 1, or next to nothing below tinyNorm. delta is scratch.
func (v *Vectors) unitTo(dst []float64, delta []float32, i, b int) float64 {
	DeltaTo(delta, v.original(i, b), v.swapped(i, b))
	norm, scale := norm32(delta), 1.0
	if norm >= tinyNorm {
		scale = 1 / norm
	}
	for k, x := range delta {
		dst[k] = scale * float64(x)
	}
	return norm * norm * scale * scale
}

// lead is a − b, with the interval that the intervals of the two give by the square-and-add rule (Newcombe 1998, method 10).
func lead(a, b Estimate) Estimate {
	e := Estimate{N: min(a.N, b.N)}
	if a.Value == nil || b.Value == nil {
		return e
	}
	d := *a.Value - *b.Value
	e.Value = number(d)
	if a.Low != nil && a.High != nil && b.Low != nil && b.High != nil {
		e.Low = number(d - math.Hypot(*a.Value-*a.Low, *b.High-*b.Value))
		e.High = number(d + math.Hypot(*a.High-*a.Value, *b.Value-*b.Low))
	}
	return e
}
