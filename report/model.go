package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"swaprun/analyze"
)

// The page's part about one model.

// shownElsewhere are the metrics with a place of their own in a model's part; all others are drawn by shape under
// “Further measurements”.
var shownElsewhere = []string{MetricCoherence, MetricWithinCat, MetricVDEI, MetricAlignment, MetricSimilarity, MetricPredStats, MetricValidity, MetricPCA,
	"effect-size", MetricFloors, "accuracy-by-layout", "response-bias", "object-held-out", "control-task", metricDeduplicated, "accuracy-deduplicated"}

// metricDeduplicated is the estimate without doubtful pairs, which the answer quotes beside that of all.
const metricDeduplicated = "deduplicated"

// subsetsShown are those with numbers of their own. The third, all_with_validity, is all pairs with unreliable categories
// marked, which the page always does.
var subsetsShown = []analyze.Subset{analyze.AllPairs, analyze.BothCorrect}

func (p *page) model(i int) {
	m := &p.Bundle.Models[i]
	v := modelView{ID: "m-" + slug(m.Name), Name: m.Title, Focus: p.focus(m), Why: p.why(m), Scales: m.Scales}
	if v.Name == "" {
		v.Name = m.Name
	}
	v.Facts = strings.Join(compactText(m.Family, plural(m.Blocks, "block"), fmt.Sprintf("width %d", m.Width), plural(len(m.Scales), "checkpoint")), " · ")
	for _, s := range m.Scales {
		if s.Failure != "" {
			v.Failed = append(v.Failed, s)
		}
	}
	w := &modelWriter{page: p, m: m, v: &v}
	w.summary()
	w.directions()
	w.entanglement()
	w.accuracy()
	w.controls()
	w.sweeps()
	w.clouds()
	w.together()
	w.changes()
	w.further()
	p.Models = append(p.Models, v)
}

type modelWriter struct {
	page *page
	m    *Model
	v    *modelView
}

func (w *modelWriter) id(parts ...string) string {
	for i, s := range parts {
		parts[i] = slug(s)
	}
	return w.v.ID + "-" + strings.Join(parts, "-")
}

// figure finishes a line figure.
func (w *modelWriter) figure(f *lineFigure, id string, src sourcesView, numbers bool) figureView {
	// About 900 wide, so that text keeps its size in the page's column.
	width, height := 264.0, 230.0
	switch {
	case len(f.panels) == 1:
		width, height = 640, 270
	case len(f.panels) == 2 || len(f.panels) == 4:
		width = 404
	}
	f.compact = true
	s := f.scene(width, height)
	v := figureView{ID: id, Title: f.title, Caption: f.subtitle, SVG: template.HTML(s.svg(id)), Sources: src}
	if numbers {
		v.Numbers = f.numbers()
	}
	return v
}

// numbers is the figure as a table: a row per place, a column per line.
func (f *lineFigure) numbers() *tableView {
	t := &tableView{Caption: "value [95 % interval]"}
	type column struct {
		at map[int]string
	}
	var columns []column
	var places []int
	for _, p := range f.panels {
		for _, l := range p.lines {
			name := l.key
			if p.title != "" && p.title != l.key {
				name = p.title + ", " + l.key
			}
			if n := counts(l.points); n != "" {
				name += " (" + n + ")"
			}
			t.Columns = append(t.Columns, name)
			c := column{map[int]string{}}
			for _, q := range l.points {
				if !slices.Contains(places, int(q.x)) {
					places = append(places, int(q.x))
				}
				c.at[int(q.x)] = interval(q.y, q.lo, q.hi)
			}
			columns = append(columns, c)
		}
	}
	slices.Sort(places)
	for _, x := range places {
		row := rowView{Head: f.place(x)}
		for _, c := range columns {
			row.Cells = append(row.Cells, cellView{c.at[x], ""})
		}
		t.Rows = append(t.Rows, row)
	}
	head := "block"
	if f.xLabels != nil {
		head, _, _ = strings.Cut(f.xTitle, ",")
	}
	t.Columns = append([]string{head}, t.Columns...)
	return t
}

