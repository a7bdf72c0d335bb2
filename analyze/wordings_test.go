package analyze

import (
	"errors"
	"math"
	"testing"
)

func TestWordingTransferIsBruteForce(t *testing.T) {
	usual, other := toy(9, 7, 41), toy(9, 7, 42)
	other.Usual = usual
	r := run(t, other, "wording-transfer", AllPairs, Options{})
	for _, axis := range Axes {
		value := func(without string) (across, direction float64) {
			var st, ss, tt, n float64
			for i := range usual.Pairs {
				for j := range usual.Pairs {
					p, q := usual.Pairs[i], usual.Pairs[j]
					if i == j || p.Axis != axis || q.Axis != axis || p.Scene == without || q.Scene == without {
						continue
					}
					sign := signOf(categoryOf(p.Category)) * signOf(categoryOf(q.Category))
					cosine := func(v, w *Vectors) float64 {
						var xy, xx, yy float64
						for k := range v.Width {
							x, y := float64(v.Swapped[i][k]-v.Original[i][k]), float64(w.Swapped[j][k]-w.Original[j][k])
							xy, xx, yy = xy+x*y, xx+x*x, yy+y*y
						}
						return sign * xy / math.Sqrt(xx*yy)
					}
					st, ss, tt, n = st+cosine(usual, other), ss+cosine(usual, usual), tt+cosine(other, other), n+1
				}
			}
			return st / n, st / math.Sqrt(ss*tt)
		}
		across, direction := value("none")
		got, same := pointOf(t, r, "across-wordings-"+axis, 3), pointOf(t, r, "same-direction-"+axis, 3)
		near(t, axis+": across", got.Value, across, 1e-12)
		near(t, axis+": direction", same.Value, direction, 1e-12)
		var left [2][]float64
		for _, scene := range []string{"0", "1", "2", "3", "4"} {
			a, d := value(scene)
			left[0], left[1] = append(left[0], a), append(left[1], d)
		}
		_, sd := meanSD(left[0])
		near(t, axis+": standard error of across", got.SE, sd*2, 1e-12)
		_, sd = meanSD(left[1])
		near(t, axis+": standard error of direction", same.SE, sd*2, 1e-12)
	}
}

// The same states in both wordings: across is the coherence, and the direction is one. Turned round, it is minus one.
func TestWordingTransferOfCopies(t *testing.T) {
	usual := toy(12, 9, 43)
	other := toy(12, 9, 43)
	other.Usual = usual
	r, coherence := run(t, other, "wording-transfer", AllPairs, Options{}), run(t, usual, "axis-coherence", AllPairs, Options{})
	for _, axis := range Axes {
		near(t, axis+": across", pointOf(t, r, "across-wordings-"+axis, 3).Value, *pointOf(t, coherence, axis, 3).Value, 1e-12)
		near(t, axis+": direction", pointOf(t, r, "same-direction-"+axis, 3).Value, 1, 1e-12)
	}
	other.Original, other.Swapped = other.Swapped, other.Original
	r = run(t, other, "wording-transfer", AllPairs, Options{})
	near(t, "turned round", pointOf(t, r, "same-direction-distance", 3).Value, -1, 1e-12)

	// A pair that one wording lacks is in neither, and said to be.
	other.Pairs, other.Original, other.Swapped = other.Pairs[1:], other.Original[1:], other.Swapped[1:]
	other.Forget()
	r = run(t, other, "wording-transfer", AllPairs, Options{})
	if e := pointOf(t, r, "across-wordings-horizontal", 3); e.N != 23 || len(r.Notes) != 1 || r.Notes[0] != "1 pairs are left out, the other wording lacks them" {
		t.Errorf("n %d, notes %q", e.N, r.Notes)
	}
	m, _ := Lookup("wording-transfer")
	if _, err := m.Run(usual, AllPairs, Options{}); !errors.Is(err, ErrOneWording) {
		t.Errorf("one wording alone: %v, expected %v", err, ErrOneWording)
	}
}
