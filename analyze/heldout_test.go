package analyze

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

// named gives a toy's pairs objects from a small stock, some the same two again and some in the other order, one pair the same object twice.
func named(v *Vectors) *Vectors {
	for i := range v.Pairs {
		a, b := fmt.Sprint("o", i%5), fmt.Sprint("o", (i*i+i/3)%7)
		if i%4 == 1 {
			a, b = b, a
		}
		v.Pairs[i].Objects = [2]string{a, b}
	}
	return v
}

// cosines of all signed deltas of some pairs at a position of v.Blocks, pair by pair.
func cosinesOf(v *Vectors, at []int, b int, sign func(i int) float64) [][]float64 {
	out := make([][]float64, len(at))
	for x, i := range at {
		out[x] = make([]float64, len(at))
		for y, j := range at {
			var ij, ii, jj float64
			for k := range v.Width {
				d := float64(v.swapped(i, b)[k] - v.original(i, b)[k])
				e := float64(v.swapped(j, b)[k] - v.original(j, b)[k])
				ij, ii, jj = ij+d*e, ii+d*d, jj+e*e
			}
			out[x][y] = sign(i) * sign(j) * ij / math.Sqrt(ii*jj)
		}
	}
	return out
}

func pointOf(t *testing.T, r *Result, key string, block int) Estimate {
	t.Helper()
	for _, l := range r.Curve.Lines {
		for _, p := range l.Points {
			if l.Key == key && p.Block == block {
				return p.Estimate
			}
		}
	}
	t.Fatalf("no point of %s at block %d", key, block)
	return Estimate{}
}

func TestObjectHeldOutIsBruteForce(t *testing.T) {
	v := named(toy(13, 9, 11))
	for _, subset := range []Subset{AllPairs, BothCorrect} {
		members, err := v.members(subset)
		if err != nil {
			t.Fatal(err)
		}
		r := run(t, v, "object-held-out", subset, Options{})
		for _, axis := range Axes {
			var at []int
			for _, i := range members {
				if v.Pairs[i].Axis == axis {
					at = append(at, i)
				}
			}
			g := cosinesOf(v, at, 0, func(i int) float64 { return signOf(categoryOf(v.Pairs[i].Category)) })
			shares := func(i, j int) bool {
				for _, x := range v.Pairs[i].Objects {
					for _, y := range v.Pairs[j].Objects {
						if x == y {
							return true
						}
					}
				}
				return false
			}
			var sum, n float64
			right, tested := 0, 0
			moved := map[string][2]float64{} // Σa and Σm by scene
			for x, i := range at {
				var a, m float64
				for y, j := range at {
					if !shares(i, j) {
						a, m = a+g[x][y], m+1
					}
				}
				if m == 0 {
					continue
				}
				sum, n, tested = sum+a, n+m, tested+1
				if a > 0 {
					right++
				}
				s := moved[v.Pairs[i].Scene]
				moved[v.Pairs[i].Scene] = [2]float64{s[0] + a, s[1] + m}
			}
			got, called := pointOf(t, r, "no-shared-object-"+axis, 3), pointOf(t, r, "called-by-other-objects-"+axis, 3)
			near(t, axis+": coherence", got.Value, sum/n, 1e-12)
			near(t, axis+": called right", called.Value, float64(right)/float64(tested), 1e-15)
			if got.N != tested || called.N != tested || tested == 0 {
				t.Errorf("%s: n %d and %d, expected %d", axis, got.N, called.N, tested)
			}
			var square float64
			for _, s := range moved {
				d := 2 * (s[0] - sum/n*s[1]) / n
				square += d * d
			}
			c := float64(len(moved))
			near(t, axis+": standard error", got.SE, math.Sqrt(square*c/(c-1)), 1e-12)
		}
	}
}

// Four pairs by hand. Pairs 0 and 1 share the cup, so each is tested on pairs 2 and 3 alone; those share nothing with one another.
func TestObjectHeldOutByHand(t *testing.T) {
	deltas := [][]float32{{2, 0}, {0, 5}, {3, 0}, {0, 1}}
	objects := [][2]string{{"cup", "book"}, {"lamp", "cup"}, {"vase", "chair"}, {"bed", "sofa"}}
	v := &Vectors{Blocks: []int{7}, Width: 2}
	for i, d := range deltas {
		v.Pairs = append(v.Pairs, Pair{ID: fmt.Sprint(i), Category: "left", Axis: "horizontal", Objects: objects[i]})
		v.Original, v.Swapped = append(v.Original, []float32{0, 0}), append(v.Swapped, d)
	}
	r := run(t, v, "object-held-out", AllPairs, Options{})
	e := pointOf(t, r, "no-shared-object-horizontal", 7)
	// Ordered pairs of pairs: 0 with 2 (cosine 1) and 3 (0), 1 with 2 (0) and 3 (1), 2 with 0 (1), 1 (0) and 3 (0), 3 with 0 (0), 1 (1) and 2 (0).
	near(t, "coherence", e.Value, 4.0/10, 1e-15)
	near(t, "called right", pointOf(t, r, "called-by-other-objects-horizontal", 7).Value, 1, 0)

	// Where every pair has the cup there is nothing to test on; an opposite pair is called by the turned direction.
	for i := range v.Pairs {
		v.Pairs[i].Objects[0] = "cup"
	}
	r = run(t, v, "object-held-out", AllPairs, Options{})
	if e := pointOf(t, r, "no-shared-object-horizontal", 7); e.Value != nil || e.N != 0 {
		t.Errorf("all share an object: %v of %d, expected nothing", e.Value, e.N)
	}
	if len(r.Notes) != 1 {
		t.Errorf("notes %q, expected that 4 pairs are left out", r.Notes)
	}
}

// A model that knows objects and no relation: its delta is the difference of two fixed vectors, one an object. Coherence over pairs that share
// no object vanishes, while a made-up relation is called nearly as well as a learned one could be.
func TestObjectsWithoutRelation(t *testing.T) {
	objects := []string{"cup", "book", "lamp", "vase"}
	v := &Vectors{Blocks: []int{0}, Width: 4, Answered: true}
	for i := range 48 {
		x, y := i%4, (i+1+i/4%3)%4
		d := make([]float32, 4)
		d[x], d[y] = 1, -1
		v.Pairs = append(v.Pairs, Pair{ID: fmt.Sprint(i), Category: Categories[i%2], Axis: "horizontal", Objects: [2]string{objects[x], objects[y]}})
		v.Original, v.Swapped = append(v.Original, make([]float32, 4)), append(v.Swapped, d)
	}
	r := run(t, v, "object-held-out", AllPairs, Options{})
	near(t, "coherence without shared objects", pointOf(t, r, "no-shared-object-horizontal", 0).Value, 0, 1e-15)
	made := pointOf(t, run(t, v, "control-task", AllPairs, Options{Seed: 1}), "made-up-relation-horizontal", 0)
	if made.Value == nil || *made.Value < .6 {
		t.Errorf("a made-up relation between objects the model tells apart is called right in %v, expected well above one half", made.Value)
	}
}

// Vectors from elsewhere name no objects: what needs them says so.
func TestNoObjects(t *testing.T) {
	for _, name := range []string{"object-held-out", "control-task"} {
		m, _ := Lookup(name)
		if _, err := m.Run(toy(4, 8, 1), AllPairs, Options{}); !errors.Is(err, ErrNoObjects) {
			t.Errorf("%s: %v, expected %v", name, err, ErrNoObjects)
		}
	}
}
