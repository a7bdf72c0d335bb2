package report

import (
	"fmt"
	"math"
	"strings"

	"swaprun/analyze"
)

var nan = math.NaN()

// A barFigure is grouped bars of shares with their intervals, on an axis that always runs from 0 to 100 %.
type barFigure struct {
	title, subtitle string
	panels          []barPanel
	keys            []legendKey
	chance          float64 // a rule; NaN = none
	compact         bool
}

type barPanel struct {
	title  string
	groups []barGroup
}

type barGroup struct {
	name string
	n    int // answers behind each bar, of the first scale
	bars []bar
}

type bar struct {
	key   string
	tone  tone
	e     analyze.Estimate
	faded bool
}

func (f *barFigure) scene(panelW, panelH float64) *scene {
	const left, right, gap = 52.0, 14.0, 18.0
	s := &scene{title: f.title, w: left + float64(len(f.panels))*(panelW+gap) - gap + right}
	y := s.head(f.title, f.subtitle, f.compact)
	y = s.legend(f.keys, left, y+10, s.w-left-right) + 22
	at := func(v float64) float64 { return y + panelH*(1-v) }
	for k, p := range f.panels {
		x0 := left + float64(k)*(panelW+gap)
		s.add(label{text: p.title, x: x0, y: y - 10, size: 13.5, tone: toneInk, bold: true})
		for i := range 5 {
			v := float64(i) / 4
			s.line(x0, at(v), x0+panelW, at(v), 1, toneGrid)
			if k == 0 {
				s.text(fmt.Sprintf("%.0f %%", 100*v), x0-7, at(v)+3.8, tickSize, end, toneSoft)
			}
		}
		if !math.IsNaN(f.chance) {
			s.add(polyline{style{stroke: toneSoft, width: 1.2, dash: []float64{4, 3}}, []xy{{x0, at(f.chance)}, {x0 + panelW, at(f.chance)}}})
		}
		step := panelW / float64(max(1, len(p.groups)))
		for i, g := range p.groups {
			gx := x0 + float64(i)*step
			width := (step - 14) / float64(max(1, len(g.bars)))
			for j, b := range g.bars {
				f.bar(s, b, g.name, p.title, gx+7+float64(j)*width, width, at)
			}
			s.text(cut(g.name, step-4, tickSize), gx+step/2, y+panelH+16, tickSize, middle, toneSoft)
			if g.n > 0 {
				s.text(fmt.Sprintf("n %d", g.n), gx+step/2, y+panelH+30, tickSize, middle, toneSoft)
			}
		}
		s.line(x0, at(0), x0+panelW, at(0), 1, toneSoft)
	}
	s.h = y + panelH + 42
	s.desc = f.describe()
	return s
}

func (f *barFigure) bar(s *scene, b bar, group, panel string, x, width float64, at func(float64) float64) {
	v := val(b.e.Value)
	tip := strings.Join(compactText(panel, group, b.key), ", ") + "\n"
	if math.IsNaN(v) {
		s.text("–", x+width/2, at(0)-4, tickSize, middle, toneSoft)
		s.add(hit{x: x, y: at(1), w: width, h: at(0) - at(1), tip: tip + "nothing counted"})
		return
	}
	st := style{fill: b.tone, alpha: .88}
	if b.faded {
		st.alpha = .4
	}
	s.add(rect{st, x + .8, at(v), width - 1.6, at(0) - at(v)})
	lo, hi := val(b.e.Low), val(b.e.High)
	mid := x + width/2
	if !math.IsNaN(lo) && !math.IsNaN(hi) {
		cap := math.Min(3, width*.25)
		s.add(polyline{style{stroke: toneInk, width: 1.2}, []xy{{mid, at(lo)}, {mid, at(hi)}}})
		s.line(mid-cap, at(lo), mid+cap, at(lo), 1.2, toneInk)
		s.line(mid-cap, at(hi), mid+cap, at(hi), 1.2, toneInk)
		tip += percentInterval(v, lo, hi)
	} else {
		tip += percent(v)
	}
	tip += fmt.Sprintf(", n %d", b.e.N)
	s.add(hit{x: x, y: at(1), w: width, h: at(0) - at(1), tip: tip})
}

