package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"swaprun/analyze"
)

// Results under conditions: controls beside the questions as they are, and sweeps of rendered scenes.

func init() {
	renderers["tidy.csv"] = writeTidy
	renderers["controls.png"] = drawControls
	renderers["grid.png"] = drawGrid
}

// A Control is a condition that pairs were asked under.
type Control struct {
	Condition string
	Judged    bool // its answers are right or wrong
}

// A Sweep is a sweep of rendered scenes with the metrics computed of it.
type Sweep struct {
	Name    string
	Metrics []analyze.SweepMetric
}

// asAsked stands for the questions as they are, beside conditions.
const asAsked = "as asked"

// stylePrefix begins the name of a condition that is another wording of the questions.
const stylePrefix = "style-"

func isStyle(condition string) bool { return strings.HasPrefix(condition, stylePrefix) }

func conditionName(condition string) string {
	if condition == "" {
		return asAsked
	}
	if name, ok := strings.CutPrefix(condition, stylePrefix); ok {
		return "“" + name + "”"
	}
	return strings.ReplaceAll(condition, "-", " ")
}

// conditionLook is how a condition's line is drawn, everywhere the same.
func conditionLook(condition string) (tone, marker, []float64) {
	dash := []float64{5, 3}
	switch condition {
	case "":
		return toneInk, disc, nil
	case "text-only":
		return "q2", ring, dash
	case "grey-image":
		return toneSoft, square, dash
	case "other-image":
		return "q3", triangle, dash
	case "order-question":
		return "q4", diamond, dash
	case "random-pairs":
		return "q0", cross, dash
	case "style-instruction":
		return "q0", square, dash
	case "style-where":
		return "q2", ring, dash
	case "style-in-image":
		return "q3", triangle, dash
	case "style-reversed":
		return "q4", diamond, dash
	}
	return keyTone(condition), disc, dash
}

// controlsFigure sets the lines of several metrics under all conditions beside one another: one panel a line, one line a condition.
// results hold, for each metric, its result under each condition, the one without first, if there is one.
func controlsFigure(results [][]*analyze.Result, title, where string) *lineFigure {
	f := &lineFigure{title: title, yLabel: "mean cosine", within: &[2]float64{-1, 1}, subtitle: where + " · bands: 95 % intervals"}
	used := map[string]bool{}
	var order []string
	for _, conditions := range results {
		if len(conditions) == 0 || conditions[0] == nil || conditions[0].Curve == nil {
			continue
		}
		first := pick(conditions[0], controlLines(conditions[0].Metric))
		for _, l := range first.Curve.Lines {
			p := linePanel{title: keyName(l.Key)}
			var ns []string // in the order of the legend, each number once
			for _, r := range conditions {
				if r == nil || r.Curve == nil {
					continue
				}
				own, ok := findLine(r.Curve.Lines, l.Key)
				pts := series(own)
				if !ok || !slices.ContainsFunc(pts, func(p linePoint) bool { return p.y == p.y }) {
					continue
				}
				tone, kind, dash := conditionLook(r.Condition)
				name := conditionName(r.Condition)
				if n := counts(pts); n != "" {
					name += " (" + n + ")"
					if n = strings.TrimPrefix(n, "n = "); !slices.Contains(ns, n) {
						ns = append(ns, n)
					}
				}
				p.lines = append(p.lines, lineSeries{key: name, tone: tone, kind: kind, dash: dash, points: pts})
				if !used[r.Condition] {
					used[r.Condition] = true
					order = append(order, r.Condition)
				}
			}
			if len(p.lines) > 1 || conditions[0].Condition != "" {
				p.note = "n = " + strings.Join(ns, ", ")
				if len(ns) > 1 && conditions[0].Condition == "" && !strings.HasSuffix(f.subtitle, afterwards) {
					f.subtitle += afterwards
				}
				f.panels = append(f.panels, p)
			}
		}
	}
	if len(f.panels) == 0 {
		return nil
	}
	for _, condition := range order {
		tone, kind, dash := conditionLook(condition)
		f.keys = append(f.keys, legendKey{text: conditionName(condition), tone: tone, kind: kind, dash: dash})
	}
	f.columns = columnsFor(len(f.panels))
	return f
}

// afterwards says which n is which where they differ.
const afterwards = "; n: as asked, then under conditions"

// controlLines are the lines of a metric that controls are compared by; nil = all.
func controlLines(metric string) []string {
	if metric == MetricVDEI {
		return []string{VDEIReleased}
	}
	return nil
}

