package report

import (
	"fmt"
	"math"
	"slices"

	"swaprun/analyze"
)

// Scatter figures of principal components. Points beyond maxMarks are thinned evenly, and the figure says so.

const maxMarks = 1500

// A cloudFigure shows the views of one block side by side.
type cloudFigure struct {
	title, subtitle string
	panels          []cloudPanel
	keys            []legendKey
	faded           map[string]bool
	compact         bool
	untitled        bool // the page writes the title
	most            int  // points per panel; 0 = maxMarks
}

type cloudPanel struct {
	title string
	cloud analyze.Cloud
	tone  func(category string) tone
}

// thin keeps at most about n points: whole pairs, picked by the hash of their number. A stride would fall in step with
// the order of categories and questions.
func thin(points []analyze.Mark, n int) []analyze.Mark {
	if len(points) <= n {
		return points
	}
	rank := func(pair int) uint64 { // splitmix64
		z := uint64(pair) + 0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
	var ranks []uint64
	for _, m := range points {
		ranks = append(ranks, rank(m.Pair))
	}
	sorted := slices.Sorted(slices.Values(ranks))
	limit := sorted[n-1]
	if sorted[n] == limit && sorted[0] != limit { // would tear a pair apart
		limit--
	}
	out := make([]analyze.Mark, 0, n)
	for i, m := range points {
		if ranks[i] <= limit && len(out) < n {
			out = append(out, m)
		}
	}
	return out
}

func axisOf(category string) string {
	if category == "under" {
		category = "below"
	}
	for i, p := range opposites {
		if category == p[0] || category == p[1] {
			return axisNames[i]
		}
	}
	return category
}

// pcaFigure has up to three panels: embeddings jointly fitted (originals discs, swapped crosses), deltas by axis, deltas by category.
func pcaFigure(r *analyze.Result, title, subtitle string, block int, faded map[string]bool) *cloudFigure {
	f := &cloudFigure{title: title, subtitle: subtitle, faded: faded}
	var categories []string
	for _, c := range r.Clouds {
		if c.Block != block || len(c.Points) == 0 {
			continue
		}
		switch c.View {
		case "embedding":
			f.panels = append(f.panels, cloudPanel{"hidden states", c, keyTone})
		case "delta":
			f.panels = append(f.panels,
				cloudPanel{"deltas by axis", c, func(category string) tone { return keyTone(axisOf(category)) }},
				cloudPanel{"deltas by category", c, keyTone})
		default:
			continue
		}
		for _, m := range c.Points {
			if !slices.Contains(categories, m.Category) {
				categories = append(categories, m.Category)
			}
		}
	}
	f.categoryKeys(categories)
	if len(f.panels) == 0 {
		return nil
	}
	if f.panels[0].title == "hidden states" {
		f.keys = append(f.keys, legendKey{text: "original", tone: toneSoft, dot: true}, legendKey{text: "swapped (states only)", tone: toneSoft, kind: cross, dot: true})
	}
	return f
}

// pca3DFigure draws the deltas' first three components in perspective-free projection.
func pca3DFigure(r *analyze.Result, title, subtitle string, block int, faded map[string]bool) *cloudFigure {
	f := &cloudFigure{title: title, subtitle: subtitle, faded: faded}
	var categories []string
	for _, c := range r.Clouds {
		if c.Block == block && c.View == "delta3" && len(c.Axes) >= 3 && len(c.Points) >= 3 {
			f.panels = append(f.panels, cloudPanel{"", c, keyTone})
			for _, m := range c.Points {
				if !slices.Contains(categories, m.Category) {
					categories = append(categories, m.Category)
				}
			}
		}
	}
	f.categoryKeys(categories)
	if len(f.panels) == 0 {
		return nil
	}
	return f
}

func (f *cloudFigure) categoryKeys(categories []string) {
	for _, pair := range opposites {
		for _, c := range pair {
			if slices.Contains(categories, c) {
				k := legendKey{text: c, tone: keyTone(c), faded: f.faded[c], dot: true}
				if k.faded {
					k.text += " (unreliable)"
				}
				f.keys = append(f.keys, k)
			}
		}
	}
}

// limits of a coordinate with a margin, so that no marker touches the frame.
func (c *cloudPanel) limits(k int) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, m := range c.cloud.Points {
		if k < len(m.At) && !math.IsNaN(m.At[k]) {
			lo, hi = math.Min(lo, m.At[k]), math.Max(hi, m.At[k])
		}
	}
	if lo > hi {
		return -1, 1
	}
	m := (hi - lo) * .06
	if m == 0 {
		m = 1
	}
	return lo - m, hi + m
}

func axisTitle(c analyze.Cloud, k int) string {
	if k < len(c.Axes) && c.Axes[k] != "" {
		return c.Axes[k]
	}
	if k < len(c.Explained) {
		return fmt.Sprintf("PC %d (%.0f %%)", k+1, 100*c.Explained[k])
	}
	return fmt.Sprintf("PC %d", k+1)
}

