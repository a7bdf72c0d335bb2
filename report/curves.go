package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"swaprun/analyze"
)

// Line figures from results. The page and the PNG files draw the same ones.

// A scaled result is one scale's result of a metric; r may be nil.
type scaled struct {
	mark ScaleMark
	r    *analyze.Result
	// weak, if set, says where a line's value rests on a direction that is hardly known.
	weak func(key string, block int) bool
}

// reliable is the reliability (Spearman–Brown) from which on a mean direction is taken to be known: below, a cosine with it says little,
// as of few pairs with both answers right.
const reliable = .7

// weakDirections finds where one of the two axes of an entanglement has no reliable direction, by its coherence.
func weakDirections(coherence *analyze.Result) func(key string, block int) bool {
	if coherence == nil || coherence.Curve == nil {
		return nil
	}
	return func(key string, block int) bool {
		between := [2]string{"vertical", "distance"}
		switch {
		case strings.HasPrefix(key, "hd-ei"):
			between[0] = "horizontal"
		case strings.HasPrefix(key, "hv-ei"):
			between = [2]string{"horizontal", "vertical"}
		case !strings.HasPrefix(key, "vd-ei"):
			return false
		}
		for _, axis := range between {
			e := at(coherence, axis, block)
			n, c := float64(e.N), val(e.Value)
			if c <= 0 || c > 0 && n*c/(1+(n-1)*c) < reliable {
				return true
			}
		}
		return false
	}
}

// series are a line's points, weak ones marked.
func (s scaled) series(l analyze.Line) []linePoint {
	pts := series(l)
	for i := range pts {
		pts[i].weak = s.weak != nil && s.weak(l.Key, int(pts[i].x))
	}
	return pts
}

// weakNote says what is dotted, if something is.
func (f *lineFigure) weakNote() {
	for _, p := range f.panels {
		for _, l := range p.lines {
			for _, q := range l.points {
				if q.weak && !math.IsNaN(q.y) {
					f.subtitle += fmt.Sprintf(" · dotted where an axis' own direction is hardly known (reliability below %.1f)", reliable)
					return
				}
			}
		}
	}
}

// subsetName is a subset in words.
func subsetName(s analyze.Subset) string {
	switch s {
	case analyze.AllPairs:
		return "all pairs"
	case analyze.BothCorrect:
		return "pairs with both answers right"
	case analyze.AllWithValidity:
		return "all pairs, unreliable categories faded"
	}
	return string(s)
}

// keyName is a line's key in words.
func keyName(key string) string {
	if name, ok := keyNames[key]; ok {
		return name
	}
	for _, axis := range axisNames {
		if stem, ok := strings.CutSuffix(key, "-"+axis); ok {
			return keyName(stem) + ", " + axis
		}
	}
	if strings.Contains(key, ": ") { // names a scale
		return key
	}
	return strings.NewReplacer("_", " ", "-", " ").Replace(key)
}

// keyNames say what short keys stand for.
var keyNames = map[string]string{
	"vd-ei":               "vertical × distance",
	"vd-ei-paper":         "vertical × distance, Eq. 3",
	"vd-ei-balanced":      "vertical × distance, scenes balanced",
	"vd-ei-disattenuated": "vertical × distance, disattenuated",
	"hd-ei":               "horizontal × distance",
	"hd-ei-paper":         "horizontal × distance, Eq. 3",
	"hd-ei-disattenuated": "horizontal × distance, disattenuated",
	"hv-ei":               "horizontal × vertical",
	"hv-ei-paper":         "horizontal × vertical, Eq. 3",
	"hv-ei-disattenuated": "horizontal × vertical, disattenuated",
	"ratio":               "Eq. 3 ÷ released form",
	"order-horizontal":    "order component, horizontal",
	"order-vertical":      "order component, vertical",
	"order-distance":      "order component, distance",
	AlignPerSample:        "per quad",
	AlignMean:             "mean deltas",
	AlignShuffled:         "shuffled quads",
	"excess":              "per quad, less shuffled",

	"sqrt-coherence":          "√coherence",
	"sign-accuracy":           "called right",
	"auc":                     "area under ROC",
	"spearman":                "Spearman's ρ",
	"kendall":                 "Kendall's τ",
	"labels":                  "permuted labels",
	"unsigned":                "without signs",
	"top-removed":             "top components removed",
	"top-dimension":           "share of the top dimension",
	"participation":           "participation ratio",
	"answer-share":            "share in answer directions",
	"true-relation":           "true relation",
	"across-wordings":         "across wordings",
	"same-direction":          "same direction",
	"made-up-relation":        "made-up relation",
	"no-shared-object":        "coherence, other objects",
	"called-by-other-objects": "called right, other objects",
	"flipped":                 "answer flipped",
	"unflipped":               "answer kept",
	"vd-ei-without-answers":   "vertical × distance, without answers",

	"per-sample-consistent": "per quad, consistent scenes",
	"per-sample-counter":    "per quad, counter scenes",
	"per-sample-ambiguous":  "per quad, ambiguous scenes",
}

