package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"swaprun/analyze"
)

// The answer up front: what the numbers at one block say, in words and as one figure.

// at is a line's estimate at a block of a result that may be absent.
func at(r *analyze.Result, key string, block int) analyze.Estimate {
	if r == nil || r.Curve == nil {
		return analyze.Estimate{}
	}
	l, _ := findLine(r.Curve.Lines, key)
	e, _ := pointAt(l, block)
	return e
}

// summary draws the model's forest figure and writes its part of the answer.
func (w *modelWriter) summary() {
	b := w.v.Focus
	coh := w.page.entries(w.m, MetricCoherence, analyze.AllPairs)
	ei := w.page.entries(w.m, MetricVDEI, analyze.AllPairs)
	acc := w.page.entries(w.m, MetricPredStats, analyze.AllPairs)
	f := &forestFigure{title: fmt.Sprintf("%s at block %d", w.v.Name, b)}
	coherence := forestPanel{title: "axis coherence", unit: "mean cosine", within: &[2]float64{-1, 1}, rule: nan}
	entangled := forestPanel{title: "entanglement (VD-EI)", unit: "cosine: 0 apart, 1 the same", within: &[2]float64{-1, 1}, rule: nan}
	right := forestPanel{title: "both answers right", unit: "share of pairs", percents: true, rule: nan}
	last := -1
	balanced := false
	for i, s := range w.m.Scales {
		if coh[i].Result == nil && ei[i].Result == nil && acc[i].Result == nil {
			continue
		}
		last = i
		f.rows = append(f.rows, s.Name)
		var c, e, a []forestMark
		for _, axis := range axisNames {
			c = append(c, forestMark{axis, keyTone(axis), disc, at(coh[i].Result, axis, b)})
			if r := acc[i].Result; r != nil && r.Table != nil {
				a = append(a, forestMark{axis, keyTone(axis), disc, cellOf(r.Table, tableRow(r.Table, axis), "acc_both")})
			}
		}
		for _, key := range []string{VDEIReleased, "vd-ei-balanced"} {
			if v := at(ei[i].Result, key, b); v.Value != nil {
				kind := disc
				if key != VDEIReleased {
					kind, balanced = diamond, true
				}
				e = append(e, forestMark{keyName(key), keyTone(key), kind, v})
			}
		}
		coherence.marks, entangled.marks, right.marks = append(coherence.marks, c), append(entangled.marks, e), append(right.marks, a)
	}
	if last < 0 {
		return
	}
	f.panels = []forestPanel{coherence, entangled, right}
	for _, axis := range axisNames {
		f.keys = append(f.keys, legendKey{text: axis, tone: keyTone(axis), dot: true})
	}
	f.keys = append(f.keys, legendKey{text: keyName(VDEIReleased), tone: keyTone(VDEIReleased), dot: true})
	if balanced {
		f.keys = append(f.keys, legendKey{text: keyName("vd-ei-balanced"), tone: keyTone("vd-ei-balanced"), kind: diamond, dot: true})
	}
	f.keys = append(f.keys, legendKey{text: "95 % of the null", tone: toneNull, band: true})
	answer := w.words(coh, ei, acc, last)
	for _, l := range answer.Lines {
		f.subtitle += l.Verdict + " " + l.Text + " "
	}
	id := w.id("summary")
	w.v.Summary = figureView{ID: id, Title: fmt.Sprintf("%s: all scales at block %d", w.v.Name, b), Caption: "Markers are estimates, whiskers 95 % intervals; every panel has the same rows.",
		SVG: template.HTML(f.scene(255).svg(id)), Numbers: f.numbers(), Sources: sources(append(append(append([]Entry{}, coh...), ei...), acc...)...)}
	w.v.Summary.Sources.About = ""
	w.page.Answers = append(w.page.Answers, answer)
}

// A modelAnswer is what a model's numbers say, line by line.
type modelAnswer struct {
	ID, Name, Where string
	Lines           []answerLine
}

// An answerLine is a verdict and the numbers it rests on.
type answerLine struct{ Verdict, Text string }

