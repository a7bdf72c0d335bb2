package analyze

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// The two sweeps of rendered scenes: the objects' angles vary, or their sizes.
const (
	PhaseSweep = "phase"
	SizeSweep  = "size"
)

// A Probe is one yes/no question about a rendered scene whose two objects lie at controlled places.
type Probe struct {
	Scene   string  // resampling unit
	Row     int     // position of the farther object, 0-based
	Col     int     // position of the nearer object
	Size    float64 // of the farther object, where sizes vary
	Layout  Layout  // whether height points to the truth
	Truth   bool    // the right answer is Yes
	Yes, No float64 // logits at the first generated token; NaN where the head has no such tokens
	Said    string  // "yes", "no" or something else, as judged from the answer
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

// YesNo picks the logits of Yes and No from those of their spellings, in one order: the spelling in which the likelier of the two words is
// likeliest, which is how the model would answer. NaN where no spelling has both words.
func YesNo(yes, no [4]*float32) (y, n float64) {
	best := math.Inf(-1)
	y, n = math.NaN(), math.NaN()
	for i := range yes {
		if yes[i] == nil || no[i] == nil {
			continue
		}
		if m := float64(max(*yes[i], *no[i])); m > best {
			best, y, n = m, float64(*yes[i]), float64(*no[i])
		}
	}
	return y, n
}

// Said is the word an answer to a yes/no question begins with: "yes", "no", or "" for anything else.
func Said(answer string) string {
	word := strings.TrimLeftFunc(pythonLower(answer), func(r rune) bool { return !inWord(r) })
	if end := strings.IndexFunc(word, func(r rune) bool { return !inWord(r) }); end >= 0 {
		word = word[:end]
	}
	if word == "yes" || word == "no" {
		return word
	}
	return ""
}

// A SweepMetric is one registered analysis of the probes of a sweep.
type SweepMetric struct {
	Name    string // as in experiment files
	Version int    // raised when its numbers change
	Title   string
	About   string
	Sweep   string // PhaseSweep or SizeSweep; "" for both
	Shape   Shape
	Compute func(probes []Probe) *Result
}

var sweepMetrics []SweepMetric

// RegisterSweep adds a metric of sweeps. It panics on a duplicate or incomplete metric.
func RegisterSweep(m SweepMetric) {
	if m.Name == "" || m.Version <= 0 || m.Title == "" || m.About == "" || m.Shape == "" || m.Compute == nil {
		panic(fmt.Sprintf("analyze: metric %q of sweeps is incomplete", m.Name))
	}
	if slices.ContainsFunc(sweepMetrics, func(o SweepMetric) bool { return o.Name == m.Name }) {
		panic(fmt.Sprintf("analyze: metric %q of sweeps registered twice", m.Name))
	}
	sweepMetrics = append(sweepMetrics, m)
	slices.SortFunc(sweepMetrics, func(a, b SweepMetric) int { return cmp.Compare(a.Name, b.Name) })
}

// SweepMetrics lists the registered metrics of sweeps by name.
func SweepMetrics() []SweepMetric { return slices.Clone(sweepMetrics) }

// Run computes; condition is the name of the sweep.
func (m SweepMetric) Run(probes []Probe, condition string) *Result {
	r := m.Compute(probes)
	r.Metric, r.Title, r.About, r.Subset, r.Condition = m.Name, m.Title, m.About, AllPairs, condition
	return r
}

// scores are the values and scenes of the probes that are wanted; those without a value are left out.
func scores(probes []Probe, value func(*Probe) float64, want func(*Probe) bool) (x []float64, unit []string) {
	for i := range probes {
		p := &probes[i]
		if v := value(p); want(p) && !math.IsNaN(v) {
			x, unit = append(x, v), append(unit, p.Scene)
		}
	}
	return x, unit
}

func exactMatch(p *Probe) float64 { return share(p.Right()) }
func saidYes(p *Probe) float64    { return share(p.Said == "yes") }

func share(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// probeScores are what is said of any group of probes, by name. Beside the scores stands how often Yes was the answer: templates are
// balanced, so a constant answerer scores one half everywhere.
var probeScores = []struct {
	key   string
	value func(*Probe) float64
}{{"v", (*Probe).Score}, {"exact match", exactMatch}, {"said yes", saidYes}}

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

// compareGroups is a table of scores: over all probes, in two groups, and the first group's less the second's.
func compareGroups(probes []Probe, columns []string, groups ...func(*Probe) bool) *Result {
	t := &Table{Columns: columns, Unit: "share", Method: probeMethod}
	for _, score := range probeScores {
		at := func(want func(*Probe) bool) Estimate { return sceneMean(scores(probes, score.value, want)) }
		a, b := at(groups[0]), at(groups[1])
		t.Rows = append(t.Rows, TableRow{Key: score.key, Cells: []Estimate{at(func(*Probe) bool { return true }), a, b, meanDifference(a, b)}})
	}
	return &Result{Table: t}
}