func (f *cloudFigure) scene(side float64) *scene {
	const left, gap, right = 54.0, 58.0, 16.0
	s := &scene{title: f.title, w: left + float64(len(f.panels))*(side+gap) - gap + right}
	y := s.head(f.title, f.subtitle, f.compact || f.untitled)
	if !f.compact {
		y = s.legend(f.keys, left, y+10, s.w-left-right)
	}
	y += 22
	thinned := 0
	for k, p := range f.panels {
		fr := frame{left + float64(k)*(side+gap), y, side, side}
		s.add(label{text: p.title, x: fr.x, y: fr.y - 8, size: 13.5, tone: toneInk, bold: true})
		thinned = max(thinned, f.panel(s, p, fr))
	}
	s.h = y + side + 40
	if thinned > 0 {
		s.text(fmt.Sprintf("%d of %d points drawn, whole pairs at random", f.limit(), thinned), left, s.h+6, tickSize, start, toneSoft)
		s.h += 14
	}
	s.desc = fmt.Sprintf("%s. %d points in %d views.", f.subtitle, len(f.panels[0].cloud.Points), len(f.panels))
	return s
}

func (f *cloudFigure) limit() int {
	if f.most > 0 {
		return f.most
	}
	return maxMarks
}

// panel draws a 2-D view with one scale for both components: distances and angles are what a reader compares.
// It returns the number of points if it had to thin them.
func (f *cloudFigure) panel(s *scene, p cloudPanel, fr frame) int {
	x0, x1 := p.limits(0)
	y0, y1 := p.limits(1)
	half := math.Max(x1-x0, y1-y0) / 2
	cx, cy := (x0+x1)/2, (y0+y1)/2
	ax := niceSpan(cx-half, cx+half, 5, nil)
	ay := niceSpan(cy-half, cy+half, 5, nil)
	// niceSpan rounds outwards by itself; frames keep the plain limits, ticks the round places.
	ax.lo, ax.hi, ay.lo, ay.hi = cx-half, cx+half, cy-half, cy+half
	X := func(v float64) float64 { return ax.at(v, fr.x, fr.x+fr.w) }
	Y := func(v float64) float64 { return ay.at(v, fr.y+fr.h, fr.y) }
	inside := func(t, lo, hi float64) bool { return t >= lo && t <= hi }
	for _, t := range ax.ticks {
		if inside(t, ax.lo, ax.hi) {
			s.line(X(t), fr.y, X(t), fr.y+fr.h, 1, toneGrid)
			s.text(tickText(t, ax.step), X(t), fr.y+fr.h+15, tickSize, middle, toneSoft)
		}
	}
	for _, t := range ay.ticks {
		if inside(t, ay.lo, ay.hi) {
			s.line(fr.x, Y(t), fr.x+fr.w, Y(t), 1, toneGrid)
			s.text(tickText(t, ay.step), fr.x-6, Y(t)+3.8, tickSize, end, toneSoft)
		}
	}
	s.text(axisTitle(p.cloud, 0), fr.x+fr.w/2, fr.y+fr.h+31, tickSize, middle, toneSoft)
	s.add(label{text: axisTitle(p.cloud, 1), x: fr.x - 39, y: fr.y + fr.h/2, size: tickSize, anchor: middle, tone: toneSoft, turned: true})
	f.marks(s, p, func(at []float64) xy { return xy{X(at[0]), Y(at[1])} }, 2)
	s.add(rect{style{stroke: toneGrid, width: 1}, fr.x, fr.y, fr.w, fr.h})
	if len(p.cloud.Points) > f.limit() {
		return len(p.cloud.Points)
	}
	return 0
}

// marks draws the points, category by category so that each is one path.
func (f *cloudFigure) marks(s *scene, p cloudPanel, place func(at []float64) xy, dims int) {
	points := thin(p.cloud.Points, f.limit())
	r := 2.6
	if len(points) > 500 {
		r = 2
	}
	type group struct {
		category string
		swapped  bool
	}
	at := map[group][]xy{}
	var order []group
	for _, m := range points {
		if len(m.At) < dims {
			continue
		}
		g := group{m.Category, m.Swapped}
		if _, ok := at[g]; !ok {
			order = append(order, g)
		}
		at[g] = append(at[g], place(m.At))
	}
	slices.SortStableFunc(order, func(a, b group) int {
		if d := keyOrder(a.category) - keyOrder(b.category); d != 0 {
			return d
		}
		switch {
		case a.swapped == b.swapped:
			return 0
		case b.swapped:
			return -1
		}
		return 1
	})
	for _, g := range order {
		kind := disc
		if g.swapped {
			kind = cross
		}
		alpha := .62
		if f.faded[g.category] {
			alpha = .22
		}
		st := markStyle(kind, p.tone(g.category), alpha)
		s.add(dots{st, kind, r, at[g]})
	}
}

