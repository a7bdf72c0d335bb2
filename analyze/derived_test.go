package analyze

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRecall compares two checkpoints from what was kept of their vectors, and from vectors alone.
func TestRecall(t *testing.T) {
	compare := func(vs ...*Vectors) *Result {
		for _, c := range Comparisons() {
			if c.Name == "coherence-difference" {
				r, err := c.Run([]string{"a", "b"}, vs, AllPairs, Options{Draws: 200, Seed: 1})
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
		}
		t.Fatal("no comparison coherence-difference")
		return nil
	}
	a, b := toy(30, 16, 1), toy(30, 16, 2)
	want := compare(toy(30, 16, 1), toy(30, 16, 2))
	if _, err := a.summarise(Options{Draws: 200, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	kept := a.Forget()
	if len(kept.memo) != 1 || a.memo != nil {
		t.Fatalf("%d results kept, want 1", len(kept.memo))
	}
	again := toy(30, 16, 1)
	again.Recall(kept)
	sum, err := again.summarise(Options{Draws: 200, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, compare(again, b)); diff != "" {
		t.Errorf("comparison from what was kept (-want +got):\n%s", diff)
	}
	if s, err := again.summarise(Options{Draws: 200, Seed: 1}); err != nil || s != sum {
		t.Errorf("computed again: %v", err)
	}
}
