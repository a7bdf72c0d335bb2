package analyze

import (
	"fmt"
	"math"
	"testing"
)

func TestTunnel(t *testing.T) {
	var probes []Probe
	for i := range 8 {
		p := Probe{Scene: fmt.Sprint(i / 2), Row: i / 4, Col: i % 2, Size: 0.1 + 0.1*float64(i/4), Layout: Consistent, Truth: i%2 == 0, Said: "yes"}
		if i >= 4 {
			p.Layout = Counter
		}
		p.Yes = math.Log(3) // three to one for Yes
		probes = append(probes, p)
	}
	near(t, "Yes right", ptr(probes[0].Score()), 0.75, 1e-15)
	near(t, "Yes wrong", ptr(probes[1].Score()), 0.25, 1e-15)
	sweep := func(name string) *Result {
		for _, m := range SweepMetrics() {
			if m.Name == name {
				return m.Run(probes, "x")
			}
		}
		t.Fatalf("no metric %s", name)
		return nil
	}
	// Half of the templates want Yes: a constant answerer gets one half everywhere, and no gap; the Yes-rate gives it away.
	scores := sweep("tunnel-scores")
	for i, want := range []float64{0.5, 0.5, 0.5, 0} {
		near(t, fmt.Sprint("v ", i), scores.Table.Rows[0].Cells[i].Value, want, 1e-15)
		near(t, fmt.Sprint("exact ", i), scores.Table.Rows[1].Cells[i].Value, want, 1e-15)
	}
	for i, want := range []float64{1, 1, 1, 0} {
		near(t, fmt.Sprint("said yes ", i), scores.Table.Rows[2].Cells[i].Value, want, 0)
	}
	if scores.Condition != "x" || scores.Subset != AllPairs {
		t.Errorf("result of %q, %q", scores.Condition, scores.Subset)
	}
	grid := sweep("tunnel-grid").Grids[0]
	near(t, "cell", grid.Cells[1][0].Value, 0.75, 1e-15)
	if n := grid.Cells[1][0].N; n != 2 || len(grid.Rows) != 16 || grid.Rows[1] != "22.5°" || grid.Cells[9][9].Value != nil {
		t.Errorf("grid: n = %d, rows %v, a cell without probes %v", n, grid.Rows, grid.Cells[9][9].Value)
	}
	if grid.Groups[0][1] != "consistent" || grid.Groups[1][0] != "counter" || grid.Groups[9][9] != "" {
		t.Errorf("groups %v", grid.Groups)
	}
	curve := sweep("size-sweep").Curve
	if len(curve.Lines) != 3 || curve.Places[0] != "0.10" || len(curve.Lines[0].Points) != 2 || curve.Lines[2].Points[1].N != 4 {
		t.Errorf("size curve: %+v", curve)
	}
	near(t, "Δ_s", sweep("size-scores").Table.Rows[0].Cells[3].Value, 0, 1e-15)
	// A probe without logits has an answer but no v.
	probes[0].Yes, probes[0].No = math.NaN(), math.NaN()
	if cells := sweep("tunnel-scores").Table.Rows; cells[0].Cells[0].N != 7 || cells[1].Cells[0].N != 8 {
		t.Errorf("without logits: %d and %d probes", cells[0].Cells[0].N, cells[1].Cells[0].N)
	}
	// Clusters: values 0 0 1 1 in two scenes of two have mean ½ and the standard error of two scenes, ½.
	e := sceneMean([]float64{0, 0, 1, 1}, []string{"a", "a", "b", "b"})
	near(t, "clustered error", e.SE, 0.5, 1e-15)
}

func TestYesNo(t *testing.T) {
	f := func(x float32) *float32 { return &x }
	// The model answers in the second spelling, whose No is the largest logit of all.
	y, n := YesNo([4]*float32{f(3), f(1), nil, f(2)}, [4]*float32{f(0), f(4), f(9), f(-1)})
	if y != 1 || n != 4 {
		t.Errorf("yes %g, no %g, want 1 and 4", y, n)
	}
	if y, n = YesNo([4]*float32{f(1)}, [4]*float32{}); !math.IsNaN(y) || !math.IsNaN(n) {
		t.Errorf("no spelling has both words: %g, %g", y, n)
	}
	for answer, want := range map[string]string{"Yes": "yes", " no.": "no", "\"YES\", it is": "yes", "Nobody": "", "": "", "I think yes": "", "not": ""} {
		if got := Said(answer); got != want {
			t.Errorf("%q says %q, want %q", answer, got, want)
		}
	}
}

func TestProjections(t *testing.T) {
	v := toy(5, 12, 8)
	all, err := v.Projections(3, AllPairs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	both, err := v.Projections(3, BothCorrect, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for i, h := range all {
		if h == nil {
			t.Fatalf("pair %d has no projection", i)
		}
		if v.Pairs[i].Axis == "vertical" {
			sum += *h
		}
		if (both[i] != nil) != v.Pairs[i].BothCorrect() {
			t.Errorf("pair %d: both-correct projection %v", i, both[i])
		}
	}
	near(t, "mean projection", run(t, v, "axis-coherence", AllPairs, Options{}).Curve.Lines[1].Points[0].Value, sum/10, 1e-14)
	if _, err := v.Projections(4, AllPairs, Options{}); err == nil {
		t.Error("projections of a block that is not there")
	}
}