func compactText(parts ...string) []string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}

// percent writes a share.
func percent(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return signed(fmt.Sprintf("%.1f", 100*v)) + " %"
}

// percentInterval writes a share with its interval.
func percentInterval(v, lo, hi float64) string {
	if math.IsNaN(v) || math.IsNaN(lo) || math.IsNaN(hi) {
		return percent(v)
	}
	bare := func(v float64) string { return strings.TrimSuffix(percent(v), " %") }
	return fmt.Sprintf("%s [%s, %s]", percent(v), bare(lo), bare(hi))
}

func (f *barFigure) describe() string {
	var parts []string
	for _, p := range f.panels {
		for _, g := range p.groups {
			for _, b := range g.bars {
				if b.e.Value != nil && len(parts) < 40 {
					parts = append(parts, strings.Join(compactText(p.title, g.name, b.key), ", ")+" "+percent(*b.e.Value))
				}
			}
		}
	}
	return f.subtitle + ". " + strings.Join(parts, "; ") + "."
}

// accuracyColumns are the columns of pred-stats in words.
var accuracyColumns = []struct{ column, title string }{
	{"acc_orig", "original question right"},
	{"acc_swap", "swapped question right"},
	{"acc_both", "both right"},
}

func cellOf(t *analyze.Table, row analyze.TableRow, column string) analyze.Estimate {
	for i, c := range t.Columns {
		if c == column && i < len(row.Cells) {
			return row.Cells[i]
		}
	}
	return analyze.Estimate{}
}

// accuracyFigure is grouped bars: one panel per question, one group per axis, one bar per scale.
func accuracyFigure(results []scaled, model string) *barFigure {
	return groupedBars(results, []string{"horizontal", "vertical", "distance", "overall"}, "Accuracy",
		model+" · all pairs · whiskers: 95 % Wilson intervals · dashed: 50 %, what a coin gives for one question")
}

// layoutFigure is the same for distance pairs by where their farther object lies.
func layoutFigure(results []scaled, model string) *barFigure {
	return groupedBars(results, []string{"consistent", "counter", "ambiguous"}, "Where height helps and where it misleads",
		model+" · distance pairs · consistent: the farther object is higher in the picture; counter: it is lower · whiskers: 95 % Wilson intervals")
}

func groupedBars(results []scaled, groups []string, title, subtitle string) *barFigure {
	f := &barFigure{title: title, chance: .5, subtitle: subtitle}
	any := false
	for _, c := range accuracyColumns {
		p := barPanel{title: c.title}
		for _, g := range groups {
			group := barGroup{name: g}
			for _, s := range results {
				if s.r == nil || s.r.Table == nil {
					continue
				}
				any = true
				if n := tableRow(s.r.Table, g); group.n == 0 && len(n.Cells) > 0 {
					group.n = n.Cells[0].N
				}
				group.bars = append(group.bars, bar{key: s.mark.Name, tone: scaleTone(s.mark), e: cellOf(s.r.Table, tableRow(s.r.Table, g), c.column)})
			}
			p.groups = append(p.groups, group)
		}
		f.panels = append(f.panels, p)
	}
	for _, s := range results {
		if s.r != nil {
			f.keys = append(f.keys, legendKey{text: s.mark.Name, tone: scaleTone(s.mark), kind: square})
		}
	}
	if !any {
		return nil
	}
	return f
}

// trajectoryFigure is accuracy over scales: one panel per question, one line per axis.
func trajectoryFigure(results []scaled, model string) *lineFigure {
	f := &lineFigure{title: "Accuracy over scales", yLabel: "share right", limits: &[2]float64{0, 1}, within: &[2]float64{0, 1},
		subtitle: model + " · all pairs · bands: 95 % Wilson intervals", xTitle: "scale, in order of declaration"}
	for _, s := range results {
		if s.r != nil && s.r.Table != nil {
			f.xLabels = append(f.xLabels, s.mark.Name)
		}
	}
	if len(f.xLabels) == 0 {
		return nil
	}
	for _, c := range accuracyColumns {
		f.panels = append(f.panels, overScales(results, c.title, func(r *analyze.Result, axis string) (analyze.Estimate, bool) {
			return cellOf(r.Table, tableRow(r.Table, axis), c.column), true
		}))
	}
	f.axisKeys()
	return f
}

