package analyze

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

func init() {
	RegisterSweep(SweepMetric{
		Name: "tunnel-scores", Version: 1, Title: "Scores where height helps and where it misleads", Sweep: PhaseSweep, Shape: ShapeTable,
		About: "v is the probability of the right one of Yes and No at the first generated token (SpatialTunnel, §4.2), beside it exact match and how often Yes was the answer; " +
			"consistent: the farther object is the higher one in the image, counter: the lower one.",
		Compute: func(probes []Probe) *Result {
			return compareGroups(probes, []string{"all", "consistent", "counter", "difference"},
				func(p *Probe) bool { return p.Layout == Consistent }, func(p *Probe) bool { return p.Layout == Counter })
		},
	})
	RegisterSweep(SweepMetric{
		Name: "tunnel-grid", Version: 1, Title: "Scores by the two objects' angles", Sweep: PhaseSweep, Shape: ShapeGrids,
		About:   "Mean v at every pair of angles around the tunnel: rows are the farther object's, columns the nearer one's, counter-clockwise from the horizontal.",
		Compute: tunnelGrid,
	})
	RegisterSweep(SweepMetric{
		Name: "size-sweep", Version: 1, Title: "Scores by size", Sweep: SizeSweep, Shape: ShapeCurve,
		About:   "v, exact match and how often Yes was the answer by the farther object's size, depths fixed (SpatialTunnel, appendix C.4).",
		Compute: sizeSweep,
	})
	RegisterSweep(SweepMetric{
		Name: "size-scores", Version: 1, Title: "Scores at the smallest and at the largest size", Sweep: SizeSweep, Shape: ShapeTable,
		About: "The same over all sizes, at the smallest and at the largest size of the farther object, and their difference (Δ_s): positive if a larger object is taken for a nearer one.",
		Compute: func(probes []Probe) *Result {
			sizes := sizesOf(probes)
			at := func(i int) func(*Probe) bool {
				return func(p *Probe) bool { return len(sizes) > 1 && p.Size == sizes[i] }
			}
			return compareGroups(probes, []string{"all", "smallest", "largest", "difference"}, at(0), at(len(sizes)-1))
		},
	})
}

// angle names a step of a sweep of n around the circle, in degrees.
func angle(step, n int) string {
	return strconv.FormatFloat(360*float64(step)/float64(n), 'f', -1, 64) + "°"
}

func tunnelGrid(probes []Probe) *Result {
	n := 0
	for _, p := range probes {
		n = max(n, p.Row+1, p.Col+1)
	}
	n = max(n, 16) // steps of the published sweep; a table of fewer covers a part of it
	g := Grid{Block: -1, Unit: "v (rows: the farther object's angle, columns: the nearer one's)", Range: &[2]float64{0, 1}}
	type cell struct {
		x      []float64
		unit   []string
		layout Layout
	}
	cells := make([]cell, n*n)
	for i := range probes {
		p := &probes[i]
		c := &cells[p.Row*n+p.Col]
		c.layout = p.Layout
		if x, unit := scores(probes[i:i+1], (*Probe).Score, func(*Probe) bool { return true }); len(x) > 0 {
			c.x, c.unit = append(c.x, x...), append(c.unit, unit...)
		}
	}
	for r := range n {
		g.Rows, g.Cols = append(g.Rows, angle(r, n)), append(g.Cols, angle(r, n))
		line, groups := make([]Estimate, n), make([]string, n)
		for c := range n {
			at := &cells[r*n+c]
			line[c], groups[c] = sceneMean(at.x, at.unit), string(at.layout)
		}
		g.Cells, g.Groups = append(g.Cells, line), append(g.Groups, groups)
	}
	return &Result{Grids: []Grid{g}, Notes: []string{probeMethod}}
}

// sizesOf lists the sizes that occur, ascending.
func sizesOf(probes []Probe) []float64 {
	var sizes []float64
	for _, p := range probes {
		if !slices.Contains(sizes, p.Size) {
			sizes = append(sizes, p.Size)
		}
	}
	slices.SortFunc(sizes, cmp.Compare[float64])
	return sizes
}

func sizeSweep(probes []Probe) *Result {
	c := &Curve{Unit: "share", Range: &[2]float64{0, 1}, Method: probeMethod, Along: "size of the farther object"}
	sizes := sizesOf(probes)
	for _, s := range sizes {
		c.Places = append(c.Places, fmt.Sprintf("%.2f", s))
	}
	for _, score := range probeScores {
		line := Line{Key: score.key}
		for i, s := range sizes {
			e := sceneMean(scores(probes, score.value, func(p *Probe) bool { return p.Size == s }))
			line.Points = append(line.Points, Point{Block: i, Estimate: e})
		}
		c.Lines = append(c.Lines, line)
	}
	return &Result{Curve: c}
}
