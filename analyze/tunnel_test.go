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
	rows := TunnelScores(probes).Table.Rows
	// Half of the templates want Yes: a constant answerer gets one half everywhere, and no gap.
	for i, want := range []float64{0.5, 0.5, 0.5, 0} {
		near(t, fmt.Sprint("v ", i), rows[0].Cells[i].Value, want, 1e-15)
		near(t, fmt.Sprint("exact ", i), rows[1].Cells[i].Value, want, 1e-15)
	}
	near(t, "said yes", rows[2].Cells[0].Value, 1, 0)
	grid := TunnelGrid(probes).Grids[0]
	near(t, "cell", grid.Cells[1][0].Value, 0.75, 1e-15)
	if n := grid.Cells[1][0].N; n != 2 {
		t.Errorf("cell: n = %d, expected 2", n)
	}
	sweep := SizeSweep(probes).Table.Rows
	if len(sweep) != 3 || sweep[0].Key != "0.10" || sweep[2].Key != "difference" {
		t.Errorf("sweep rows: %+v", sweep)
	}
	// Clusters: values 0 0 1 1 in two scenes of two have mean ½ and the standard error of two scenes, ½.
	e := sceneMean([]float64{0, 0, 1, 1}, []string{"a", "a", "b", "b"})
	near(t, "clustered error", e.SE, 0.5, 1e-15)
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