func (f *lineFigure) axisKeys() {
	for _, axis := range axisNames {
		f.keys = append(f.keys, legendKey{text: axis, tone: keyTone(axis)})
	}
}

// overScales is a panel with one line per axis over the scales that have a result.
func overScales(results []scaled, title string, value func(r *analyze.Result, axis string) (analyze.Estimate, bool)) linePanel {
	p := linePanel{title: title}
	for _, axis := range axisNames {
		l := lineSeries{key: axis, tone: keyTone(axis)}
		x := 0
		for _, s := range results {
			if s.r == nil {
				continue
			}
			e, ok := value(s.r, axis)
			q := linePoint{x: float64(x), y: val(e.Value), lo: val(e.Low), hi: val(e.High), n: e.N, p: nan, nullLo: nan, nullHi: nan}
			x++
			if ok {
				l.points = append(l.points, q)
			}
		}
		p.lines = append(p.lines, l)
	}
	p.note = countsOf(p.lines)
	return p
}

// ablationFigure sets behaviour beside representation at one block, over scales: both-correct accuracy, coherence, alignment.
func ablationFigure(accuracy, coherence, alignment []scaled, model string, subset analyze.Subset, block int) *lineFigure {
	f := &lineFigure{title: "Behaviour and representation over scales", yLabel: "share right, or mean cosine", xTitle: "scale, in order of declaration",
		subtitle: fmt.Sprintf("%s · %s · block %d · bands: 95 %% intervals", model, subsetName(subset), block)}
	place := map[string]int{}
	for i, s := range accuracy {
		if s.r != nil || (i < len(coherence) && coherence[i].r != nil) {
			place[s.mark.Name] = len(f.xLabels)
			f.xLabels = append(f.xLabels, s.mark.Name)
		}
	}
	if len(f.xLabels) == 0 {
		return nil
	}
	panel := func(title string, results []scaled, keys []string, value func(r *analyze.Result, key string) analyze.Estimate) {
		p := linePanel{title: title}
		for _, key := range keys {
			l := lineSeries{key: keyName(key), tone: keyTone(key)}
			for _, s := range results {
				x, ok := place[s.mark.Name]
				if s.r == nil || !ok {
					continue
				}
				e := value(s.r, key)
				l.points = append(l.points, linePoint{x: float64(x), y: val(e.Value), lo: val(e.Low), hi: val(e.High), n: e.N, p: nan, nullLo: nan, nullHi: nan})
			}
			if len(l.points) > 0 {
				p.lines = append(p.lines, l)
			}
		}
		if len(p.lines) > 0 {
			p.note = countsOf(p.lines)
			f.panels = append(f.panels, p)
		}
	}
	panel("both answers right", accuracy, axisNames, func(r *analyze.Result, axis string) analyze.Estimate {
		if r.Table == nil {
			return analyze.Estimate{}
		}
		return cellOf(r.Table, tableRow(r.Table, axis), "acc_both")
	})
	at := func(r *analyze.Result, key string) analyze.Estimate {
		if r.Curve == nil {
			return analyze.Estimate{}
		}
		l, _ := findLine(r.Curve.Lines, key)
		e, _ := pointAt(l, block)
		return e
	}
	panel("axis coherence", coherence, axisNames, at)
	panel("vertical–distance alignment", alignment, []string{AlignPerSample}, at)
	f.axisKeys()
	for _, p := range f.panels {
		for _, l := range p.lines {
			if l.tone != "horizontal" && l.tone != "vertical" && l.tone != "distance" {
				f.keys = append(f.keys, legendKey{text: l.key, tone: l.tone})
			}
		}
	}
	return f
}
