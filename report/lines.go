package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A lineFigure is a row (or rows) of panels of lines over blocks that share their axes.
type lineFigure struct {
	title    string
	subtitle string
	yLabel   string
	limits   *[2]float64 // of the y-axis, as data; nil = from the lines
	within   *[2]float64 // limits that hold by definition
	panels   []linePanel
	keys     []legendKey
	columns  int // panels per row; 0 = all
	compact  bool
	// xLabels, if set, name the places 0, 1, … of the x-axis; otherwise it counts blocks.
	xLabels []string
	xTitle  string
}

type linePanel struct {
	title string
	note  string // under the title: n and the like
	lines []lineSeries
	null  []bandPoint // where the value would lie if there were nothing to find
	floor []bandPoint // where it lies for differences that say nothing about space
	faded bool        // title and lines of a category that fails the validity rule
}

type lineSeries struct {
	key    string // as in the legend
	tone   tone
	kind   marker
	dash   []float64
	faded  bool
	points []linePoint
}

type linePoint struct {
	x              float64
	y, lo, hi      float64 // NaN where absent
	n              int
	p              float64 // of the null; NaN where absent
	nullLo, nullHi float64
	weak           bool // rests on a direction that is hardly known
}

type bandPoint struct{ x, lo, hi float64 }

type legendKey struct {
	text  string
	tone  tone
	kind  marker
	dash  []float64
	band  bool // a swatch of a band
	edged bool // of a band with dashed edges
	dot   bool // a marker without a line
	faded bool
}

// place names a position of the x-axis.
func (f *lineFigure) place(x int) string {
	if f.xLabels == nil {
		return strconv.Itoa(x)
	}
	if x < 0 || x >= len(f.xLabels) {
		return ""
	}
	return f.xLabels[x]
}

// extent is the smallest and the largest of everything the panels show.
func (f *lineFigure) extent() (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	see := func(v float64) {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			lo, hi = math.Min(lo, v), math.Max(hi, v)
		}
	}
	for _, p := range f.panels {
		for _, s := range p.lines {
			for _, q := range s.points {
				see(q.y)
				see(q.lo)
				see(q.hi)
			}
		}
		for _, b := range append(append([]bandPoint{}, p.null...), p.floor...) {
			see(b.lo)
			see(b.hi)
		}
	}
	return lo, hi
}

// axis is the y-axis of all panels. cut says that something lies beyond limits that hold by definition: an unbiased estimate of a share
// may fall below 0.
func (f *lineFigure) axis(panelH float64) (axis span, cut bool) {
	lo, hi := 0.0, 0.0
	if f.limits != nil {
		lo, hi = f.limits[0], f.limits[1]
	} else {
		lo, hi = f.extent()
	}
	if f.within != nil {
		cut = lo < f.within[0] || hi > f.within[1]
		lo, hi = math.Max(lo, f.within[0]), math.Min(hi, f.within[1])
	}
	// Zero is what every one of these numbers is read against.
	return niceSpan(math.Min(lo, 0), math.Max(hi, 0), int(panelH/38), f.within), cut
}

// blocks is the range of the x-axis.
func (f *lineFigure) blocks() (lo, hi int) {
	lo, hi = math.MaxInt, math.MinInt
	for _, p := range f.panels {
		for _, s := range p.lines {
			for _, q := range s.points {
				lo, hi = min(lo, int(q.x)), max(hi, int(q.x))
			}
		}
	}
	if lo > hi {
		return 0, 0
	}
	return lo, hi
}

// geometry of a panel, in scene units
type frame struct{ x, y, w, h float64 }

const (
	titleSize = 16
	textSize  = 12.5
	tickSize  = 11.5
)

// slack is how much wider a reader's typeface may be than the one widths are measured with, boldSlack likewise in bold.
const (
	slack     = 1.13
	boldSlack = 1.32
)

// edge is the line along a band that must be told from another band.
func edge(t tone) style { return style{stroke: t, width: 1, dash: []float64{3, 3}} }

// head draws title and subtitle, and returns the y below them.
func (s *scene) head(title, subtitle string, compact bool) float64 {
	y := 0.0
	if compact {
		return 4
	}
	if title != "" {
		s.add(label{text: title, x: 14, y: 26, size: titleSize, tone: toneInk, bold: true})
		y = 32
	}
	for _, line := range wrap(subtitle, s.w-28, textSize) {
		s.text(line, 14, y+14, textSize, start, toneSoft)
		y += 15
	}
	return y + 8
}

