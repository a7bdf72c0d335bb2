package report

import (
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"swaprun/analyze"
)

// realBundle holds every registered metric and comparison, computed on the vectors of the released tree.
func realBundle(t testing.TB) *Bundle {
	t.Helper()
	names := []string{"vanilla", "80k", "2m"}
	b := &Bundle{Experiment: Experiment{Name: "toy", Title: "Every metric there is"},
		Models: []Model{{Name: "toy", Blocks: 4, Width: 24, Layers: []int{0, 1, 2, 3}, Focus: -1, Scales: []Scale{{Name: "vanilla"}, {Name: "80k", Samples: 80_000}, {Name: "2m", Samples: 2_000_000}}}}}
	o := analyze.Options{Draws: 200, Seed: 3}
	var all []*analyze.Vectors
	for _, name := range names {
		v := load(t, filepath.Join("testdata", "tree", "bridge", "saved_data", "toy_"+name), name, 4).vectors
		for i := range v.Pairs { // scenes on both sides, so that what needs layouts has some
			v.Pairs[i].Layout = []analyze.Layout{analyze.Consistent, analyze.Counter, analyze.Ambiguous}[i%3]
		}
		for i := range v.Quads.Quads {
			v.Quads.Quads[i].Layout = []analyze.Layout{analyze.Consistent, analyze.Counter}[i%2]
		}
		all = append(all, v)
		for _, m := range analyze.Metrics() {
			for _, subset := range subsetsShown {
				if !m.AppliesTo(subset) {
					continue
				}
				r, err := m.Run(v, subset, o)
				if err != nil {
					t.Fatal(err)
				}
				b.Results = append(b.Results, Entry{Model: "toy", Scale: name, Digest: fmt.Sprintf("sha256:%d", len(b.Results)), Result: r})
			}
		}
	}
	for _, c := range analyze.Comparisons() {
		r, err := c.Run(names, all, analyze.AllPairs, o)
		if errors.Is(err, analyze.ErrOneCheckpoint) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		b.Results = append(b.Results, Entry{Model: "toy", Digest: "sha256:c", Result: r})
	}
	return b
}

// Whatever is registered has a place in the page, with its name, what it is, and its notes.
func TestEveryMetricIsShown(t *testing.T) {
	b := realBundle(t)
	page, err := HTML(b)
	if err != nil {
		t.Fatal(err)
	}
	checkInert(t, string(page))
	if name := os.Getenv("SWAPRUN_PAGE_REAL"); name != "" {
		if err := os.WriteFile(name, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range b.Results {
		if !strings.Contains(string(page), "<p>"+template.HTMLEscapeString(e.Result.About)) {
			t.Errorf("%s (%s): nothing on the page says what it is", e.Result.Metric, e.Scale)
		}
	}
}
