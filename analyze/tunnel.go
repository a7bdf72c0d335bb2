package analyze

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A Probe is one yes/no question about a rendered scene whose two objects lie at controlled places.
type Probe struct {
	Scene   string // resampling unit
	Row     int    // position of the farther object, 0-based
	Col     int    // position of the nearer object
	Size    float64
	Layout  Layout // whether height points to the truth
	Truth   bool   // the right answer is Yes
	Yes, No float64
	Said    string // "yes", "no" or something else, as judged from the answer
}

// Score is v: the probability the model gives the right one of its Yes and No logits at the first generated token.
func (p *Probe) Score() float64 {
	yes := 1 / (1 + math.Exp(p.No-p.Yes))
	if p.Truth {
		return yes
	}
	return 1 - yes
}

// Right reports whether the answer itself is the right word.
func (p *Probe) Right() bool { return p.Said == "yes" && p.Truth || p.Said == "no" && !p.Truth }

// probeGroup is the mean score and the accuracy of some probes, by scene for the bootstrap.
func probeGroup(probes []Probe, want func(*Probe) bool) (score, right []float64, unit []string) {
	for i := range probes {
		if p := &probes[i]; want(p) {
			score = append(score, p.Score())
			r := 0.0
			if p.Right() {
				r = 1
			}
			right = append(right, r)
			unit = append(unit, p.Scene)
		}
	}
	return score, right, unit
}

// sceneMean is a mean with its standard error and interval over scenes: the ratio estimator's linearisation, so that scenes of
// different sizes count as they should. Fewer than two scenes give no interval.
func sceneMean(x []float64, unit []string) Estimate {
	e := Estimate{N: len(x)}
	if len(x) == 0 {
		return e
	}
	mean, _ := meanSD(x)
	e.Value = number(mean)
	excess := map[string]float64{}
	var order []string
	for i, u := range unit {
		if _, ok := excess[u]; !ok {
			order = append(order, u)
		}
		excess[u] += x[i] - mean
	}
	if m := float64(len(order)); m >= 2 {
		var sq float64
		for _, u := range order {
			sq += excess[u] * excess[u]
		}
		se := math.Sqrt(sq*m/(m-1)) / float64(len(x))
		e.SE, e.Low, e.High = number(se), number(mean-z95*se), number(mean+z95*se)
	}
	return e
}

// meanDifference is a − b for means over different scenes.
func meanDifference(a, b Estimate) Estimate {
	e := Estimate{N: min(a.N, b.N)}
	if a.Value == nil || b.Value == nil {
		return e
	}
	d := *a.Value - *b.Value
	e.Value = &d
	if a.SE != nil && b.SE != nil {
		se := math.Hypot(*a.SE, *b.SE)
		e.SE, e.Low, e.High = number(se), number(d-z95*se), number(d+z95*se)
	}
	return e
}

const probeMethod = "95 %: ± 1.96 standard errors over scenes"

// TunnelScores summarises probes of rendered scenes: v and exact match over all, where height is consistent with the truth, where
// it is counter, their difference, and how often Yes was the answer (the templates are balanced, so a constant answerer scores one half).
func TunnelScores(probes []Probe) *Result {
	t := &Table{Columns: []string{"all", "consistent", "counter", "difference"}, Unit: "share", Method: probeMethod}
	for _, kind := range []string{"v", "exact match"} {
		at := func(want func(*Probe) bool) Estimate {
			score, right, unit := probeGroup(probes, want)
			if kind == "v" {
				return sceneMean(score, unit)
			}
			return sceneMean(right, unit)
		}
		all := at(func(*Probe) bool { return true })
		consistent := at(func(p *Probe) bool { return p.Layout == Consistent })
		counter := at(func(p *Probe) bool { return p.Layout == Counter })
		t.Rows = append(t.Rows, TableRow{Key: kind, Cells: []Estimate{all, consistent, counter, meanDifference(consistent, counter)}})
	}
	yes := 0
	for i := range probes {
		if probes[i].Said == "yes" {
			yes++
		}
	}
	t.Rows = append(t.Rows, TableRow{Key: "said yes", Cells: []Estimate{proportion(yes, len(probes)), {}, {}, {}}})
	return &Result{Metric: "tunnel-scores", Title: "Scores on rendered scenes", Subset: AllPairs, Table: t,
		About: "v is the probability of the right one of Yes and No at the first generated token; difference is consistent less counter."}
}

// TunnelGrid is the mean score at every pair of positions: rows are the farther object's, columns the nearer one's.
func TunnelGrid(probes []Probe) *Result {
	rows, cols := 0, 0
	for _, p := range probes {
		rows, cols = max(rows, p.Row+1), max(cols, p.Col+1)
	}
	g := Grid{Block: -1, Unit: "v", Range: &[2]float64{0, 1}}
	for r := range rows {
		g.Rows = append(g.Rows, fmt.Sprint(r))
	}
	for c := range cols {
		g.Cols = append(g.Cols, fmt.Sprint(c))
	}
	cells := make([][][]*Probe, rows)
	for r := range cells {
		cells[r] = make([][]*Probe, cols)
	}
	for i := range probes {
		p := &probes[i]
		cells[p.Row][p.Col] = append(cells[p.Row][p.Col], p)
	}
	for r := range rows {
		line := make([]Estimate, cols)
		for c, in := range cells[r] {
			var x []float64
			var unit []string
			for _, p := range in {
				x, unit = append(x, p.Score()), append(unit, p.Scene)
			}
			line[c] = sceneMean(x, unit)
		}
		g.Cells = append(g.Cells, line)
	}
	return &Result{Metric: "tunnel-grid", Title: "Scores by the two objects' positions", Subset: AllPairs, Grids: []Grid{g}, Notes: []string{probeMethod},
		About: "Mean v at every pair of positions around the tunnel."}
}

// SizeSweep is the mean score at each size of the farther object, and the difference Δ_s between the smallest and the largest.
func SizeSweep(probes []Probe) *Result {
	sizes := map[float64]bool{}
	for _, p := range probes {
		sizes[p.Size] = true
	}
	order := make([]float64, 0, len(sizes))
	for s := range sizes {
		order = append(order, s)
	}
	slices.SortFunc(order, cmp.Compare[float64])
	t := &Table{Columns: []string{"v", "exact match"}, Unit: "share", Method: probeMethod}
	var first, last [2]Estimate
	for i, s := range order {
		score, right, unit := probeGroup(probes, func(p *Probe) bool { return p.Size == s })
		cells := []Estimate{sceneMean(score, unit), sceneMean(right, unit)}
		t.Rows = append(t.Rows, TableRow{Key: fmt.Sprintf("%.2f", s), Cells: cells})
		if i == 0 {
			first = [2]Estimate(cells)
		}
		last = [2]Estimate(cells)
	}
	if len(order) > 1 {
		t.Rows = append(t.Rows, TableRow{Key: "difference", Cells: []Estimate{meanDifference(first[0], last[0]), meanDifference(first[1], last[1])}})
	}
	return &Result{Metric: "size-sweep", Title: "Scores by size", Subset: AllPairs, Table: t,
		About: "Mean v by the farther object's size at fixed depths; difference is smallest less largest."}
}