// under finds a model's results of a metric under a condition, one per scale in declaration order.
func (p *page) under(m *Model, metric, condition string) []Entry {
	out := make([]Entry, len(m.Scales))
	for i, s := range m.Scales {
		out[i] = Entry{Model: m.Name, Scale: s.Name}
		for _, e := range p.Conditioned {
			if e.Model == m.Name && e.Scale == s.Name && e.Result.Metric == metric && e.Result.Condition == condition {
				out[i] = e
			}
		}
	}
	return out
}

// conditions lists what occurs among a model's conditioned results, in order of appearance: the conditions that hold pairs' metrics, or
// those that hold sweeps'.
func (w *modelWriter) conditions(sweeps bool) []string {
	var out []string
	for _, e := range w.page.Conditioned {
		_, ofPairs := analyze.Lookup(e.Result.Metric)
		if e.Model == w.m.Name && ofPairs != sweeps && !slices.Contains(out, e.Result.Condition) {
			out = append(out, e.Result.Condition)
		}
	}
	return out
}

// taken says what conditions do.
func taken(conditions []string) []string {
	var out []string
	for _, c := range conditions {
		switch c {
		case "text-only":
			out = append(out, "asked without the picture")
		case "grey-image":
			out = append(out, "asked beside a grey one")
		case "other-image":
			out = append(out, "asked beside another pair's")
		case "order-question":
			out = append(out, "asked which object is mentioned first, which is no relation in space")
		case "random-pairs":
			out = append(out, "with the swapped question of another pair")
		default:
			out = append(out, conditionName(c))
		}
	}
	return out
}

// metricsUnder lists a model's metrics of one shape under a condition.
func (w *modelWriter) metricsUnder(condition string) []string {
	var out []string
	for _, e := range w.page.Conditioned {
		if e.Model == w.m.Name && e.Result.Condition == condition && !slices.Contains(out, e.Result.Metric) {
			out = append(out, e.Result.Metric)
		}
	}
	return out
}

// controls are the page's sections on what is left when the picture, or the question about space, is taken away, and on other wordings.
func (w *modelWriter) controls() {
	var taking, styles []string
	for _, c := range w.conditions(false) {
		if isStyle(c) {
			styles = append(styles, c)
		} else {
			taking = append(taking, c)
		}
	}
	if len(taking) > 0 {
		s := sectionView{ID: w.id("controls"), Title: "Does it need the picture?",
			Lede: "The same pairs with something essential taken away: " + listed(taken(taking)) + ". A line that stays where it is without the picture is about the words, not about space."}
		w.under(&s, "controls", "What is left under control conditions", "under control conditions", taking)
	}
	if len(styles) > 0 {
		s := sectionView{ID: w.id("styles"), Title: "Is it the relation, or the words?",
			Lede: "The same pairs asked in other words. A direction that belongs to the relation is there in every wording, and is the same one."}
		w.under(&s, "styles", "Coherence and entanglement in other words", "in other words", styles)
	}
}

// under fills a section with what is measured under conditions, and adds it if there is something.
func (w *modelWriter) under(s *sectionView, group, title, suffix string, conditions []string) {
	var curves, tables []string
	for _, condition := range conditions {
		for _, metric := range w.metricsUnder(condition) {
			r := anyResult(w.page.under(w.m, metric, condition))
			switch {
			case r.Curve != nil && !slices.Contains(curves, metric):
				curves = append(curves, metric)
			case r.Table != nil && !slices.Contains(tables, metric):
				tables = append(tables, metric)
			}
		}
	}
	for i, scale := range w.m.Scales {
		var results, transfers [][]*analyze.Result
		var from, moved []Entry
		for _, metric := range curves {
			if m, _ := analyze.Lookup(metric); m.Wordings {
				var list []*analyze.Result
				for _, condition := range conditions {
					if e := w.page.under(w.m, metric, condition)[i]; e.Result != nil {
						list, moved = append(list, e.Result), append(moved, e)
					}
				}
				transfers = append(transfers, list)
				continue
			}
			own := []Entry{w.page.entries(w.m, metric, analyze.AllPairs)[i]}
			for _, condition := range conditions {
				own = append(own, w.page.under(w.m, metric, condition)[i])
			}
			var list []*analyze.Result
			for _, e := range own {
				list = append(list, e.Result)
			}
			results, from = append(results, list), append(from, own...)
		}
		id := w.id(group, scale.Name)
		t := tabView{ID: "tab-" + id, Group: w.id(group), Name: scale.Name}
		where := w.v.Name + ", " + scale.Name
		if f := controlsFigure(results, title, where); f != nil {
			src := sources(from...)
			src.About = "Axis coherence and the released entanglement index, computed in the same way of the same pairs (or of the first ones of each category) under each condition."
			t.Figures = append(t.Figures, w.figure(f, id, src, true))
		}
		for _, list := range transfers {
			if f := controlsFigure([][]*analyze.Result{list}, list[0].Title, where); f != nil {
				f.yLabel = list[0].Curve.Unit
				t.Figures = append(t.Figures, w.figure(f, w.id(group, "transfer", scale.Name), sources(moved...), true))
			}
		}
		if len(t.Figures) > 0 {
			s.Tabs = append(s.Tabs, t)
		}
	}
	if n := len(s.Tabs); n > 0 {
		s.Tabs[n-1].Checked = true
	}
	for _, metric := range tables {
		m := moreView{}
		for _, condition := range append([]string{""}, conditions...) {
			entries := w.page.entries(w.m, metric, analyze.AllPairs)
			if condition != "" {
				entries = w.page.under(w.m, metric, condition)
			}
			if r := anyResult(entries); r != nil {
				m.Title = r.Title + " " + suffix
				if t := resultTable(entries, conditionName(condition)); t != nil {
					m.Tables = append(m.Tables, *t)
				}
			}
		}
		s.addMore(m)
	}
	if len(s.Tabs)+len(s.More) > 0 {
		w.v.Sections = append(w.v.Sections, *s)
	}
}