// words says what the last scale's numbers mean, with its numbers, and what changed since the first.
func (w *modelWriter) words(coh, ei, acc []Entry, last int) modelAnswer {
	b := w.v.Focus
	answer := modelAnswer{ID: w.v.ID, Name: w.v.Name, Where: fmt.Sprintf("%s, block %d", w.m.Scales[last].Name, b)}
	say := func(verdict, text string) { answer.Lines = append(answer.Lines, answerLine{verdict, text}) }
	first := -1
	for i := range coh {
		if coh[i].Result != nil {
			first = i
			break
		}
	}
	var shared, lacking []string
	random, chance := w.page.entries(w.m, MetricFloors, analyze.AllPairs), "above chance"
	for _, axis := range axisNames {
		e := at(coh[last].Result, axis, b)
		if e.Value == nil {
			continue
		}
		line := axis + " " + interval(val(e.Value), val(e.Low), val(e.High))
		if first >= 0 && first < last {
			line += w.beside(e.N, first, at(coh[first].Result, axis, b))
		} else {
			line += w.beside(e.N, -1, analyze.Estimate{})
		}
		floor := 0.0
		if e.Null != nil {
			floor = e.Null.High
		}
		if r := at(random[last].Result, "random-pairs-"+axis, b); r.High != nil {
			floor, chance = math.Max(floor, *r.High), "above chance and above random pairs"
		}
		low := val(e.Low)
		if math.IsNaN(low) {
			low = *e.Value
		}
		if low > floor {
			shared = append(shared, line)
		} else {
			lacking = append(lacking, line)
		}
	}
	switch {
	case len(shared) == 3:
		say("A direction for every axis.", "Coherence, "+chance+" throughout: "+listed(shared)+".")
	case len(shared) > 0:
		say(fmt.Sprintf("A direction for %d of %d axes.", len(shared), len(shared)+len(lacking)), "Coherence "+chance+" for "+listed(shared)+"; not for "+listed(lacking)+".")
	case len(lacking) > 0:
		say("No direction beyond chance.", "Coherence: "+listed(lacking)+".")
	}
	if e := at(ei[last].Result, VDEIReleased, b); e.Value != nil {
		text := fmt.Sprintf("The two directions have a cosine of %s", interval(*e.Value, val(e.Low), val(e.High)))
		if first >= 0 && first < last {
			text += w.beside(e.N, first, at(ei[first].Result, VDEIReleased, b))
		} else {
			text += w.beside(e.N, -1, analyze.Estimate{})
		}
		if o := at(ei[last].Result, "vd-ei-balanced", b); o.Value != nil {
			text += fmt.Sprintf("; with consistent and counter scenes balanced, %s (n %d of the rarer kind)", interval(*o.Value, val(o.Low), val(o.High)), o.N)
		}
		if o := at(ei[last].Result, "hd-ei", b); o.Value != nil {
			text += fmt.Sprintf("; the control, horizontal with distance, %s (n %d)", interval(*o.Value, val(o.Low), val(o.High)), o.N)
		}
		say("Vertical and distance are "+degree(e)+".", text+".")
	}
	if r := w.page.entries(w.m, metricDeduplicated, analyze.AllPairs)[last].Result; r != nil {
		var parts []string
		for _, axis := range axisNames {
			if e := at(r, axis, b); e.Value != nil {
				parts = append(parts, fmt.Sprintf("%s %s of %d", axis, interval(*e.Value, val(e.Low), val(e.High)), e.N))
			}
		}
		text := "coherence " + listed(parts)
		if e := at(r, VDEIReleased, b); e.Value != nil {
			text += fmt.Sprintf("; cosine of vertical and distance %s", interval(*e.Value, val(e.Low), val(e.High)))
		}
		if len(parts) > 0 {
			say("Without pairs that repeat or contradict others:", text+".")
		}
	}
	if r := acc[last].Result; r != nil && r.Table != nil {
		var parts []string
		for _, axis := range axisNames {
			if e := cellOf(r.Table, tableRow(r.Table, axis), "acc_both"); e.Value != nil {
				parts = append(parts, fmt.Sprintf("%s %s of %d", axis, percentInterval(*e.Value, val(e.Low), val(e.High)), e.N))
			}
		}
		if len(parts) > 0 {
			say("Both questions of a pair answered right:", listed(parts)+".")
		}
	}
	layouts := w.page.entries(w.m, "accuracy-by-layout", analyze.AllPairs)
	if r := layouts[last].Result; r != nil && r.Table != nil {
		cell := func(row string) analyze.Estimate { return cellOf(r.Table, tableRow(r.Table, row), "acc_both") }
		with, against, gap := cell("consistent"), cell("counter"), cell("gap")
		if with.Value != nil && against.Value != nil && gap.Value != nil {
			verdict := "Height neither helps nor misleads its answers measurably:"
			switch {
			case val(gap.Low) > 0:
				verdict = "Its answers lean on height:"
			case val(gap.High) < 0:
				verdict = "Its answers are better where height misleads:"
			}
			text := fmt.Sprintf("distance pairs are both answered right in %s of %d where the farther object is higher and in %s of %d where it is lower; gap %s points",
				percent(*with.Value), with.N, percent(*against.Value), against.N, strings.ReplaceAll(percentInterval(*gap.Value, val(gap.Low), val(gap.High)), " %", ""))
			if first >= 0 && first < last && layouts[first].Result != nil && layouts[first].Result.Table != nil {
				t := layouts[first].Result.Table
				if was := cellOf(t, tableRow(t, "gap"), "acc_both"); was.Value != nil {
					text += fmt.Sprintf(" (%s: %s)", w.m.Scales[first].Name, strings.ReplaceAll(percentInterval(*was.Value, val(was.Low), val(was.High)), " %", ""))
				}
			}
			say(verdict, text+".")
		}
	}
	if verdict, text := w.sceneOrHeight(last); verdict != "" {
		say(verdict, text)
	}
	return answer
}