// unreliable lists the keys a validity table marks: categories, and the axes one of whose categories is marked.
func unreliable(validity *analyze.Result) map[string]bool {
	if validity == nil || validity.Table == nil {
		return nil
	}
	out := map[string]bool{}
	for _, row := range validity.Table.Rows {
		if row.Mark == "unreliable" {
			out[row.Key] = true
		}
	}
	for i, pair := range opposites {
		if out[pair[0]] || out[pair[1]] {
			out[axisNames[i]] = true
		}
	}
	return out
}

var axisNames = []string{"horizontal", "vertical", "distance"}

// opposite tells whether a category is the second of its axis: drawn hollow.
func isOpposite(key string) bool {
	return slices.ContainsFunc(opposites, func(p [2]string) bool { return p[1] == key }) || key == "under"
}

func val(p *float64) float64 {
	if p == nil || math.IsInf(*p, 0) {
		return math.NaN()
	}
	return *p
}

// series turns a line into drawable points.
func series(l analyze.Line) []linePoint {
	out := make([]linePoint, len(l.Points))
	for i, p := range l.Points {
		q := linePoint{x: float64(p.Block), y: val(p.Value), lo: val(p.Low), hi: val(p.High), n: p.N, p: nan, nullLo: nan, nullHi: nan}
		if p.Null != nil {
			q.nullLo, q.nullHi, q.p = p.Null.Low, p.Null.High, val(p.Null.P)
		}
		out[i] = q
	}
	return out
}

// envelope is the widest null band over several lines, block by block.
func envelope(lines ...[]linePoint) []bandPoint {
	at := map[float64]bandPoint{}
	var xs []float64
	for _, pts := range lines {
		for _, p := range pts {
			if math.IsNaN(p.nullLo) || math.IsNaN(p.nullHi) {
				continue
			}
			b, ok := at[p.x]
			if !ok {
				xs = append(xs, p.x)
				b = bandPoint{p.x, p.nullLo, p.nullHi}
			}
			at[p.x] = bandPoint{p.x, math.Min(b.lo, p.nullLo), math.Max(b.hi, p.nullHi)}
		}
	}
	slices.Sort(xs)
	var out []bandPoint
	for _, x := range xs {
		out = append(out, at[x])
	}
	return out
}

// counts says how many pairs are behind a line: one number if it is the same at every block.
func counts(pts []linePoint) string {
	lo, hi := math.MaxInt, 0
	for _, p := range pts {
		if !math.IsNaN(p.y) {
			lo, hi = min(lo, p.n), max(hi, p.n)
		}
	}
	switch {
	case hi == 0:
		return ""
	case lo == hi:
		return fmt.Sprintf("n = %d", hi)
	}
	return fmt.Sprintf("n = %d–%d", lo, hi)
}

// countsOf are the counts behind several lines: the one they share, or from where to where they go.
func countsOf(lines []lineSeries) string {
	var all []linePoint
	for _, l := range lines {
		all = append(all, l.points...)
	}
	return counts(all)
}