// curves draws a metric's curves over all scales, one tab per subset.
func (w *modelWriter) curves(metric string, keys []string, name string) []tabView {
	var tabs []tabView
	var limits []*analyze.Result
	for _, subset := range subsetsShown {
		for _, e := range w.page.entries(w.m, metric, subset) {
			limits = append(limits, pick(e.Result, keys))
		}
		if metric == MetricCoherence {
			for _, r := range results(w.page.entries(w.m, MetricFloors, subset)) {
				limits = append(limits, pick(r, floorLines))
			}
		}
	}
	for _, subset := range subsetsShown {
		entries := w.page.entries(w.m, metric, subset)
		picked := scaledBy(w.m, entries)
		for i := range picked {
			picked[i].r = pick(picked[i].r, keys)
			if metric == MetricVDEI {
				picked[i].weak = weakDirections(w.page.entries(w.m, MetricCoherence, subset)[i].Result)
			}
		}
		f := scalesFigure(picked, w.v.Name, subset, sharedLimits(limits...))
		if f == nil {
			continue
		}
		if metric == MetricCoherence {
			random := w.page.entries(w.m, MetricFloors, subset)
			f.floors(results(random)...)
			entries = append(entries, random...)
		}
		id := w.id(metric, name, string(subset))
		tabs = append(tabs, tabView{ID: "tab-" + id, Group: w.id(metric, name), Name: subsetName(subset), Checked: len(tabs) == 0,
			Figures: []figureView{w.figure(f, id, sources(entries...), true)}})
	}
	return tabs
}

// pick keeps the given lines of a curve; nil keeps all.
func pick(r *analyze.Result, keys []string) *analyze.Result {
	if r == nil || r.Curve == nil || keys == nil {
		return r
	}
	out, curve := *r, *r.Curve
	curve.Lines = nil
	curve.Unit, _, _ = strings.Cut(curve.Unit, " (") // what stands in brackets is about lines left out
	for _, key := range keys {
		if l, ok := findLine(r.Curve.Lines, key); ok {
			curve.Lines = append(curve.Lines, l)
		}
	}
	out.Curve = &curve
	return &out
}

// others are a curve's keys beyond the given ones.
func others(r *analyze.Result, keys []string) []string {
	out := []string{}
	if r != nil && r.Curve != nil {
		for _, l := range r.Curve.Lines {
			if !slices.Contains(keys, l.Key) {
				out = append(out, l.Key)
			}
		}
	}
	return out
}

func (w *modelWriter) directions() {
	s := sectionView{ID: w.id("directions"), Title: "Is there a direction for each axis?",
		Lede: "Every pair is asked twice with its two objects swapped. If the model keeps a relation as a direction, swapping moves its state along that direction in every scene. " +
			"Coherence is the mean cosine between those movements, signs aligned: 0 means no common direction, 1 the same movement every time. Grey: where it would lie by chance; dashed: where it lies for random pairs, " +
			"differences between two questions about different pictures, which share what all states of a model share."}
	s.Tabs = w.curves(MetricCoherence, nil, "")
	s.addMore(moreView{Title: "The same within each category", Tabs: w.curves(MetricWithinCat, nil, "")})
	s.addMore(w.measured("effect-size"))
	s.addMore(w.measured(MetricFloors))
	s.addMore(w.measured("object-held-out"))
	s.addMore(w.measured("control-task"))
	s.addMore(w.measured(metricDeduplicated))
	if len(s.Tabs) > 0 || len(s.More) > 0 {
		w.v.Sections = append(w.v.Sections, s)
	}
}