// sweeps are the page's sections on rendered scenes, one a sweep: scores first, then what varies over the sweep.
func (w *modelWriter) sweeps() {
	for _, name := range w.conditions(true) {
		s := sectionView{ID: w.id("sweep", name), Title: "Rendered scenes: " + name,
			Lede: "Yes/no questions about which of two objects is nearer, in scenes where one thing is varied and everything else is drawn at random. v is the probability given to the right one of Yes and No: " +
				"one half is chance, and a model that always says the same scores exactly that."}
		for _, metric := range w.metricsUnder(name) {
			entries := w.page.under(w.m, metric, name)
			figures, tables := w.byShape(metric+"-"+name, analyze.AllPairs, entries)
			for i := range tables {
				tables[i].Caption = anyResult(entries).Title
			}
			s.Figures, s.Tables = append(s.Figures, figures...), append(s.Tables, tables...)
		}
		if len(s.Figures)+len(s.Tables) > 0 {
			w.v.Sections = append(w.v.Sections, s)
		}
	}
}

// conditionFiles adds what is made of results under conditions: each as it is, all of a scale as one csv, and their figures.
func (t *tree) conditionFiles(scale ScaleMark) {
	combined := func(path string) func(Layout) []string {
		return func(l Layout) []string {
			if l != Combined {
				return nil
			}
			return []string{t.root(l, scale.Name) + "/" + path}
		}
	}
	under := func(metric, condition string) Input {
		in := result(scale, analyze.AllPairs, metric)
		in.Condition = condition
		return in
	}
	asIs := func(in Input, name string) {
		t.add(Artefact{Recipe: t.recipe("result.json", analyze.AllPairs, -1, scale), Inputs: []Input{in}}, t.spec.Layouts, combined("json/results/"+name+".json"))
	}
	for _, group := range []struct {
		name   string
		styles bool
	}{{"controls", false}, {"styles", true}} {
		var conditions []Control
		for _, c := range t.spec.Controls {
			if isStyle(c.Condition) == group.styles {
				conditions = append(conditions, c)
			}
		}
		var all, curves []Input
		for _, m := range analyze.Metrics() {
			if !(m.Controls || m.Wordings && group.styles) || !t.has(m.Name) || len(conditions) == 0 {
				continue
			}
			if !m.Wordings {
				all = append(all, result(scale, analyze.AllPairs, m.Name))
				if m.Shape == analyze.ShapeCurve {
					curves = append(curves, result(scale, analyze.AllPairs, m.Name))
				}
			}
			for _, c := range conditions {
				if m.Answers && !c.Judged {
					continue
				}
				in := under(m.Name, c.Condition)
				asIs(in, fmt.Sprintf("%s@%s_%s_%s", m.Name, c.Condition, scale.Name, Tag(analyze.AllPairs)))
				all = append(all, in)
				if m.Shape == analyze.ShapeCurve && !m.Wordings {
					curves = append(curves, in)
				}
			}
		}
		if len(all) > 0 {
			t.add(Artefact{Recipe: t.recipe("tidy.csv", analyze.AllPairs, -1, scale), Inputs: all}, t.spec.Layouts, combined("csv/"+group.name+"_"+scale.Name+".csv"))
		}
		if len(curves) > 0 && t.spec.Figures {
			t.add(Artefact{Figure: true, Recipe: t.recipe("controls.png", analyze.AllPairs, -1, scale), Inputs: curves}, t.spec.Layouts,
				combined("plots/all/"+group.name+"/"+group.name+"_"+scale.Name+".png"))
		}
	}
	for _, w := range t.spec.Sweeps {
		var list []Input
		for _, m := range w.Metrics {
			in := under(m.Name, w.Name)
			asIs(in, fmt.Sprintf("%s_%s_%s", w.Name, m.Name, scale.Name))
			list = append(list, in)
			if m.Shape == analyze.ShapeGrids && t.spec.Figures {
				t.add(Artefact{Figure: true, Recipe: t.recipe("grid.png", analyze.AllPairs, -1, scale), Inputs: []Input{in}}, t.spec.Layouts,
					combined(fmt.Sprintf("plots/sweeps/%s_%s_%s.png", w.Name, m.Name, scale.Name)))
			}
		}
		if len(list) > 0 {
			t.add(Artefact{Recipe: t.recipe("tidy.csv", analyze.AllPairs, -1, scale), Inputs: list}, t.spec.Layouts, combined(fmt.Sprintf("csv/sweep_%s_%s.csv", w.Name, scale.Name)))
		}
	}
}