// population names the pairs of a metric's figure. Quads are one set, whatever the pairs' subset.
func population(r *analyze.Result, subset analyze.Subset) string {
	if m, ok := analyze.Lookup(r.Metric); ok && (m.Quads || m.Horizontal) {
		return "all quads"
	}
	return subsetName(subset)
}

// floorLines are the lines of random pairs, axis by axis.
var floorLines = []string{"random-pairs-horizontal", "random-pairs-vertical", "random-pairs-distance"}

// floors puts the band of random pairs under the panels of coherence: where differences between two questions about different images
// lie, which holds the model's states for what they are. A panel of one axis takes that axis' band, a panel of all the widest.
func (f *lineFigure) floors(results ...*analyze.Result) {
	for i := range f.panels {
		p := &f.panels[i]
		var all [][]linePoint
		for _, r := range results {
			if r == nil || r.Curve == nil {
				continue
			}
			for a, axis := range axisNames {
				l, ok := findLine(r.Curve.Lines, floorLines[a])
				if !ok || p.title != "" && p.title != axis {
					continue
				}
				pts := series(l)
				for k := range pts {
					pts[k].nullLo, pts[k].nullHi = pts[k].lo, pts[k].hi
				}
				all = append(all, pts)
			}
		}
		p.floor = envelope(all...)
	}
	for _, p := range f.panels {
		if len(p.floor) > 0 {
			for i, k := range f.keys {
				if k.band {
					f.keys[i].text = "95 % under random signs"
				}
			}
			f.keys = append(f.keys, legendKey{text: "95 % of random pairs", tone: toneNull, band: true, edged: true})
			return
		}
	}
}

// scaleFigure shows every line of one scale's result in one panel, or in one panel per axis where the lines are categories.
func scaleFigure(own scaled, model string, subset analyze.Subset, faded map[string]bool, limits *[2]float64) *lineFigure {
	r := own.r
	f := &lineFigure{title: r.Title, yLabel: r.Curve.Unit, limits: limits, within: r.Curve.Range,
		subtitle: fmt.Sprintf("%s, %s · %s", model, own.mark.Name, population(r, subset)) + methodNote(r.Curve.Method)}
	f.along(r.Curve)
	byAxis := slices.ContainsFunc(r.Curve.Lines, func(l analyze.Line) bool { return isOpposite(l.Key) })
	panels := map[string]int{}
	nulls := map[int][][]linePoint{}
	for _, l := range r.Curve.Lines {
		pts := own.series(l)
		if !slices.ContainsFunc(pts, func(p linePoint) bool { return !math.IsNaN(p.y) }) {
			continue
		}
		name := ""
		if byAxis {
			for i, pair := range opposites {
				if l.Key == pair[0] || l.Key == pair[1] {
					name = axisNames[i]
				}
			}
		}
		k, ok := panels[name]
		if !ok {
			k = len(f.panels)
			panels[name] = k
			f.panels = append(f.panels, linePanel{title: name, faded: faded[name]})
		}
		kind := disc
		if isOpposite(l.Key) {
			kind = ring
		}
		s := lineSeries{key: keyName(l.Key), tone: keyTone(l.Key), kind: kind, faded: faded[l.Key], points: pts}
		f.panels[k].lines = append(f.panels[k].lines, s)
		nulls[k] = append(nulls[k], pts)
		text := s.key
		if n := counts(pts); n != "" {
			text += " (" + n + ")"
		}
		if s.faded {
			text += ", unreliable"
		}
		f.keys = append(f.keys, legendKey{text: text, tone: s.tone, kind: kind, faded: s.faded})
	}
	for k := range f.panels {
		f.panels[k].null = envelope(nulls[k]...)
	}
	f.nullKey()
	f.weakNote()
	return f
}

// along names the places of a curve that does not run over blocks.
func (f *lineFigure) along(c *analyze.Curve) {
	if len(c.Places) > 0 {
		f.xLabels, f.xTitle = c.Places, c.Along
	}
}

