package analyze

import (
	"fmt"
	"math"
	"testing"
)

// TestDetectable: 129 pairs of which 20 to 30 % are answered differently find 11 to 14 points.
func TestDetectable(t *testing.T) {
	for _, c := range []struct {
		share float64
		n     int
		want  float64
	}{
		{0.2, 129, 0.1103}, {0.3, 129, 0.1351},
		{0.5, 4, 0.5}, // not even if every pair that differs did so the same way
	} {
		if got := detectable(c.share, c.n); math.Abs(got-c.want) > 5e-5 {
			t.Errorf("%v of %d: %v, expected %v", c.share, c.n, got, c.want)
		}
	}
}

func TestDetectableDifference(t *testing.T) {
	a, b := &Vectors{Width: 1, Answered: true}, &Vectors{Width: 1, Answered: true}
	for i := range 200 {
		p := Pair{ID: fmt.Sprint(i), Category: "far", Axis: "distance", Layout: Consistent, CorrectOriginal: true, CorrectSwapped: true}
		if i < 50 {
			p.Layout = Counter
		}
		a.Pairs = append(a.Pairs, p)
		p.CorrectSwapped = i%5 != 0 || p.Layout == Counter // a fifth of the consistent ones is lost
		b.Pairs = append(b.Pairs, p)
		for _, v := range []*Vectors{a, b} {
			v.Original, v.Swapped = append(v.Original, nil), append(v.Swapped, nil)
		}
	}
	r, err := comparisons["detectable-difference"].Run([]string{"a", "b"}, []*Vectors{a, b}, AllPairs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Estimate{}
	for _, row := range r.Table.Rows {
		got[row.Key] = row.Cells[0]
	}
	if len(got) != 4 { // no pair of another axis, none that is ambiguous
		t.Errorf("rows %v", got)
	}
	near(t, "distance", got["distance"].Value, detectable(30.0/200, 200), 1e-15)
	near(t, "overall", got["overall"].Value, detectable(30.0/200, 200), 1e-15)
	near(t, "consistent", got["consistent"].Value, detectable(30.0/150, 150), 1e-15)
	if e := got["consistent"]; !(*e.Low < *e.Value && *e.Value < *e.High) || e.N != 150 {
		t.Errorf("consistent: %+v", e)
	}
	if e := got["counter"]; e.Value != nil || e.N != 50 {
		t.Errorf("counter, where nothing differs: %+v", e)
	}
}
