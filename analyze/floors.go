package analyze

import (
	"fmt"
	"math"
	"slices"
)

func init() {
	Register(Metric{
		Name: "coherence-floors", Version: 2, Title: "What coherence would be without spatial structure", Shape: ShapeCurve,
		About: "Coherence of random pairs (the difference between two different questions about different images, signed and counted like the real deltas), " +
			"of deltas without sign correction, and its mean under permuted category labels.",
		Compute: coherenceFloors,
	})
}

// randomRounds is how many sets of random pairs are averaged; each is as large as the real set.
const randomRounds = 8

func coherenceFloors(v *Vectors, subset Subset, o Options) (*Result, error) {
	members, err := v.members(subset)
	if err != nil {
		return nil, err
	}
	s, err := v.summarise(o)
	if err != nil {
		return nil, err
	}
	unit, _, _ := v.scenes()
	kinds := []string{"random-pairs-", "unsigned-", "labels-"}
	points := make([][9]Estimate, len(v.Blocks))
	if err := eachBlock(len(v.Blocks), func(b int) error {
		for a, axis := range Axes {
			f := s.facts(b, subset)
			points[b][a] = v.randomPairs(members, b, a, unit, o)
			points[b][3+a], points[b][6+a] = labelNull(f, axis)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	c := &Curve{Unit: "mean cosine", Range: cosineRange(), Method: fmt.Sprintf("random pairs: mean ± 1.96 deviations over %d sets, seed %d; labels: exact mean", randomRounds, o.Seed)}
	for k, kind := range kinds {
		for a, axis := range Axes {
			c.Lines = append(c.Lines, lineOf(kind+axis, v.Blocks, func(b int) Estimate { return points[b][3*k+a] }))
		}
	}
	return &Result{Curve: c}, nil
}

// labelNull is the coherence m̄ without signs, and the mean coherence under permuted labels,
// m̄·((n₊−n₋)² − n)/(n(n−1)): what remains of the common part of the deltas.
func labelNull(f *facts, axis string) (unsigned, labels Estimate) {
	signs, h := f.signs[axis], f.projection[axis]
	n := float64(len(signs))
	unsigned, labels = Estimate{N: len(signs)}, Estimate{N: len(signs)}
	if len(h) == 0 {
		return unsigned, labels
	}
	unsigned.Value = number(f.unsigned[axis])
	var balance float64
	for _, s := range signs {
		balance += s
	}
	labels.Value = number(f.unsigned[axis] * (balance*balance - n) / (n * (n - 1)))
	return unsigned, labels
}

// randomPairs is the coherence of swapped(π(i)) − original(i) with i's sign, π a shuffle of the axis' pairs that
// keeps clear of i's own scene where it can.
func (v *Vectors) randomPairs(members []int, b, axis int, unit []int, o Options) Estimate {
	var at []int
	for _, i := range members {
		if v.Pairs[i].Axis == Axes[axis] && v.has(i, b) {
			at = append(at, i)
		}
	}
	n := len(at)
	e := Estimate{N: n}
	if n < 2 {
		return e
	}
	rng := newStream(o.Seed^0x52616e64, uint64(axis)) // "Rand"; the same partners at every block
	delta := make([]float32, v.Width)
	sum := make([]float64, v.Width)
	values := make([]float64, randomRounds)
	for r := range values {
		perm := strangers(at, unit, rng)
		clear(sum)
		var q float64
		for i := range n {
			DeltaTo(delta, v.original(at[i], b), v.swapped(at[perm[i]], b))
			q += addUnit(sum, delta, signOf(categoryOf(v.Pairs[at[i]].Category)))
		}
		values[r] = (dot(sum, sum) - q) / (float64(n) * float64(n-1))
	}
	mean, sd := meanSD(values)
	sd *= math.Sqrt(randomRounds / (randomRounds - 1.0))
	e.Value, e.SE, e.Low, e.High = number(mean), number(sd), number(mean-z95*sd), number(mean+z95*sd)
	return e
}

// strangers shuffles 0 … len(at)−1 so that none meets its own scene where that can be had.
func strangers(at, unit []int, rng stream) []int {
	n := len(at)
	perm := make([]int, n)
	for i := range perm {
		perm[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := rng.below(i + 1)
		perm[i], perm[j] = perm[j], perm[i]
	}
	for i := range n {
		for step := 1; step < n && unit[at[perm[i]]] == unit[at[i]]; step++ {
			j := (i + step) % n
			perm[i], perm[j] = perm[j], perm[i]
		}
	}
	return perm
}

// RandomPairs are vectors whose swapped questions are those of other pairs of the same axis, about other scenes: differences between
// two different questions about two different images, labelled and counted like the real ones. Answers mean nothing there. States are
// shared with v.
func (v *Vectors) RandomPairs(seed uint64) *Vectors {
	unit, _, _ := v.scenes()
	out := &Vectors{Blocks: v.Blocks, Width: v.Width, Pairs: v.Pairs, Original: v.Original, Swapped: slices.Clone(v.Swapped)}
	if v.Absent != nil {
		out.Absent = make([][]bool, len(v.Pairs))
	}
	for a, axis := range Axes {
		var at []int
		for i, p := range v.Pairs {
			if p.Axis == axis {
				at = append(at, i)
			}
		}
		for r, partner := range strangers(at, unit, newStream(seed^0x50616972, uint64(a))) { // "Pair"
			i, j := at[r], at[partner]
			out.Swapped[i] = v.Swapped[j]
			if v.Absent != nil {
				out.Absent[i] = make([]bool, len(v.Blocks))
				for b := range v.Blocks {
					out.Absent[i][b] = !v.has(i, b) || !v.has(j, b)
				}
			}
		}
	}
	return out
}

// addUnit adds s·δ/‖δ‖ to sum and returns the square of what was added: 1, or next to nothing below tinyNorm.
func addUnit(sum []float64, delta []float32, s float64) float64 {
	norm := norm32(delta)
	scale := s
	if norm >= tinyNorm {
		scale = s / norm
	}
	for k, x := range delta {
		sum[k] += scale * float64(x)
	}
	return norm * norm * scale * scale
}
