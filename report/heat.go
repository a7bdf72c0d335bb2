package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"swaprun/analyze"
)

// A heatFigure is a matrix of estimates as coloured cells with their values.
type heatFigure struct {
	title, subtitle string
	grid            analyze.Grid
	faded           map[string]bool
	cell            float64 // side in scene units
	compact         bool    // no title, no colour bar: one of many
	name            string  // compact: over the grid
	untitled        bool    // the page writes the title
}

// limits of the colour scale: those that hold by definition, else symmetric about zero.
func (f *heatFigure) limits() (lo, hi float64) {
	if f.grid.Range != nil {
		return f.grid.Range[0], f.grid.Range[1]
	}
	hi = 0
	for _, row := range f.grid.Cells {
		for _, e := range row {
			if v := math.Abs(val(e.Value)); v > hi {
				hi = v
			}
		}
	}
	if hi == 0 {
		hi = 1
	}
	return -hi, hi
}

func (f *heatFigure) scene() *scene {
	g := f.grid
	rows, cols := len(g.Rows), len(g.Cols)
	side := f.cell
	labelWidth := 0.0
	size := textSize
	if f.compact {
		size = tickSize - 1
	}
	for _, r := range g.Rows {
		labelWidth = math.Max(labelWidth, textWidth(keyName(r), size)*slack)
	}
	left := labelWidth + 14
	s := &scene{title: f.title}
	top := 0.0
	barW := 64.0
	s.w = left + float64(cols)*side + barW + 14
	if f.compact {
		barW = 0
		s.w = left + float64(cols)*side + 6
		if f.name != "" {
			s.add(label{text: f.name, x: left, y: 13, size: 13.5, tone: toneInk, bold: true})
			top = 20
		}
	} else {
		if !f.untitled {
			s.w = math.Max(s.w, 380)
		}
		top = s.head(f.title, f.subtitle, f.untitled) + 4
	}
	top += 18 // column labels
	lo, hi := f.limits()
	unit := func(v float64) float64 { return 2*(v-lo)/(hi-lo) - 1 }
	every := 1 // small cells have room for some names only
	for _, c := range g.Cols {
		if side < 30 {
			every = max(every, int(math.Ceil(textWidth(keyName(c), size)*slack/side)))
		}
	}
	for j, c := range g.Cols {
		if j%every == 0 {
			s.text(cut(keyName(c), float64(every)*side+4, size), left+(float64(j)+.5)*side, top-6, size, middle, labelTone(f.faded[c]))
		}
	}
	for i, r := range g.Rows {
		y := top + float64(i)*side
		s.text(keyName(r), left-8, y+side/2+4, size, end, labelTone(f.faded[r]))
		for j, c := range g.Cols {
			x := left + float64(j)*side
			e := g.Cells[i][j]
			v := val(e.Value)
			mark := fmt.Sprintf(`data-i="%d"`, i*cols+j)
			if f.faded[r] || f.faded[c] {
				mark += ` data-faded="1"`
			}
			if math.IsNaN(v) {
				s.add(group{mark})
				s.add(rect{style{fill: toneGrid}, x + .5, y + .5, side - 1, side - 1})
				s.text("–", x+side/2, y+side/2+4, size, middle, toneSoft)
				s.add(hit{x: x, y: y, w: side, h: side, tip: keyName(r) + " × " + keyName(c) + "\nno value"}, groupEnd{})
				continue
			}
			cr, cg, cb := diverging(unit(v))
			faded := f.faded[r] || f.faded[c]
			st := style{fillRGB: fmt.Sprintf("#%02x%02x%02x", cr, cg, cb)}
			ink := "#16191d"
			if .299*float64(cr)+.587*float64(cg)+.114*float64(cb) < 140 {
				ink = "#ffffff"
			}
			if faded {
				st.alpha = .38
				ink = "#16191d"
			}
			if faded {
				s.add(rect{style{fillRGB: "#ffffff"}, x + .5, y + .5, side - 1, side - 1})
			}
			s.add(group{mark}, rect{st, x + .5, y + .5, side - 1, side - 1})
			if faded {
				s.hatch(x+.5, y+.5, side-1)
			}
			digits, fs := 2, side*.28
			if side >= 46 {
				digits, fs = 3, side*.24
			}
			if side >= 24 { // smaller cells speak by colour, and when pointed at
				s.add(label{text: signed(fmt.Sprintf("%.*f", digits, v)), x: x + side/2, y: y + side/2 + fs*.36, size: math.Min(fs, 13), anchor: middle, rgb: ink})
			}
			tip := fmt.Sprintf("%s × %s\n%s", keyName(r), keyName(c), interval(v, val(e.Low), val(e.High)))
			if g.Groups != nil && g.Groups[i][j] != "" {
				tip += ", " + g.Groups[i][j]
			}
			if e.N > 0 {
				tip += fmt.Sprintf(", n %d", e.N)
			}
			s.add(hit{x: x, y: y, w: side, h: side, tip: tip}, groupEnd{})
		}
	}
	f.borders(s, left, top)
	s.h = top + float64(rows)*side + 10
	if !f.compact && g.Groups != nil {
		s.h += 8
		s.text(cut("lines: borders between "+strings.Join(groupNames(g), ", ")+" cells", s.w-18, tickSize), 9, s.h, tickSize, start, toneSoft)
		s.h += 10
	}
	if !f.compact {
		f.bar(s, left+float64(cols)*side+16, top, float64(rows)*side, lo, hi)
		if len(f.faded) > 0 {
			s.text("hatched: category fails the validity rule (accuracy below ½)", left, s.h+6, tickSize, start, toneSoft)
			s.h += 16
		}
	}
	s.desc = f.describe()
	return s
}