// wrap breaks a text into lines no wider than width.
func wrap(text string, width, size float64) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		next := strings.TrimSpace(line + " " + word)
		if line != "" && textWidth(next, size) > width {
			lines = append(lines, line)
			next = word
		}
		line = next
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// cut shortens a text to a width.
func cut(text string, width, size float64) string {
	if textWidth(text, size) <= width {
		return text
	}
	r := []rune(text)
	for len(r) > 1 && textWidth(string(r)+"…", size) > width {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}

// legend draws keys in rows from y on, between x and x+w, and returns the y below.
func (s *scene) legend(keys []legendKey, x, y, w float64) float64 {
	if len(keys) == 0 {
		return y
	}
	cx := x
	for _, k := range keys {
		width := 26 + textWidth(k.text, textSize)*slack + 16
		if cx > x && cx+width > x+w {
			cx, y = x, y+17
		}
		t := k.tone
		alpha := 0.0
		if k.faded {
			alpha = .4
		}
		switch {
		case k.band && k.edged:
			s.add(rect{style{fill: t, alpha: .14}, cx, y - 9, 20, 10})
			for _, at := range []float64{y - 9, y + 1} {
				s.add(polyline{edge(t), []xy{{cx, at}, {cx + 20, at}}})
			}
		case k.band:
			s.add(rect{style{fill: t, alpha: .28}, cx, y - 9, 20, 10})
		default:
			at := cx + 10
			if k.dot {
				at = cx + 17
			} else {
				s.add(polyline{style{stroke: t, width: 2, dash: k.dash, alpha: alpha}, []xy{{cx, y - 4}, {cx + 20, y - 4}}})
			}
			s.add(dots{markStyle(k.kind, t, alpha), k.kind, 3.2, []xy{{at, y - 4}}})
		}
		tt := toneInk
		if k.faded {
			tt = toneSoft
		}
		s.text(k.text, cx+26, y, textSize, start, tt)
		cx += width
	}
	return y + 12
}

func markStyle(k marker, t tone, alpha float64) style {
	switch k {
	case ring:
		return style{fill: tonePaper, stroke: t, width: 1.5, alpha: alpha}
	case cross:
		return style{stroke: t, width: 1.3, alpha: alpha}
	}
	return style{fill: t, alpha: alpha}
}

// scene lays the figure out.
func (f *lineFigure) scene(panelW, panelH float64) *scene {
	columns := f.columns
	if columns == 0 || columns > len(f.panels) {
		columns = max(1, len(f.panels))
	}
	rows := (len(f.panels) + columns - 1) / columns
	const left, gap, right = 62.0, 16.0, 16.0
	w := left + float64(columns)*panelW + float64(columns-1)*gap + right
	s := &scene{w: w, title: f.title}
	axis, cut := f.axis(panelH)
	if note := " · cut off where values or bands leave the axis"; cut && !strings.HasSuffix(f.subtitle, note) {
		f.subtitle += note
	}
	y := s.head(f.title, f.subtitle, f.compact)
	y = s.legend(f.keys, left, y+10, w-left-right)
	b0, b1 := f.blocks()
	titled := 0.0
	for _, p := range f.panels {
		if p.title != "" {
			titled = 20
		}
	}
	for i, p := range f.panels {
		row, col := i/columns, i%columns
		fr := frame{left + float64(col)*(panelW+gap), y + titled + float64(row)*(panelH+titled+44), panelW, panelH}
		f.panel(s, p, fr, axis, b0, b1, col == 0)
	}
	s.h = y + float64(rows)*(panelH+titled+44) + 2
	s.add(label{text: f.yLabel, x: 15, y: y + titled + float64(rows)*(panelH+titled+44)/2 - 22 - titled/2, size: textSize, anchor: middle, tone: toneSoft, turned: true})
	s.desc = f.describe()
	return s
}

// describe says in words what the figure shows.
func (f *lineFigure) describe() string {
	var parts []string
	for _, p := range f.panels {
		for _, l := range p.lines {
			if d := f.peak(l); d != "" {
				name := l.key
				if p.title != "" && p.title != l.key {
					name = p.title + ", " + l.key
				}
				parts = append(parts, name+" "+d)
			}
		}
	}
	text := strings.TrimSuffix(f.subtitle, ".")
	if len(parts) > 0 {
		if text != "" {
			text += ". "
		}
		text += strings.Join(parts, "; ") + "."
	}
	return text
}

func (f *lineFigure) peak(l lineSeries) string {
	best, at := math.Inf(-1), -1.0
	for _, q := range l.points {
		if !math.IsNaN(q.y) && q.y > best {
			best, at = q.y, q.x
		}
	}
	if at < 0 {
		return ""
	}
	where := f.place(int(at))
	if f.xLabels == nil {
		where = "block " + where
	}
	return fmt.Sprintf("peaks at %s in %s", short(best), where)
}

func (f *lineFigure) panel(s *scene, p linePanel, fr frame, axis span, b0, b1 int, labelled bool) {
	pad := 10.0
	if f.xLabels != nil {
		pad = fr.w / float64(2*max(1, b1-b0+1))
	}
	x := func(b float64) float64 {
		if b1 == b0 {
			return fr.x + fr.w/2
		}
		return fr.x + pad + (b-float64(b0))/float64(b1-b0)*(fr.w-2*pad)
	}
	y := func(v float64) float64 { return axis.at(v, fr.y+fr.h, fr.y) }

	// grid, ticks
	for _, t := range axis.ticks {
		tone, width := toneGrid, 1.0
		if t == 0 {
			tone, width = toneSoft, 1
		}
		s.line(fr.x, y(t), fr.x+fr.w, y(t), width, tone)
		if labelled {
			s.text(tickText(t, axis.step), fr.x-7, y(t)+3.8, tickSize, end, toneSoft)
		}
	}
	s.line(fr.x, fr.y+fr.h, fr.x+fr.w, fr.y+fr.h, 1, toneSoft)
	ticks, name := blockTicks(b0, b1, int(fr.w/26)), "block"
	if f.xLabels != nil {
		ticks, name = blockTicks(b0, b1, b1-b0+1), f.xTitle
	}
	for _, b := range ticks {
		s.line(x(float64(b)), fr.y+fr.h, x(float64(b)), fr.y+fr.h+4, 1, toneSoft)
		s.text(cut(f.place(b), fr.w/float64(len(ticks)), tickSize), x(float64(b)), fr.y+fr.h+16, tickSize, middle, toneSoft)
	}
	s.text(name, fr.x+fr.w/2, fr.y+fr.h+31, tickSize, middle, toneSoft)
	noteY := fr.y - 7
	if p.title != "" {
		t := toneInk
		if p.faded {
			t = toneSoft
		}
		// A title that leaves no room sends the note to the foot of the panel; one wider than the panel is set smaller, and cut in the end.
		size, wide := 13.5, textWidth(p.title, 13.5)*boldSlack
		if wide+14+textWidth(p.note, tickSize)*slack > fr.w {
			noteY = fr.y + fr.h + 31
		}
		if wide > fr.w {
			size = math.Max(size*fr.w/wide, tickSize)
		}
		s.add(label{text: cut(p.title, fr.w/boldSlack+1, size), x: fr.x, y: fr.y - 7, size: size, tone: t, bold: true})
	}
	if p.note != "" {
		s.text(cut(p.note, fr.w, tickSize), fr.x+fr.w, noteY, tickSize, end, toneSoft)
	}
	// What leaves the axis is cut at the panel's edge.
	s.clip(fr.y, fr.y+fr.h)
	defer s.unclip()
	if len(p.null) > 0 {
		s.band(p.null, x, y, toneNull, .22)
	}
	if len(p.floor) > 0 {
		s.band(p.floor, x, y, toneNull, .14)
		var low, high []xy
		for _, b := range p.floor {
			low, high = append(low, xy{x(b.x), y(b.lo)}), append(high, xy{x(b.x), y(b.hi)})
		}
		s.add(polyline{edge(toneNull), low}, polyline{edge(toneNull), high})
	}
	for _, l := range p.lines {
		var band []bandPoint
		for _, q := range l.points {
			band = append(band, bandPoint{q.x, q.lo, q.hi})
		}
		alpha := .17
		if l.faded {
			alpha = .06
		}
		s.band(band, x, y, l.tone, alpha)
	}
	for _, l := range p.lines {
		var pts, marks []xy
		for _, q := range l.points {
			at := xy{x(q.x), y(q.y)}
			pts = append(pts, at)
			if !math.IsNaN(at.y) {
				marks = append(marks, at)
			}
		}
		alpha, dash := 0.0, l.dash
		if l.faded {
			alpha, dash = .45, []float64{2, 3}
		}
		r := 2.6
		if len(pts) > 24 {
			r = 1.9
		}
		if !slices.ContainsFunc(l.points, func(q linePoint) bool { return q.weak }) {
			s.add(polyline{style{stroke: l.tone, width: 2, dash: dash, alpha: alpha}, pts})
			s.add(dots{markStyle(l.kind, l.tone, alpha), l.kind, r, marks})
			continue
		}
		var sure, unsure, dark, pale []xy
		gap := xy{math.NaN(), math.NaN()}
		for i, q := range l.points {
			if q.weak {
				pale = append(pale, pts[i])
			} else {
				dark = append(dark, pts[i])
			}
			if i == 0 {
				continue
			}
			if q.weak || l.points[i-1].weak {
				unsure = append(unsure, pts[i-1], pts[i], gap)
			} else {
				sure = append(sure, pts[i-1], pts[i], gap)
			}
		}
		present := func(p []xy) []xy { return slices.DeleteFunc(p, func(p xy) bool { return math.IsNaN(p.y) }) }
		s.add(polyline{style{stroke: l.tone, width: 2, dash: dash, alpha: alpha}, sure}, polyline{style{stroke: l.tone, width: 2, dash: []float64{2, 3}, alpha: .45}, unsure})
		s.add(dots{markStyle(l.kind, l.tone, alpha), l.kind, r, present(dark)}, dots{markStyle(l.kind, l.tone, .45), l.kind, r, present(pale)})
	}
	f.hits(s, p, fr, x, b0, b1)
}

// hits makes one place to point at per block: it tells the values of every line there.
func (f *lineFigure) hits(s *scene, p linePanel, fr frame, x func(float64) float64, b0, b1 int) {
	half := fr.w / 2
	if b1 > b0 {
		half = (x(float64(b0+1)) - x(float64(b0))) / 2
	}
	seen := map[int][]string{}
	for _, l := range p.lines {
		for _, q := range l.points {
			if math.IsNaN(q.y) {
				continue
			}
			tip := l.key + " " + interval(q.y, q.lo, q.hi)
			if q.n > 0 {
				tip += fmt.Sprintf(", n %d", q.n)
			}
			if !math.IsNaN(q.p) {
				tip += ", p " + pText(q.p)
			}
			seen[int(q.x)] = append(seen[int(q.x)], tip)
		}
	}
	for b := b0; b <= b1; b++ {
		tips := seen[b]
		if len(tips) == 0 {
			continue
		}
		head := f.place(b)
		if f.xLabels == nil {
			head = "block " + head
		}
		if p.title != "" {
			head = p.title + ", " + head
		}
		x0, x1 := math.Max(fr.x, x(float64(b))-half), math.Min(fr.x+fr.w, x(float64(b))+half)
		s.add(hit{x: x0, y: fr.y, w: x1 - x0, h: fr.h, tip: head + "\n" + strings.Join(tips, "\n")})
	}
}

// band fills between low and high, in stretches where both are present.
func (s *scene) band(points []bandPoint, x, y func(float64) float64, t tone, alpha float64) {
	var upper, lower []xy
	flush := func() {
		if len(upper) == 1 {
			// a lone block: a whisker as wide as a marker
			u, l := upper[0], lower[0]
			upper, lower = []xy{{u.x - 3, u.y}, {u.x + 3, u.y}}, []xy{{l.x - 3, l.y}, {l.x + 3, l.y}}
		}
		if len(upper) > 1 {
			pts := append([]xy{}, upper...)
			for i := len(lower) - 1; i >= 0; i-- {
				pts = append(pts, lower[i])
			}
			s.add(polygon{style{fill: t, alpha: alpha}, pts})
		}
		upper, lower = nil, nil
	}
	for _, p := range points {
		if math.IsNaN(p.lo) || math.IsNaN(p.hi) {
			flush()
			continue
		}
		upper = append(upper, xy{x(p.x), y(p.hi)})
		lower = append(lower, xy{x(p.x), y(p.lo)})
	}
	flush()
}

// tickText writes a tick with as many decimals as its step needs.
func tickText(v, step float64) string {
	decimals := 0
	for d := step; decimals < 6 && math.Abs(d-math.Round(d)) > 1e-6; decimals++ {
		d *= 10
	}
	return signed(fmt.Sprintf("%.*f", decimals, v))
}

// short writes a number for readers: three significant decimals for cosines and shares, fewer for large ones.
func short(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return "–"
	case a >= 1000:
		return signed(fmt.Sprintf("%.0f", v))
	case a >= 100:
		return signed(fmt.Sprintf("%.1f", v))
	case a >= 10:
		return signed(fmt.Sprintf("%.2f", v))
	case a != 0 && a < .001:
		return signed(fmt.Sprintf("%.1e", v))
	}
	return signed(fmt.Sprintf("%.3f", v))
}

// signed replaces the hyphen by a minus sign, and drops the sign of a zero.
func signed(s string) string {
	if strings.HasPrefix(s, "-") {
		if strings.Trim(s, "-0.") == "" {
			return s[1:]
		}
		return "−" + s[1:]
	}
	return s
}

// interval writes a value with its interval.
func interval(v, lo, hi float64) string {
	if math.IsNaN(lo) || math.IsNaN(hi) {
		return short(v)
	}
	return fmt.Sprintf("%s [%s, %s]", short(v), short(lo), short(hi))
}
