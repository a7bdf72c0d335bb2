package analyze

import (
	"math"
	"testing"
)

func TestSplitHalf(t *testing.T) {
	// Left deltas all point one way, right ones the opposite way: every half has the same direction.
	// Vertical: two scenes with opposite directions.
	v := &Vectors{Width: 3, Blocks: []int{0}}
	add := func(category, scene string, delta ...float32) {
		v.Pairs = append(v.Pairs, Pair{ID: scene + category, Category: category, Axis: Axes[categoryOf(category)/2], Scene: scene})
		v.Original, v.Swapped = append(v.Original, make([]float32, 3)), append(v.Swapped, delta)
	}
	add("left", "a", 1, 0, 0)
	add("right", "b", -2, 0, 0)
	add("above", "a", 0, 1, 0)
	add("above", "b", 0, -3, 0)
	add("far", "a", 0, 0, 1)
	lines := run(t, v, "split-half", AllPairs, Options{}).Curve.Lines
	near(t, "horizontal", lines[0].Points[0].Value, 1, 1e-15)
	near(t, "vertical", lines[1].Points[0].Value, -1, 1e-15)
	if lines[2].Points[0].Value != nil || lines[2].Points[0].N != 1 {
		t.Errorf("one pair has no halves: %+v", lines[2].Points[0])
	}
}

// TestRanksOfNaN holds that a value that is no number ends the ranking rather than never.
func TestRanksOfNaN(t *testing.T) {
	if got := Ranks([]float64{math.NaN(), 2, 1}); len(got) != 3 {
		t.Errorf("ranks %v, want three", got)
	}
}