// borders draws lines between cells of different groups.
func (f *heatFigure) borders(s *scene, left, top float64) {
	for i, row := range f.grid.Groups {
		for j, group := range row {
			x, y := left+float64(j)*f.cell, top+float64(i)*f.cell
			if j > 0 && row[j-1] != group {
				s.line(x, y, x, y+f.cell, 2, toneInk)
			}
			if i > 0 && f.grid.Groups[i-1][j] != group {
				s.line(x, y, x+f.cell, y, 2, toneInk)
			}
		}
	}
}

// groupNames lists the groups of a grid's cells in order of appearance.
func groupNames(g analyze.Grid) []string {
	var names []string
	for _, row := range g.Groups {
		for _, group := range row {
			if group != "" && !slices.Contains(names, group) {
				names = append(names, group)
			}
		}
	}
	slices.Sort(names)
	return names
}

func labelTone(faded bool) tone {
	if faded {
		return toneFade
	}
	return toneInk
}

// hatch draws diagonal strokes over a cell.
func (s *scene) hatch(x, y, side float64) {
	for d := side / 4; d < 2*side; d += side / 4 {
		x0, y0 := x+math.Max(0, d-side), y+math.Min(d, side)
		x1, y1 := x+math.Min(d, side), y+math.Max(0, d-side)
		s.add(polyline{style{stroke: toneSoft, width: .8, alpha: .5}, []xy{{x0, y0}, {x1, y1}}})
	}
}

// bar is the colour scale with its limits.
func (f *heatFigure) bar(s *scene, x, y, h, lo, hi float64) {
	const steps = 40
	for i := range steps {
		v := 1 - 2*(float64(i)+.5)/steps
		r, g, b := diverging(v)
		s.add(rect{style{fillRGB: fmt.Sprintf("#%02x%02x%02x", r, g, b)}, x, y + float64(i)*h/steps, 12, h/steps + .5})
	}
	for i := range 5 {
		v := hi - (hi-lo)*float64(i)/4
		s.text(tickText(v, (hi-lo)/4), x+17, y+h*float64(i)/4+4, tickSize, start, toneSoft)
	}
}

// describe names the strongest cells off the diagonal.
func (f *heatFigure) describe() string {
	best, where := 0.0, ""
	for i := range f.grid.Rows {
		for j := range f.grid.Cols {
			if v := val(f.grid.Cells[i][j].Value); i < j && math.Abs(v) > math.Abs(best) {
				best, where = v, fmt.Sprintf("%s × %s", keyName(f.grid.Rows[i]), keyName(f.grid.Cols[j]))
			}
		}
	}
	if where == "" {
		return f.subtitle
	}
	return fmt.Sprintf("%s. %d × %d cells; the strongest off the diagonal is %s with %s.", f.subtitle, len(f.grid.Rows), len(f.grid.Cols), where, short(best))
}