func (w *modelWriter) entanglement() {
	s := sectionView{ID: w.id("entanglement"), Title: "Do vertical and distance share a direction?",
		Lede: "The cosine between the mean directions of two axes: 0 means the model keeps them apart, 1 that it moves the same way for “above” as for “far”. " +
			"Horizontal is the control. Where consistent and counter scenes are known, the balanced form weighs them equally, so that the pictures' own habits cannot make the number."}
	s.Tabs = w.curves(MetricVDEI, leadLines(MetricVDEI), "")
	for _, metric := range []string{MetricVDEI, MetricAlignment} {
		lead := leadLines(metric)
		if metric == MetricAlignment {
			for _, t := range w.curves(metric, lead, "") {
				s.Figures = append(s.Figures, t.Figures...)
			}
		}
		if keys := others(anyResult(w.page.entries(w.m, metric, analyze.AllPairs)), lead); len(keys) > 0 {
			more := moreView{Title: "Further forms of the index", Tabs: w.curves(metric, keys, "more")}
			if metric == MetricAlignment {
				more.Title = "Further lines of the alignment"
			}
			s.addMore(more)
		}
	}
	s.Heat = w.heat()
	if len(s.Tabs) > 0 || len(s.Figures) > 0 || s.Heat != nil {
		w.v.Sections = append(w.v.Sections, s)
	}
}

// heat is a row of matrices, one per scale, at the focus block; the page's script moves them through the blocks.
func (w *modelWriter) heat() *heatView {
	entries := w.page.entries(w.m, MetricSimilarity, analyze.AllPairs)
	first := anyResult(entries)
	if first == nil || len(first.Grids) == 0 {
		return nil
	}
	h := &heatView{Key: w.id("heat"), Block: w.v.Focus, Sources: sources(entries...)}
	data := heatData{}
	for _, g := range first.Grids {
		data.Blocks = append(data.Blocks, g.Block)
	}
	h.Max = len(data.Blocks) - 1
	if h.Start = slices.Index(data.Blocks, w.v.Focus); h.Start < 0 {
		h.Start, h.Block = h.Max, data.Blocks[h.Max]
	}
	faded := w.validity()
	for i, e := range entries {
		if e.Result == nil {
			continue
		}
		var values [][]*int
		for _, b := range data.Blocks {
			values = append(values, thousandths(e.Result, b))
		}
		data.Values = append(data.Values, values)
		for _, g := range e.Result.Grids {
			if g.Block == h.Block {
				s := (&heatFigure{title: fmt.Sprintf("%s, %s: similarity of mean deltas at block %d", w.v.Name, e.Scale, h.Block), subtitle: e.Scale,
					grid: g, faded: faded[i], cell: 38, compact: true, name: e.Scale}).scene()
				h.Maps = append(h.Maps, template.HTML(s.svg(w.id("heat", e.Scale))))
			}
		}
	}
	if len(h.Maps) == 0 {
		return nil
	}
	h.Caption = "Cosine between the mean deltas of every two categories" + perCategory(first) + ". Blue −1, red +1. Opposites of one axis should be blue; a red patch between above and far is the entanglement. Hatched: a category answered right less than half the time."
	h.Numbers = similarities(entries, h.Block)
	w.page.Data.Heat[h.Key] = data
	return h
}

// perCategory says how many pairs a similarity rests on.
func perCategory(r *analyze.Result) string {
	lo, hi := math.MaxInt, 0
	for _, g := range r.Grids {
		for i := range min(len(g.Rows), len(g.Cols)) {
			if n := g.Cells[i][i].N; n > 0 {
				lo, hi = min(lo, n), max(hi, n)
			}
		}
	}
	switch {
	case hi == 0:
		return ""
	case lo == hi:
		return fmt.Sprintf(" (%d pairs each)", hi)
	}
	return fmt.Sprintf(" (%d to %d pairs each)", lo, hi)
}

