package analyze

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The deduplicated estimates are those of vectors that never held the doubtful pairs, and all others stay what they are.
func TestDeduplicated(t *testing.T) {
	v, w := toy(12, 8, 31), toy(12, 8, 31)
	o := Options{Draws: 300, Seed: 4}
	before := run(t, w, "axis-coherence", AllPairs, o)
	w = &Vectors{Blocks: v.Blocks, Width: v.Width, Answered: true}
	for i := range v.Pairs {
		v.Pairs[i].Doubtful = i%7 == 2 || i == 40
		if p := v.Pairs[i]; !p.Doubtful {
			w.Pairs, w.Original, w.Swapped = append(w.Pairs, p), append(w.Original, v.Original[i]), append(w.Swapped, v.Swapped[i])
		}
	}
	if diff := cmp.Diff(before, run(t, v, "axis-coherence", AllPairs, o)); diff != "" {
		t.Errorf("the estimate on all pairs moved (-before +after):\n%s", diff)
	}
	for _, subset := range []Subset{AllPairs, BothCorrect} {
		got := run(t, v, "deduplicated", subset, o)
		coherence, index := run(t, w, "axis-coherence", subset, o), run(t, w, "vd-ei", subset, o)
		for _, axis := range Axes {
			if diff := cmp.Diff(pointOf(t, coherence, axis, 3), pointOf(t, got, axis, 3)); diff != "" {
				t.Errorf("%s, %s (-expected +got):\n%s", subset, axis, diff)
			}
		}
		for _, key := range []string{"vd-ei", "vd-ei-balanced"} {
			if diff := cmp.Diff(pointOf(t, index, key, 3), pointOf(t, got, key, 3)); diff != "" {
				t.Errorf("%s, %s (-expected +got):\n%s", subset, key, diff)
			}
		}
		if len(got.Curve.Lines) != 5 || len(got.Notes) == 0 || got.Notes[0] != "11 of 72 pairs are left out" {
			t.Errorf("%s: %d lines, notes %q", subset, len(got.Curve.Lines), got.Notes)
		}
	}
	got, want := run(t, v, "accuracy-deduplicated", AllPairs, o), run(t, w, "pred-stats", AllPairs, o)
	if diff := cmp.Diff(want.Table, got.Table); diff != "" {
		t.Errorf("accuracy (-expected +got):\n%s", diff)
	}
}