func (f *lineFigure) nullKey() {
	for _, p := range f.panels {
		if len(p.null) > 0 {
			f.keys = append(f.keys, legendKey{text: "95 % of the null", tone: toneNull, band: true})
			return
		}
	}
}

func methodNote(method string) string {
	if method == "" {
		return ""
	}
	// The sources under a figure hold the whole text.
	method, _, _ = strings.Cut(strings.TrimPrefix(method, "95 %: "), ";")
	return " · bands: 95 % intervals, " + method
}

// scalesFigure shows one panel per line and in it every scale, all on one y-axis.
func scalesFigure(results []scaled, model string, subset analyze.Subset, limits *[2]float64) *lineFigure {
	var first *analyze.Result
	for _, s := range results {
		if s.r != nil && s.r.Curve != nil {
			first = s.r
			break
		}
	}
	if first == nil {
		return nil
	}
	f := &lineFigure{title: first.Title, yLabel: first.Curve.Unit, limits: limits, within: first.Curve.Range,
		subtitle: fmt.Sprintf("%s · %s", model, population(first, subset)) + methodNote(first.Curve.Method)}
	if !strings.HasSuffix(f.title, "?") {
		f.title += " across scales"
	}
	f.along(first.Curve)
	if first.Condition != "" {
		f.subtitle = fmt.Sprintf("%s · %s", model, conditionName(first.Condition)) + methodNote(first.Curve.Method)
	}
	var keys []string
	for _, s := range results {
		if s.r == nil || s.r.Curve == nil {
			continue
		}
		for _, l := range s.r.Curve.Lines {
			if !slices.Contains(keys, l.Key) {
				keys = append(keys, l.Key)
			}
		}
	}
	slices.SortStableFunc(keys, func(a, b string) int { return keyOrder(a) - keyOrder(b) })
	used := map[string]bool{}
	for _, key := range keys {
		p := linePanel{title: keyName(key)}
		if len(keys) == 1 && keyName(key) == strings.ToLower(first.Title) {
			p.title = ""
		}
		var all [][]linePoint
		for _, s := range results {
			if s.r == nil || s.r.Curve == nil {
				continue
			}
			l, ok := findLine(s.r.Curve.Lines, key)
			if !ok {
				continue
			}
			pts := s.series(l)
			if !slices.ContainsFunc(pts, func(p linePoint) bool { return !math.IsNaN(p.y) }) {
				continue
			}
			used[s.mark.Name] = true
			p.lines = append(p.lines, lineSeries{key: s.mark.Name, tone: scaleTone(s.mark), kind: scaleMarker(s.mark), points: pts})
			all = append(all, pts)
		}
		if len(p.lines) == 0 {
			continue
		}
		p.note, p.null = countsOf(p.lines), envelope(all...)
		f.panels = append(f.panels, p)
	}
	for _, s := range results {
		if used[s.mark.Name] {
			f.keys = append(f.keys, legendKey{text: scaleText(s.mark), tone: scaleTone(s.mark), kind: scaleMarker(s.mark)})
		}
	}
	f.nullKey()
	f.weakNote()
	if len(f.panels) == 0 {
		return nil
	}
	f.columns = columnsFor(len(f.panels))
	return f
}

