package report

import (
	"fmt"
	"math"
	"slices"

	"swaprun/analyze"
)

// A forestFigure sets scales as rows under one another and quantities as panels beside one another: each number is a
// marker with its interval as a whisker.
type forestFigure struct {
	title, subtitle string
	rows            []string // scales
	panels          []forestPanel
	keys            []legendKey
	tight           bool // one marker per row
}

type forestPanel struct {
	title    string
	unit     string
	within   *[2]float64 // limits by definition
	percents bool
	rule     float64 // a vertical rule, e.g. 0; NaN = none
	marks    [][]forestMark
}

type forestMark struct {
	key  string
	tone tone
	kind marker
	e    analyze.Estimate
}

func (f *forestFigure) scene(panelW float64) *scene {
	label0 := 0.0
	for _, r := range f.rows {
		label0 = math.Max(label0, textWidth(r, textSize)*slack)
	}
	left := math.Min(label0, 150) + 26
	const gap, right = 34.0, 18.0
	rowH := 40.0
	if f.tight {
		rowH = 22
	}
	s := &scene{title: f.title, w: left + float64(len(f.panels))*(panelW+gap) - gap + right}
	y := s.head("", "", true)
	y = s.legend(f.keys, left, y+12, s.w-left-right) + 20
	h := float64(len(f.rows)) * rowH
	for i, r := range f.rows {
		ry := y + float64(i)*rowH
		if i%2 == 0 {
			s.add(rect{style{fill: toneGrid, alpha: .3}, 4, ry, s.w - 8, rowH})
		}
		s.text(cut(r, left-20, textSize), left-14, ry+rowH/2+4, textSize, end, toneInk)
	}
	for k, p := range f.panels {
		x0 := left + float64(k)*(panelW+gap)
		lo, hi := f.limits(p.unit)
		ticks := 5
		if f.tight {
			ticks = 3
		}
		axis := niceSpan(math.Min(lo, 0), math.Max(hi, 0), ticks, p.within)
		if p.percents {
			axis = niceSpan(0, 1, min(ticks, 4), nil)
		}
		X := func(v float64) float64 { return axis.at(v, x0+6, x0+panelW-6) }
		s.add(label{text: p.title, x: x0, y: y - 10, size: 13.5, tone: toneInk, bold: true})
		for _, t := range axis.ticks {
			tone := toneGrid
			if t == 0 {
				tone = toneSoft
			}
			s.line(X(t), y, X(t), y+h, 1, tone)
			text := tickText(t, axis.step)
			if p.percents {
				text = fmt.Sprintf("%.0f %%", 100*t)
			}
			s.text(text, X(t), y+h+16, tickSize, middle, toneSoft)
		}
		if !math.IsNaN(p.rule) && p.rule != 0 {
			s.add(polyline{style{stroke: toneSoft, width: 1.2, dash: []float64{4, 3}}, []xy{{X(p.rule), y}, {X(p.rule), y + h}}})
		}
		s.text(p.unit, x0+panelW/2, y+h+32, tickSize, middle, toneSoft)
		for i, row := range p.marks {
			tip := f.rows[i] + ", " + p.title
			n := float64(len(row))
			for j, m := range row {
				v, l, u := val(m.e.Value), val(m.e.Low), val(m.e.High)
				if math.IsNaN(v) {
					continue
				}
				my := y + float64(i)*rowH + rowH*(float64(j)+1)/(n+1)
				if m.e.Null != nil {
					a, b := X(math.Max(axis.lo, m.e.Null.Low)), X(math.Min(axis.hi, m.e.Null.High))
					s.add(rect{style{fill: toneNull, alpha: .3}, a, my - 4, math.Max(1, b-a), 8})
				}
				if !math.IsNaN(l) && !math.IsNaN(u) {
					s.line(X(l), my, X(u), my, 1.8, m.tone)
				}
				s.add(dots{markStyle(m.kind, m.tone, 0), m.kind, 3.6, []xy{{X(v), my}}})
				text := interval(v, l, u)
				if p.percents {
					text = percentInterval(v, l, u)
				}
				tip += fmt.Sprintf("\n%s %s", m.key, text)
				if m.e.N > 0 {
					tip += fmt.Sprintf(", n %d", m.e.N)
				}
			}
			s.add(hit{x: x0, y: y + float64(i)*rowH, w: panelW, h: rowH, tip: tip})
		}
	}
	s.h = y + h + 40
	s.desc = f.subtitle
	return s
}

// limits hold everything in the panels of one unit: those share an axis, so that they can be compared.
func (f *forestFigure) limits(unit string) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, p := range f.panels {
		if p.unit != unit {
			continue
		}
		for _, row := range p.marks {
			for _, m := range row {
				vs := []float64{val(m.e.Value), val(m.e.Low), val(m.e.High)}
				if m.e.Null != nil {
					vs = append(vs, m.e.Null.Low, m.e.Null.High)
				}
				for _, v := range vs {
					if !math.IsNaN(v) {
						lo, hi = math.Min(lo, v), math.Max(hi, v)
					}
				}
			}
		}
	}
	if lo > hi {
		return 0, 1
	}
	return lo, hi
}

// numbers is the figure as a table: a row per row, a column per quantity and, where rows hold several markers, per marker.
func (f *forestFigure) numbers() *tableView {
	t := &tableView{Caption: "value [95 % interval], n", Columns: []string{""}}
	rows := make([]rowView, len(f.rows))
	for i, name := range f.rows {
		rows[i].Head = name
	}
	for _, p := range f.panels {
		var keys []string
		for _, row := range p.marks {
			for _, m := range row {
				if !f.tight && !slices.Contains(keys, m.key) {
					keys = append(keys, m.key)
				}
			}
		}
		if f.tight {
			keys = []string{""}
		}
		unit := ""
		if p.percents {
			unit = "share"
		}
		for _, key := range keys {
			name := p.title
			if key != "" {
				name += ", " + key
			}
			t.Columns = append(t.Columns, name)
			for i := range rows {
				text := "–"
				if i < len(p.marks) {
					for _, m := range p.marks[i] {
						if key == "" || m.key == key {
							text = estimateText(analyze.Estimate{Value: m.e.Value, N: m.e.N, Low: m.e.Low, High: m.e.High}, unit, true)
						}
					}
				}
				rows[i].Cells = append(rows[i].Cells, cellView{text, ""})
			}
		}
	}
	t.Rows = rows
	return t
}
