package analyze

import (
	"math"
	"slices"
	"testing"
)

// twoBlocks are toy vectors with a second block that other noise and half of another direction are added to.
func twoBlocks(n int, seed uint64) *Vectors {
	v, w := toy(n, 20, seed), toy(n, 20, seed+1)
	v.Blocks = []int{3, 5}
	for i := range v.Pairs {
		v.Original[i] = slices.Concat(v.Original[i], w.Original[i])
		v.Swapped[i] = slices.Concat(v.Swapped[i], w.Swapped[i])
		v.Swapped[i][20+7] += float32(signOf(categoryOf(v.Pairs[i].Category)))
	}
	return v
}

func TestPersistence(t *testing.T) {
	v := twoBlocks(12, 5)
	r := run(t, v, "persistence", AllPairs, Options{})
	for a, line := range r.Curve.Lines {
		if len(line.Points) != 1 || line.Points[0].Block != 5 || line.Points[0].N != 24 {
			t.Fatalf("%s: %+v", line.Key, line.Points)
		}
		// By definition, all pairs but those of one scene at a time.
		without := func(scene string) float64 {
			var mean [2][20]float64
			for i, p := range v.Pairs {
				if p.Axis != Axes[a] || p.Scene == scene {
					continue
				}
				for k := range 20 {
					for side := range mean {
						mean[side][k] += signOf(categoryOf(p.Category)) * float64(v.Swapped[i][20*side+k]-v.Original[i][20*side+k])
					}
				}
			}
			return dot(mean[0][:], mean[1][:]) / math.Sqrt(dot(mean[0][:], mean[0][:])*dot(mean[1][:], mean[1][:]))
		}
		e := line.Points[0].Estimate
		near(t, line.Key, e.Value, without("none"), 1e-12)
		var left []float64
		seen := map[string]bool{}
		for _, p := range v.Pairs {
			if !seen[p.Scene] {
				seen[p.Scene] = true
				left = append(left, without(p.Scene))
			}
		}
		_, sd := meanSD(left)
		if jack := sd * math.Sqrt(float64(len(left)-1)); math.Abs(jack / *e.SE - 1) > 0.25 {
			t.Errorf("%s: standard error %v, jackknife %v", line.Key, *e.SE, jack)
		}
	}
}

// A block that passes everything on has a cosine of one and leaves nothing open; one block alone says nothing.
func TestPersistenceOfCopies(t *testing.T) {
	v := toy(6, 16, 3)
	for _, line := range run(t, v, "persistence", AllPairs, Options{}).Curve.Lines {
		if len(line.Points) != 0 {
			t.Errorf("one block: %+v", line)
		}
	}
	v.Blocks = []int{3, 4}
	for i := range v.Pairs {
		v.Original[i] = slices.Concat(v.Original[i], v.Original[i])
		v.Swapped[i] = slices.Concat(v.Swapped[i], v.Swapped[i])
	}
	v.Forget()
	for _, line := range run(t, v, "persistence", AllPairs, Options{}).Curve.Lines {
		near(t, line.Key, line.Points[0].Value, 1, 1e-12)
		near(t, line.Key+" standard error", line.Points[0].SE, 0, 1e-12)
	}
}