// comparisonFigure shows a comparison across scales, whose lines are called "quantity: scale − other scale": one panel per
// quantity, one line per scale. Other names make a panel each.
func comparisonFigure(r *analyze.Result, marks []ScaleMark, model string, subset analyze.Subset) *lineFigure {
	f := &lineFigure{title: r.Title, yLabel: r.Curve.Unit, within: r.Curve.Range, subtitle: fmt.Sprintf("%s · %s", model, subsetName(subset)) + methodNote(r.Curve.Method)}
	panels := map[string]int{}
	keyed := map[string]bool{}
	for _, l := range byQuantity(r.Curve.Lines) {
		quantity, name, split := strings.Cut(l.Key, ": ")
		s := lineSeries{key: keyName(l.Key), tone: keyTone(l.Key), points: series(l)}
		if split {
			s.key = name
			of, _, _ := strings.Cut(name, " − ")
			if i := slices.IndexFunc(marks, func(m ScaleMark) bool { return m.Name == of }); i >= 0 {
				s.tone, s.kind = scaleTone(marks[i]), scaleMarker(marks[i])
			}
			if !keyed[name] {
				keyed[name] = true
				f.keys = append(f.keys, legendKey{text: name, tone: s.tone, kind: s.kind})
			}
		}
		k, ok := panels[quantity]
		if !ok {
			k = len(f.panels)
			panels[quantity] = k
			f.panels = append(f.panels, linePanel{title: keyName(quantity)})
		}
		f.panels[k].lines = append(f.panels[k].lines, s)
		f.panels[k].null = envelope(append([][]linePoint{s.points}, pointsOf(f.panels[k])...)...)
	}
	if len(f.panels) == 0 {
		return nil
	}
	for i := range f.panels {
		f.panels[i].note = countsOf(f.panels[i].lines)
	}
	f.nullKey()
	f.columns = columnsFor(len(f.panels))
	return f
}

// byQuantity groups lines called "quantity-axis" by quantity, so that a row of panels is one quantity.
func byQuantity(lines []analyze.Line) []analyze.Line {
	var stems []string
	stem := func(key string) int {
		for _, axis := range axisNames {
			key = strings.TrimSuffix(key, "-"+axis)
		}
		if i := slices.Index(stems, key); i >= 0 {
			return i
		}
		stems = append(stems, key)
		return len(stems) - 1
	}
	rank := map[string]int{}
	for _, l := range lines {
		rank[l.Key] = stem(l.Key)
	}
	out := slices.Clone(lines)
	if len(stems) < len(lines) && !slices.ContainsFunc(lines, func(l analyze.Line) bool { return strings.Contains(l.Key, ": ") }) {
		slices.SortStableFunc(out, func(a, b analyze.Line) int { return rank[a.Key] - rank[b.Key] })
	}
	return out
}

func pointsOf(p linePanel) [][]linePoint {
	var out [][]linePoint
	for _, l := range p.lines {
		out = append(out, l.points)
	}
	return out
}

// columnsFor arranges panels: up to three in a row.
func columnsFor(n int) int {
	switch {
	case n > 4:
		return 3
	case n == 4:
		return 2
	}
	return n
}

// keyOrder sorts axes and canonical categories as every output does: canonical categories first, so that a grid of panels
// has opposites under one another.
func keyOrder(key string) int {
	for i, pair := range opposites {
		switch key {
		case axisNames[i], pair[0]:
			return i
		case pair[1]:
			return 3 + i
		}
	}
	return 10
}

func scaleMarker(s ScaleMark) marker {
	if s.Samples == 0 {
		return ring
	}
	return [...]marker{disc, square, triangle, diamond, disc, square, triangle}[max(0, s.Order-1)%7]
}

// scaleText is a scale with its samples, if the name does not say them.
func scaleText(s ScaleMark) string { return s.Name }

// samples writes a count of training samples.
func samples(n int64) string {
	switch {
	case n < 0:
		return ""
	case n == 0:
		return "no fine-tuning"
	}
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// leadLines are the lines of a metric that are drawn first, where it has more than fit one figure; nil = all.
func leadLines(metric string) []string {
	switch metric {
	case MetricVDEI:
		return []string{VDEIReleased, "vd-ei-balanced", "hd-ei", "hv-ei"}
	case MetricAlignment:
		return []string{AlignPerSample, AlignMean, "excess", "per-sample-consistent", "per-sample-counter"}
	}
	return nil
}

// sharedLimits are the y-limits that hold every line of every given result.
func sharedLimits(results ...*analyze.Result) *[2]float64 {
	f := lineFigure{}
	for _, r := range results {
		if r == nil || r.Curve == nil {
			continue
		}
		for _, l := range r.Curve.Lines {
			pts := series(l)
			f.panels = append(f.panels, linePanel{lines: []lineSeries{{points: pts}}, null: envelope(pts)})
		}
	}
	lo, hi := f.extent()
	if lo > hi {
		return nil
	}
	return &[2]float64{lo, hi}
}
