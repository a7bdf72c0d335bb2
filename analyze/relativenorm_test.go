package analyze

import (
	"math"
	"testing"
)

// Four pairs in three scenes, by hand: states of norm 5 and 5, 13 and 5, 1 and 1, and none at all.
func TestRelativeNorm(t *testing.T) {
	v := &Vectors{Blocks: []int{2}, Width: 2}
	for i, p := range []struct {
		original, swapped []float32
		scene             string
	}{
		{[]float32{3, 4}, []float32{-3, 4}, "a"},  // ‖δ‖ 6 of 5: 1.2
		{[]float32{5, 12}, []float32{5, 0}, "a"},  // 12 of 9: 4/3
		{[]float32{1, 0}, []float32{-1, 0}, "b"},  // 2 of 1: as far as states go
		{[]float32{0, 0}, []float32{0, 0}, "c"},   // nothing moves
		{[]float32{7, 24}, []float32{7, 24}, "c"}, // another category
	} {
		category := "left"
		if i == 4 {
			category = "right"
		}
		v.Pairs = append(v.Pairs, Pair{ID: string(rune('0' + i)), Category: category, Axis: "horizontal", Scene: p.scene})
		v.Original, v.Swapped = append(v.Original, p.original), append(v.Swapped, p.swapped)
	}
	r := run(t, v, "relative-norm", AllPairs, Options{})
	left, right := pointOf(t, r, "left", 2), pointOf(t, r, "right", 2)
	mean := (1.2 + 4.0/3 + 2 + 0) / 4
	near(t, "left", left.Value, mean, 1e-7)
	near(t, "right", right.Value, 0, 0)
	a, b, c := 1.2+4.0/3-2*mean, 2-mean, -mean // moved by scene
	near(t, "standard error", left.SE, math.Sqrt((a*a+b*b+c*c)*3/2)/4, 1e-7)
	if left.N != 4 || right.N != 1 || right.SE != nil || pointOf(t, r, "above", 2).Value != nil {
		t.Errorf("left %+v, right %+v, above %+v", left, right, pointOf(t, r, "above", 2))
	}
}

// A norm does not care about the scale of the states.
func TestRelativeNormIsFreeOfScale(t *testing.T) {
	v, w := toy(6, 8, 51), toy(6, 8, 51)
	for i := range w.Pairs {
		for k := range w.Original[i] {
			w.Original[i][k] *= 8
			w.Swapped[i][k] *= 8
		}
	}
	a, b := run(t, v, "relative-norm", BothCorrect, Options{}), run(t, w, "relative-norm", BothCorrect, Options{})
	for _, category := range Categories {
		near(t, category, pointOf(t, b, category, 3).Value, *pointOf(t, a, category, 3).Value, 1e-12)
	}
}
