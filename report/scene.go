package report

import (
	"math"
	"slices"
)

// A scene is a figure as a display list: what to draw, in order, in pixels with y downwards. It is drawn once and written
// as PNG (raster.go) or SVG (svg.go).
type scene struct {
	w, h  float64
	title string // what the figure is, for screen readers and as its name
	desc  string // what it shows, in words
	items []any  // shapes below

	clipped     bool // lines, areas and markers that are added are cut at these heights
	top, bottom float64
}

// A style is how a shape is painted.
type style struct {
	fill, stroke tone
	fillRGB      string  // "#rrggbb", wins over fill: colours that encode a value
	width        float64 // of the stroke
	alpha        float64 // of both; 0 = opaque
	dash         []float64
}

type xy struct{ x, y float64 }

type (
	// polyline is an open line; NaN points interrupt it.
	polyline struct {
		style
		pts []xy
	}
	// polygon is closed and filled.
	polygon struct {
		style
		pts []xy
	}
	rect struct {
		style
		x, y, w, h float64
	}
	// dots are equal markers at many places.
	dots struct {
		style
		kind marker
		r    float64
		pts  []xy
	}
	label struct {
		text   string
		x, y   float64 // of the baseline
		size   float64
		anchor anchor
		tone   tone
		rgb    string // wins over tone
		bold   bool
		turned bool // reads upwards
	}
	// group opens a group of shapes that the page's script finds by its attribute; it ends at groupEnd. SVG only.
	group    struct{ attr string }
	groupEnd struct{}
	// hit is a place that tells something when pointed at or focused. SVG only.
	hit struct {
		x, y, w, h float64
		tip        string
	}
)

type anchor int

const (
	start anchor = iota
	middle
	end
)

type marker int

const (
	disc marker = iota
	ring
	cross
	square
	diamond
	triangle
)

func (s *scene) add(items ...any) {
	for _, item := range items {
		if s.clipped {
			item = s.cut(item)
		}
		if p, ok := item.(polygon); ok && len(p.pts) < 3 {
			continue
		}
		s.items = append(s.items, item)
	}
}

// clip cuts what is added from now on at two heights, unclip ends that.
func (s *scene) clip(top, bottom float64) { s.clipped, s.top, s.bottom = true, top, bottom }
func (s *scene) unclip()                  { s.clipped = false }

// cut returns a shape without what lies above or below the clip.
func (s *scene) cut(item any) any {
	inside := func(p xy) bool { return p.y >= s.top && p.y <= s.bottom }
	switch g := item.(type) {
	case dots:
		g.pts = slices.DeleteFunc(slices.Clone(g.pts), func(p xy) bool { return !inside(p) })
		return g
	case polyline:
		var pts []xy
		for i, p := range g.pts {
			if i > 0 {
				pts = append(pts, s.crossings(g.pts[i-1], p)...)
			}
			if inside(p) {
				pts = append(pts, p)
			} else {
				pts = append(pts, xy{math.NaN(), math.NaN()})
			}
		}
		g.pts = pts
		return g
	case polygon:
		// Half plane by half plane (Sutherland and Hodgman 1974).
		for _, half := range []struct {
			at   float64
			keep func(y float64) bool
		}{{s.top, func(y float64) bool { return y >= s.top }}, {s.bottom, func(y float64) bool { return y <= s.bottom }}} {
			var pts []xy
			for i, p := range g.pts {
				from := g.pts[(i+len(g.pts)-1)%len(g.pts)]
				if half.keep(p.y) != half.keep(from.y) {
					pts = append(pts, between(from, p, half.at))
				}
				if half.keep(p.y) {
					pts = append(pts, p)
				}
			}
			g.pts = pts
		}
		return g
	}
	return item
}

// crossings are where the line from a to b meets the clip, in its order; it is interrupted where it is outside.
func (s *scene) crossings(a, b xy) []xy {
	var out []xy
	edges := []float64{s.top, s.bottom}
	if a.y > b.y {
		slices.Reverse(edges)
	}
	for _, at := range edges {
		if (a.y < at) != (b.y < at) && a.y != at && b.y != at {
			out = append(out, between(a, b, at))
		}
	}
	return out
}

// between is the point at height y on the line through a and b.
func between(a, b xy, y float64) xy { return xy{a.x + (b.x-a.x)*(y-a.y)/(b.y-a.y), y} }

func (s *scene) line(x1, y1, x2, y2, width float64, t tone) {
	s.add(polyline{style{stroke: t, width: width}, []xy{{x1, y1}, {x2, y2}}})
}

func (s *scene) text(text string, x, y, size float64, a anchor, t tone) {
	s.add(label{text: text, x: x, y: y, size: size, anchor: a, tone: t})
}

// A span is an axis' limits with its ticks.
type span struct {
	lo, hi float64
	step   float64
	ticks  []float64
}

// niceSpan rounds limits outwards to steps of 1, 2, 2.5 or 5 times a power of ten, about n of them.
// within, if given, are limits that hold by definition and are not crossed.
func niceSpan(lo, hi float64, n int, within *[2]float64) span {
	if !(lo < hi) { // also for NaN, ±Inf mixtures
		lo, hi = lo-.5, lo+.5
	}
	if math.IsNaN(lo) || math.IsInf(lo, 0) || math.IsInf(hi, 0) {
		lo, hi = 0, 1
	}
	raw := (hi - lo) / float64(n)
	mag := math.Pow(10, math.Floor(math.Log10(raw)))
	step := mag * 10
	for _, m := range []float64{1, 2, 2.5, 5} {
		if mag*m >= raw*.999 {
			step = mag * m
			break
		}
	}
	s := span{lo: math.Floor(lo/step+1e-9) * step, hi: math.Ceil(hi/step-1e-9) * step, step: step}
	// A limit that would lie far beyond the data stays near it: no tick is owed there.
	if lo-s.lo > step/2 {
		s.lo = lo - step/12
	}
	if s.hi-hi > step/2 {
		s.hi = hi + step/12
	}
	if within != nil {
		s.lo, s.hi = math.Max(s.lo, within[0]), math.Min(s.hi, within[1])
	}
	for k := math.Ceil(s.lo/step - 1e-9); k*step <= s.hi+step*1e-9; k++ {
		s.ticks = append(s.ticks, k*step+0) // +0: no negative zero
	}
	return s
}

// at maps a value to a coordinate between a (for lo) and b (for hi).
func (s span) at(v, a, b float64) float64 { return a + (v-s.lo)/(s.hi-s.lo)*(b-a) }

// blockTicks picks whole blocks to label: all of them if they fit, else every 2nd, 5th, 10th …, always from the first.
func blockTicks(lo, hi int, most int) []int {
	step := 1
	for _, s := range []int{1, 2, 3, 4, 5, 10, 20, 25, 50, 100, 200, 500, 1000} {
		step = s
		if (hi-lo)/s+1 <= most {
			break
		}
	}
	var out []int
	for b := lo; b <= hi; b++ {
		if b%step == 0 || (step > 1 && b == lo && lo%step != 0 && step-lo%step > step/2) {
			out = append(out, b)
		}
	}
	return out
}