// beside is what stands in brackets behind a number: its n, and what it was at the first scale.
func (w *modelWriter) beside(n, first int, was analyze.Estimate) string {
	var parts []string
	if n > 0 {
		parts = append(parts, fmt.Sprintf("n %d", n))
	}
	if first >= 0 && was.Value != nil {
		parts = append(parts, w.m.Scales[first].Name+": "+interval(*was.Value, val(was.Low), val(was.High)))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

// sceneOrHeight reads the sharpest test there is: whether a scene's own vertical and distance deltas still point the same
// way where the farther object is lower. A height shortcut makes the alignment positive on both kinds of scene, a model whose
// axes are correlated but follow the scene makes it positive and negative, one with orthogonal axes near zero.
func (w *modelWriter) sceneOrHeight(last int) (verdict, text string) {
	r := w.page.entries(w.m, MetricAlignment, analyze.AllPairs)[last].Result
	with, against := at(r, "per-sample-consistent", w.v.Focus), at(r, "per-sample-counter", w.v.Focus)
	if with.Value == nil || against.Value == nil || against.Low == nil || against.High == nil {
		return "", ""
	}
	verdict = "Counter scenes leave open whether the entanglement follows height:"
	switch {
	case val(against.Low) > 0 && *with.Value > 0:
		verdict = "The entanglement follows height, even where height misleads:"
	case val(against.High) < 0 && *with.Value > 0:
		verdict = "The alignment turns round with the scene:"
	}
	return verdict, fmt.Sprintf("a scene's own vertical and distance deltas align by %s on consistent scenes (n %d) and by %s on counter scenes (n %d). A height shortcut makes both positive, axes kept apart make both about 0, correlated axes that follow the scene make the second negative.",
		interval(*with.Value, val(with.Low), val(with.High)), with.N, interval(*against.Value, val(against.Low), val(against.High)), against.N)
}

// degree puts an entanglement into words. The page states these limits.
func degree(e analyze.Estimate) string {
	v, lo, hi := *e.Value, val(e.Low), val(e.High)
	if !math.IsNaN(lo) && lo <= 0 && hi >= 0 {
		return "not distinguishable from independent"
	}
	how := "strongly"
	switch a := math.Abs(v); {
	case a < .1:
		how = "hardly"
	case a < .3:
		how = "weakly"
	case a < .6:
		how = "clearly"
	}
	if v < 0 {
		return how + " entangled, in opposition"
	}
	return how + " entangled"
}

func listed(parts []string) string {
	switch len(parts) {
	case 0:
		return ""
	case 1:
		return parts[0]
	}
	text := parts[0]
	for _, p := range parts[1 : len(parts)-1] {
		text += ", " + p
	}
	return text + " and " + parts[len(parts)-1]
}

// compare sets the models beside one another, each at its own block.
func (p *page) compare() {
	if len(p.Models) < 2 {
		return
	}
	f := &forestFigure{title: "All models", subtitle: "Every model at its own block."}
	panels := make([]forestPanel, 5)
	for i, axis := range axisNames {
		panels[i] = forestPanel{title: axis + " coherence", unit: "mean cosine", within: &[2]float64{-1, 1}, rule: nan}
	}
	panels[3] = forestPanel{title: "VD-EI", unit: "cosine", within: &[2]float64{-1, 1}, rule: nan}
	panels[4] = forestPanel{title: "both right, distance", unit: "share of pairs", percents: true, rule: nan}
	var used []Entry
	for k := range p.Models {
		m, v := &p.Bundle.Models[k], p.Models[k]
		coh := p.entries(m, MetricCoherence, analyze.AllPairs)
		ei := p.entries(m, MetricVDEI, analyze.AllPairs)
		acc := p.entries(m, MetricPredStats, analyze.AllPairs)
		for i, mark := range marks(m) {
			if coh[i].Result == nil && ei[i].Result == nil {
				continue
			}
			used = append(used, coh[i], ei[i], acc[i])
			f.rows = append(f.rows, v.Name+" "+mark.Name)
			one := func(e analyze.Estimate) []forestMark {
				return []forestMark{{mark.Name, scaleTone(mark), scaleMarker(mark), e}}
			}
			for a, axis := range axisNames {
				panels[a].marks = append(panels[a].marks, one(at(coh[i].Result, axis, v.Focus)))
			}
			panels[3].marks = append(panels[3].marks, one(at(ei[i].Result, VDEIReleased, v.Focus)))
			var e analyze.Estimate
			if r := acc[i].Result; r != nil && r.Table != nil {
				e = cellOf(r.Table, tableRow(r.Table, "distance"), "acc_both")
			}
			panels[4].marks = append(panels[4].marks, one(e))
		}
	}
	if len(f.rows) == 0 {
		return
	}
	f.panels, f.tight = panels, true
	src := sources(used...)
	src.About = ""
	p.Compare = append(p.Compare, figureView{ID: "compare-all", Title: "All models and scales", Caption: "Each model at its own block (" + p.blocks() + "). Markers are estimates, whiskers 95 % intervals, grey the null.",
		SVG: template.HTML(f.scene(170).svg("compare-all")), Numbers: f.numbers(), Sources: src})
}

func (p *page) blocks() string {
	var parts []string
	for _, m := range p.Models {
		parts = append(parts, fmt.Sprintf("%s: %d", m.Name, m.Focus))
	}
	return listed(parts)
}