// scene3D draws the three-dimensional panel: an isometric box, the points with drop lines to the floor's shadow.
func (f *cloudFigure) scene3D(side float64) *scene {
	s := &scene{title: f.title, w: side + 60}
	y := s.head(f.title, f.subtitle, f.compact)
	if !f.compact {
		y = s.legend(f.keys, 20, y+10, s.w-30)
	}
	p := f.panels[0]
	var lo, hi [3]float64
	half := 0.0
	for k := range 3 {
		lo[k], hi[k] = p.limits(k)
		half = math.Max(half, (hi[k]-lo[k])/2)
	}
	const azimuth, elevation = -52 * math.Pi / 180, 22 * math.Pi / 180
	ca, sa, ce, se := math.Cos(azimuth), math.Sin(azimuth), math.Cos(elevation), math.Sin(elevation)
	flat := func(v [3]float64) xy {
		x, z := v[0]*ca-v[1]*sa, v[0]*sa+v[1]*ca
		return xy{x, z*se - v[2]*ce}
	}
	// the unit box fills the square
	wide, high := 0.0, 0.0
	for corner := range 8 {
		q := flat([3]float64{float64(corner&1)*2 - 1, float64(corner>>1&1)*2 - 1, float64(corner>>2&1)*2 - 1})
		wide, high = math.Max(wide, math.Abs(q.x)), math.Max(high, math.Abs(q.y))
	}
	unit := side / 2 / math.Max(wide, high)
	cx, cy := s.w/2, y+14+unit*high
	project := func(v [3]float64) xy {
		q := flat(v)
		return xy{cx + unit*q.x, cy + unit*q.y}
	}
	scaled := func(at []float64) [3]float64 {
		var v [3]float64
		for k := range 3 {
			v[k] = (at[k] - (lo[k]+hi[k])/2) / half
		}
		return v
	}
	edge := func(a, b [3]float64, t tone, w float64) {
		s.add(polyline{style{stroke: t, width: w}, []xy{project(a), project(b)}})
	}
	for _, g := range []float64{-1, -.5, 0, .5, 1} {
		edge([3]float64{-1, g, -1}, [3]float64{1, g, -1}, toneGrid, 1)
		edge([3]float64{g, -1, -1}, [3]float64{g, 1, -1}, toneGrid, 1)
	}
	// The two walls behind the points.
	bx, by := -front(project, 0), -front(project, 1)
	for _, c := range [][2]float64{{bx, by}, {-bx, by}, {bx, -by}} {
		edge([3]float64{c[0], c[1], -1}, [3]float64{c[0], c[1], 1}, toneGrid, 1)
	}
	edge([3]float64{-bx, by, 1}, [3]float64{bx, by, 1}, toneGrid, 1)
	edge([3]float64{bx, -by, 1}, [3]float64{bx, by, 1}, toneGrid, 1)
	// The floor's two front edges bear the titles of the components along them, the left upright the third.
	ax, ay := project([3]float64{0, front(project, 1), -1}), project([3]float64{front(project, 0), 0, -1})
	s.text(axisTitle(p.cloud, 0), ax.x+math.Copysign(12, ax.x-cx), ax.y+20, tickSize, outward(ax.x, cx), toneSoft)
	s.text(axisTitle(p.cloud, 1), ay.x+math.Copysign(12, ay.x-cx), ay.y+20, tickSize, outward(ay.x, cx), toneSoft)
	left := xy{math.Inf(1), 0}
	for corner := range 4 {
		if q := project([3]float64{float64(corner&1)*2 - 1, float64(corner>>1)*2 - 1, 0}); q.x < left.x {
			left = q
		}
	}
	s.add(label{text: axisTitle(p.cloud, 2), x: left.x - 8, y: left.y, size: tickSize, anchor: middle, tone: toneSoft, turned: true})
	// shadows on the floor tell depth
	f.shadows(s, p, func(at []float64) xy { v := scaled(at); v[2] = -1; return project(v) })
	f.marks(s, p, func(at []float64) xy { return project(scaled(at)) }, 3)
	s.h = cy + unit*high + 44
	s.text(fmt.Sprintf("each axis spans %s; grey: shadow on the floor", short(2*half)), 20, s.h-10, tickSize, start, toneSoft)
	s.desc = fmt.Sprintf("%s. %d points.", f.subtitle, len(p.cloud.Points))
	return s
}

// front is the side (−1 or 1) of the floor in dimension k that is nearer to the reader.
func front(project func([3]float64) xy, k int) float64 {
	a, b := [3]float64{0, 0, -1}, [3]float64{0, 0, -1}
	a[k], b[k] = -1, 1
	if project(a).y > project(b).y {
		return -1
	}
	return 1
}

// outward anchors a text so that it grows away from the middle.
func outward(x, cx float64) anchor {
	if x < cx {
		return end
	}
	return start
}

func (f *cloudFigure) shadows(s *scene, p cloudPanel, place func(at []float64) xy) {
	var pts []xy
	for _, m := range thin(p.cloud.Points, f.limit()) {
		if len(m.At) >= 3 {
			pts = append(pts, place(m.At))
		}
	}
	s.add(dots{style{fill: toneNull, alpha: .25}, disc, 1.6, pts})
}