// similarities are the maps at one block as a table: a row per two categories, a column per scale.
func similarities(entries []Entry, block int) *tableView {
	t := &tableView{Caption: fmt.Sprintf("block %d: cosine [95 %% interval], and the smaller number of pairs", block), Columns: []string{""}}
	var grids []analyze.Grid
	for _, e := range entries {
		if e.Result == nil {
			continue
		}
		if g, err := gridAt(e.Result, block); err == nil && (len(grids) == 0 || slices.Equal(g.Rows, grids[0].Rows) && slices.Equal(g.Cols, grids[0].Cols)) {
			t.Columns, grids = append(t.Columns, e.Scale), append(grids, g)
		}
	}
	if len(grids) == 0 {
		return nil
	}
	for i, a := range grids[0].Rows {
		for j, b := range grids[0].Cols[:min(i, len(grids[0].Cols))] {
			row := rowView{Head: keyName(b) + " × " + keyName(a)}
			for _, g := range grids {
				row.Cells = append(row.Cells, cellView{estimateText(g.Cells[i][j], g.Unit, true), ""})
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

func thousandths(r *analyze.Result, block int) []*int {
	for _, g := range r.Grids {
		if g.Block != block {
			continue
		}
		var out []*int
		for _, row := range g.Cells {
			for _, e := range row {
				v := val(e.Value)
				if math.IsNaN(v) {
					out = append(out, nil)
					continue
				}
				k := int(math.Round(1000 * v))
				out = append(out, &k)
			}
		}
		return out
	}
	return nil
}

// validity is the set of unreliable keys of each scale.
func (w *modelWriter) validity() []map[string]bool {
	var out []map[string]bool
	for _, e := range w.page.entries(w.m, MetricValidity, analyze.AllPairs) {
		out = append(out, unreliable(e.Result))
	}
	return out
}

func (w *modelWriter) accuracy() {
	entries := w.page.entries(w.m, MetricPredStats, analyze.AllPairs)
	f := accuracyFigure(scaledBy(w.m, entries), w.v.Name)
	if f == nil {
		return
	}
	f.compact = true
	s := sectionView{ID: w.id("accuracy"), Title: "Does it answer right?",
		Lede: "A direction inside the model is one thing, a right answer another. A model that always gives the same answer gets one question of each pair right and the other wrong: so look at “both right”."}
	id := w.id("accuracy", "bars")
	view := figureView{ID: id, Title: f.title, Caption: f.subtitle, SVG: template.HTML(f.scene(262, 220).svg(id)), Sources: sources(entries...)}
	view.Numbers = resultTable(entries, "share right [95 % interval]")
	s.Figures = append(s.Figures, view)
	if t := trajectoryFigure(scaledBy(w.m, entries), w.v.Name); t != nil && len(t.xLabels) > 1 {
		s.addMore(moreView{Title: "Accuracy over scales", Figures: []figureView{w.figure(t, w.id("accuracy", "trajectory"), sources(entries...), true)}})
	}
	valid := w.page.entries(w.m, MetricValidity, analyze.AllPairs)
	if t := resultTable(valid, "Accuracy by category; a category is unreliable if either question is answered right less than half the time"); t != nil {
		s.addMore(moreView{Title: "Accuracy by category", Tables: []tableView{*t}})
	}
	byLayout := w.page.entries(w.m, "accuracy-by-layout", analyze.AllPairs)
	if l := layoutFigure(scaledBy(w.m, byLayout), w.v.Name); l != nil {
		l.compact = true
		id := w.id("accuracy", "layout")
		s.Figures = append(s.Figures, figureView{ID: id, Title: l.title, Caption: l.subtitle, SVG: template.HTML(l.scene(262, 200).svg(id)),
			Sources: sources(byLayout...), Numbers: resultTable(byLayout, "share right, and the gap between consistent and counter")})
	}
	s.addMore(w.measured("response-bias"))
	s.addMore(w.measured("accuracy-deduplicated"))
	w.v.Sections = append(w.v.Sections, s)
}

// cloudMarks bounds the points of a scatter figure in the page.
const cloudMarks = 360

func (w *modelWriter) clouds() {
	entries := w.page.entries(w.m, MetricPCA, analyze.AllPairs)
	if anyResult(entries) == nil {
		return
	}
	s := sectionView{ID: w.id("clouds"), Title: "What the states look like",
		Lede: fmt.Sprintf("Principal components at block %d. Left: the states of both questions. Middle and right: the deltas, coloured by axis and by category. Separate arms are separate directions; arms on top of one another are entanglement.", w.v.Focus)}
	faded := w.validity()
	for i, e := range entries {
		if e.Result == nil {
			continue
		}
		f := pcaFigure(e.Result, "Principal components", fmt.Sprintf("%s, %s · block %d · all pairs", w.v.Name, e.Scale, w.v.Focus), w.v.Focus, faded[i])
		if f == nil {
			continue
		}
		f.most = cloudMarks
		sc := f.scene(232)
		id := w.id("pca", e.Scale)
		view := figureView{ID: id, Title: e.Scale, SVG: template.HTML(f.headless().scene(232).svg(id)), Caption: sc.desc, Sources: sources(e)}
		s.Tabs = append(s.Tabs, tabView{ID: "tab-" + id, Group: w.id("pca"), Name: e.Scale, Figures: []figureView{view}})
		if f3 := pca3DFigure(e.Result, "", "", w.v.Focus, faded[i]); f3 != nil {
			key := w.id("turn", e.Scale)
			w.page.Data.Turn[key] = turn(f3.panels[0].cloud, w.v.Name+", "+e.Scale)
			s.Turns = append(s.Turns, turnView{key, e.Scale})
		}
	}
	if len(s.Tabs) > 0 {
		s.Tabs[len(s.Tabs)-1].Checked = true // the last scale has seen the most
		w.v.Sections = append(w.v.Sections, s)
	}
}

// headless keeps the legend but drops the title, which the page writes.
func (f *cloudFigure) headless() *cloudFigure {
	out := *f
	out.title, out.subtitle = f.title, ""
	out.untitled = true
	return &out
}

// turn is a cloud for the script: coordinates as thousandths of half the longest axis.
func turn(c analyze.Cloud, name string) turnData {
	d := turnData{Name: name}
	p := cloudPanel{cloud: c}
	var mid [3]float64
	half := 0.0
	for k := range 3 {
		d.Axes = append(d.Axes, axisTitle(c, k))
		lo, hi := p.limits(k)
		mid[k] = (lo + hi) / 2
		half = math.Max(half, (hi-lo)/2)
	}
	for _, m := range thin(c.Points, cloudMarks) {
		if len(m.At) < 3 {
			continue
		}
		t := string(keyTone(m.Category))
		i := slices.IndexFunc(d.Sets, func(s turnSet) bool { return s.Tone == t })
		if i < 0 {
			i = len(d.Sets)
			d.Sets = append(d.Sets, turnSet{Tone: t})
		}
		for k := range 3 {
			d.Sets[i].At = append(d.Sets[i].At, int(math.Round(1000*(m.At[k]-mid[k])/half)))
		}
	}
	return d
}

func (w *modelWriter) together() {
	acc := w.page.entries(w.m, MetricPredStats, analyze.AllPairs)
	coh := w.page.entries(w.m, MetricCoherence, analyze.AllPairs)
	align := w.page.entries(w.m, MetricAlignment, analyze.AllPairs)
	f := ablationFigure(scaledBy(w.m, acc), scaledBy(w.m, coh), scaledBy(w.m, align), w.v.Name, analyze.AllPairs, w.v.Focus)
	if f == nil || len(f.xLabels) < 2 || len(f.panels) < 2 {
		return
	}
	s := sectionView{ID: w.id("together"), Title: "Behaviour and representation over scales",
		Lede: "Does what the model says follow what it encodes? Both at one block, over the scales in order of declaration."}
	src := sources(append(append(append([]Entry{}, acc...), coh...), align...)...)
	src.About = ""
	s.Figures = append(s.Figures, w.figure(f, w.id("together"), src, true))
	w.v.Sections = append(w.v.Sections, s)
}

// changes draws what compares the model's scales with one another.
func (w *modelWriter) changes() {
	s := sectionView{ID: w.id("changes"), Title: "What changes from scale to scale",
		Lede: "The same scenes at two scales, so differences are paired; p-values are adjusted for the number of comparisons."}
	for _, metric := range w.metrics(func(e Entry) bool { return e.Scale == "" }) {
		m := w.measured(metric)
		for _, t := range m.Tabs {
			for i := range t.Figures {
				t.Figures[i].Caption = m.Lede + " " + t.Figures[i].Caption
			}
			for i := range t.Tables {
				t.Tables[i].Caption = m.Title + ". " + m.Lede
			}
			if t.Checked {
				s.Figures, s.Tables = append(s.Figures, t.Figures...), append(s.Tables, t.Tables...)
			} else {
				s.addMore(moreView{Title: m.Title + " (" + t.Name + ")", Figures: t.Figures, Tables: t.Tables})
			}
		}
	}
	if len(s.Figures)+len(s.Tables) > 0 {
		w.v.Sections = append(w.v.Sections, s)
	}
}

// metrics lists the names of this model's metrics without a place of their own.
func (w *modelWriter) metrics(which func(Entry) bool) []string {
	var names []string
	for _, e := range w.page.Results {
		if e.Model == w.m.Name && e.Result != nil && which(e) && !slices.Contains(shownElsewhere, e.Result.Metric) && !slices.Contains(names, e.Result.Metric) {
			names = append(names, e.Result.Metric)
		}
	}
	slices.Sort(names)
	return names
}

// further draws every result that has no place above by its shape, folded.
func (w *modelWriter) further() {
	s := sectionView{ID: w.id("further"), Title: "Further measurements"}
	for _, metric := range w.metrics(func(e Entry) bool { return e.Scale != "" }) {
		s.addMore(w.measured(metric))
	}
	if len(s.More) > 0 {
		w.v.Sections = append(w.v.Sections, s)
	}
}

// measured draws one metric by its shape, a tab per subset.
func (w *modelWriter) measured(metric string) moreView {
	var v moreView
	for _, subset := range subsetsShown {
		entries := w.page.entries(w.m, metric, subset)
		if anyResult(entries) == nil {
			entries = w.acrossScales(metric, subset)
		}
		r := anyResult(entries)
		if r == nil {
			continue
		}
		v.Title, v.Lede = r.Title, r.About
		id := w.id(metric, string(subset))
		t := tabView{ID: "tab-" + id, Group: w.id(metric), Name: subsetName(subset), Checked: len(v.Tabs) == 0}
		t.Figures, t.Tables = w.byShape(metric, subset, entries)
		if len(t.Figures)+len(t.Tables) > 0 {
			v.Tabs = append(v.Tabs, t)
		}
	}
	return v
}

// acrossScales are comparisons of this model's scales.
func (w *modelWriter) acrossScales(metric string, subset analyze.Subset) []Entry {
	var out []Entry
	for _, e := range w.page.Results {
		if e.Model == w.m.Name && e.Scale == "" && e.Result != nil && e.Result.Metric == metric && e.Result.Subset == subset {
			out = append(out, e)
		}
	}
	return out
}

func (w *modelWriter) byShape(metric string, subset analyze.Subset, entries []Entry) (figures []figureView, tables []tableView) {
	r := anyResult(entries)
	switch {
	case r.Curve != nil:
		f := comparisonFigure(r, marks(w.m), w.v.Name, subset)
		if entries[0].Scale != "" {
			f = scalesFigure(scaledBy(w.m, entries), w.v.Name, subset, nil)
		}
		if f != nil {
			figures = append(figures, w.figure(f, w.id(metric, string(subset)), sources(entries...), true))
		}
	case r.Table != nil:
		if t := resultTable(entries, ""); t != nil {
			tables = append(tables, *t)
		}
	case len(r.Grids) > 0:
		for _, e := range entries {
			if e.Result == nil || len(e.Result.Grids) == 0 {
				continue
			}
			g := e.Result.Grids[len(e.Result.Grids)-1]
			for _, o := range e.Result.Grids {
				if o.Block == w.v.Focus {
					g = o
				}
			}
			where := ""
			if g.Block >= 0 {
				where = fmt.Sprintf(" · block %d", g.Block)
			}
			id := w.id(metric, string(subset), e.Scale)
			f := &heatFigure{title: e.Result.Title, subtitle: e.Scale + " · " + subsetName(subset) + where + " · " + g.Unit, grid: g, cell: gridCell(g), untitled: true}
			figures = append(figures, figureView{ID: id, Title: e.Result.Title, Caption: f.subtitle, SVG: template.HTML(f.scene().svg(id)), Sources: sources(e)})
		}
	}
	return figures, tables
}

// resultTable sets the table results of several scales beside one another: a row per row and column of the results, a
// column per scale. One scale's table, or a comparison, keeps its own shape.
func resultTable(entries []Entry, caption string) *tableView {
	var have []Entry
	for _, e := range entries {
		if e.Result != nil && e.Result.Table != nil && len(e.Result.Table.Rows) > 0 {
			have = append(have, e)
		}
	}
	if len(have) == 0 {
		return nil
	}
	src := sources(have...)
	t := &tableView{Caption: caption, Sources: &src}
	if len(have) == 1 {
		table := have[0].Result.Table
		t.Columns = []string{have[0].Scale}
		for _, c := range table.Columns {
			t.Columns = append(t.Columns, columnName(c))
		}
		for _, row := range table.Rows {
			v := rowView{Head: keyName(row.Key)}
			for _, c := range row.Cells {
				v.Cells = append(v.Cells, cellView{estimateText(c, table.Unit, true), row.Mark})
			}
			t.Rows = append(t.Rows, v)
		}
		return t
	}
	t.Columns = []string{""}
	type place struct{ row, column string }
	var places []place
	for _, e := range have {
		t.Columns = append(t.Columns, e.Scale)
		for _, row := range e.Result.Table.Rows {
			for _, c := range e.Result.Table.Columns {
				if p := (place{row.Key, c}); !slices.Contains(places, p) {
					places = append(places, p)
				}
			}
		}
	}
	for _, p := range places {
		v := rowView{Head: keyName(p.row) + ", " + columnName(p.column)}
		sameN, n := true, -1
		for _, e := range have {
			c := cellOf(e.Result.Table, tableRow(e.Result.Table, p.row), p.column)
			if n >= 0 && c.N != n {
				sameN = false
			}
			n = c.N
		}
		if sameN && n > 0 {
			v.Head += fmt.Sprintf(" (n\u00a0%d)", n)
		}
		for _, e := range have {
			row := tableRow(e.Result.Table, p.row)
			text := estimateText(cellOf(e.Result.Table, row, p.column), e.Result.Table.Unit, !sameN)
			if row.Mark != "" {
				text += " (" + row.Mark + ")"
			}
			v.Cells = append(v.Cells, cellView{text, row.Mark})
		}
		t.Rows = append(t.Rows, v)
	}
	return t
}

func columnName(c string) string {
	for _, a := range accuracyColumns {
		if a.column == c {
			return strings.Replace(a.title, " question", "", 1) // beside a row's name there is little room
		}
	}
	return keyName(c)
}

// estimateText prints a number with its interval, p-value and n. Lines may break between these, not within.
func estimateText(e analyze.Estimate, unit string, withN bool) string {
	share := strings.HasPrefix(unit, "share")
	v, lo, hi := val(e.Value), val(e.Low), val(e.High)
	var parts []string
	switch {
	case math.IsNaN(v):
		return "–"
	case share:
		parts = append(parts, percentInterval(v, lo, hi))
	case v == math.Trunc(v) && math.Abs(v) >= 1:
		text := signed(fmt.Sprintf("%.0f", v))
		if !math.IsNaN(lo) && !math.IsNaN(hi) {
			text += fmt.Sprintf(" [%s, %s]", signed(fmt.Sprintf("%.0f", lo)), signed(fmt.Sprintf("%.0f", hi)))
		}
		parts = append(parts, text)
	default:
		parts = append(parts, interval(v, lo, hi))
	}
	if e.Null != nil && e.Null.P != nil {
		parts = append(parts, "p "+pText(*e.Null.P))
	}
	if withN && e.N > 0 {
		parts = append(parts, fmt.Sprintf("n %d", e.N))
	}
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], " ", "\u00a0")
	}
	return strings.Join(parts, ", ")
}

func pText(p float64) string {
	if p < .001 {
		return "< .001"
	}
	return fmt.Sprintf("= %.3f", p)
}
