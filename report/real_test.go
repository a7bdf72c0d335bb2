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
			v.Pairs[i].Objects = [2]string{fmt.Sprint("o", i%5), fmt.Sprint("p", i%7)}
			v.Pairs[i].Doubtful = i%9 == 4
		}
		for i := range v.Quads.Quads {
			v.Quads.Quads[i].Layout = []analyze.Layout{analyze.Consistent, analyze.Counter}[i%2]
		}
		v.Readout = &analyze.Readout{}
		for a := range v.Readout.Axes {
			direction := make([]float32, v.Width)
			direction[a] = 1
			v.Readout.Axes[a] = [][]float32{direction}
		}
		v.Horizontal = v.Quads
		all = append(all, v)
		add := func(r *analyze.Result) {
			b.Results = append(b.Results, Entry{Model: "toy", Scale: name, Digest: fmt.Sprintf("sha256:%d", len(b.Results)), Result: r})
		}
		for _, condition := range []string{"text-only", "random-pairs"} {
			for _, m := range analyze.Metrics() {
				if !m.Controls {
					continue
				}
				r, err := m.Run(v, analyze.AllPairs, o)
				if err != nil {
					t.Fatal(err)
				}
				r.Condition = condition
				add(r)
			}
		}
		for _, m := range analyze.Metrics() { // the same pairs in other words
			if !m.Controls && !m.Wordings {
				continue
			}
			other := &analyze.Vectors{Blocks: v.Blocks, Width: v.Width, Pairs: v.Pairs, Answered: true, Original: v.Original, Swapped: v.Swapped, Readout: v.Readout, Usual: v}
			r, err := m.Run(other, analyze.AllPairs, o)
			if err != nil {
				t.Fatal(err)
			}
			r.Condition = "style-where"
			add(r)
		}
		for _, m := range analyze.SweepMetrics() {
			add(m.Run(probes(m.Sweep), m.Sweep))
		}
		for _, m := range analyze.Metrics() {
			for _, subset := range subsetsShown {
				if !m.AppliesTo(subset) || m.Wordings {
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

// probes are a sweep's answers of no particular model.
func probes(sweep string) []analyze.Probe {
	var out []analyze.Probe
	for i := range 1024 {
		p := analyze.Probe{Scene: fmt.Sprint(i / 4), Row: i / 4 / 16, Col: i / 4 % 16, Truth: i%2 == 0, Yes: float64(i%7) / 3, No: float64(i%5) / 3, Said: []string{"yes", "no"}[i%2]}
		p.Layout = []analyze.Layout{analyze.Counter, analyze.Ambiguous, analyze.Consistent}[(p.Row+p.Col)%3]
		if sweep == analyze.SizeSweep {
			p.Size = .1 + .02*float64(i%11)
		}
		out = append(out, p)
	}
	return out
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
	for _, want := range []string{"Does it need the picture?", "Is it the relation, or the words?", "“where” (n = ", "across wordings, horizontal", "text only (n = ", "random pairs (n = ", "Rendered scenes: phase", "Rendered scenes: size", "size of the farther object", "borders between ambiguous, consistent, counter cells"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, e := range b.Results {
		if !strings.Contains(string(page), "<p>"+template.HTMLEscapeString(e.Result.About)) {
			t.Errorf("%s (%s): nothing on the page says what it is", e.Result.Metric, e.Scale)
		}
	}
}