// sweepFigures adds the curves of sweeps, all scales in one figure.
func (t *tree) sweepFigures() {
	for _, w := range t.spec.Sweeps {
		for _, m := range w.Metrics {
			if m.Shape != analyze.ShapeCurve {
				continue
			}
			in := t.over(analyze.AllPairs, m.Name)
			for i := range in {
				in[i].Condition = w.Name
			}
			t.figure(t.recipe("scales.png", analyze.AllPairs, -1, t.spec.Scales...), in, func(l Layout) []string {
				if l != Combined {
					return nil
				}
				return []string{fmt.Sprintf("%s/plots/sweeps/%s_%s.png", t.merge(l), w.Name, m.Name)}
			})
		}
	}
}

// drawControls draws a scale's curves, each with and without conditions, in the order of the inputs.
func drawControls(w io.Writer, a Artefact, in []Material) error {
	var results [][]*analyze.Result
	for i, need := range a.Inputs {
		if need.Condition == "" {
			results = append(results, nil)
		}
		results[len(results)-1] = append(results[len(results)-1], in[i].Result)
	}
	title := "What is left under control conditions"
	if isStyle(a.Inputs[len(a.Inputs)-1].Condition) {
		title = "Coherence and entanglement in other words"
	}
	f := controlsFigure(results, title, a.Recipe.Model+", "+a.Recipe.Scales[0].Name)
	if f == nil {
		return ErrEmpty
	}
	return writePNG(w, f.scene(360, 250))
}

// drawGrid draws a single grid that is tied to no block.
func drawGrid(w io.Writer, a Artefact, in []Material) error {
	g, err := gridAt(in[0].Result, -1)
	if err != nil {
		return err
	}
	return writePNG(w, (&heatFigure{title: in[0].Result.Title, subtitle: a.Recipe.Model + ", " + a.Recipe.Scales[0].Name + " · " + g.Unit, grid: g, cell: gridCell(g)}).scene())
}

// gridCell is the side of a cell of a grid by itself.
func gridCell(g analyze.Grid) float64 {
	if len(g.Cols) > 10 {
		return 24
	}
	return 44
}

// writeTidy writes results as one row a number: under which condition, of which metric, of which line or row, at which block, place or
// column; absent values are empty cells.
func writeTidy(w io.Writer, a Artefact, in []Material) error {
	var b strings.Builder
	b.WriteString("condition,metric,key,at,n,value,low,high\n")
	for _, m := range in {
		r := m.Result
		row := func(key, at string, e analyze.Estimate) {
			b.WriteString(csvCell(conditionName(r.Condition)) + "," + csvCell(r.Metric) + "," + csvCell(key) + "," + csvCell(at) + "," + strconv.Itoa(e.N))
			for _, v := range []*float64{e.Value, e.Low, e.High} {
				b.WriteByte(',')
				if v != nil {
					b.WriteString(csvFloat(*v, 64))
				}
			}
			b.WriteByte('\n')
		}
		if c := r.Curve; c != nil {
			for _, l := range c.Lines {
				for _, p := range l.Points {
					at := strconv.Itoa(p.Block)
					if p.Block < len(c.Places) {
						at = c.Places[p.Block]
					}
					row(l.Key, at, p.Estimate)
				}
			}
		}
		if t := r.Table; t != nil {
			for _, line := range t.Rows {
				for i, e := range line.Cells {
					row(line.Key, t.Columns[i], e)
				}
			}
		}
		for _, g := range r.Grids {
			for i, line := range g.Cells {
				for j, e := range line {
					row(g.Rows[i], g.Cols[j], e)
				}
			}
		}
	}
	_, err := w.Write([]byte(b.String()))
	return err
}
