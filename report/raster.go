package report

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"slices"
	"sync"

	"github.com/golang/freetype/truetype"
	chart "github.com/wcharczuk/go-chart/v2"
	"github.com/wcharczuk/go-chart/v2/drawing"
)

// pixels per scene unit: figures are drawn for print and for screens with two pixels a point.
const density = 1.75

// face is the typeface of the PNG figures, also what text widths are measured with.
var face = func() *truetype.Font {
	f, err := chart.GetDefaultFont()
	if err != nil { // it is part of the program
		panic(fmt.Sprintf("report: typeface: %v", err))
	}
	return f
}()

// textWidth is the width of a text at a size in scene units.
func textWidth(text string, size float64) float64 {
	em := 0.0
	for _, r := range text {
		em += float64(face.HMetric(1<<16, face.Index(r)).AdvanceWidth) / (1 << 16)
	}
	return em * size
}

// PNG draws the scene.
func (s *scene) png() ([]byte, error) {
	w, h := int(math.Ceil(s.w*density)), int(math.Ceil(s.h*density))
	sheet := sheets.Get().(*canvas)
	defer sheets.Put(sheet)
	img := sheet.rgba(w, h)
	draw.Draw(img, img.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	gc, err := drawing.NewRasterGraphicContext(img)
	if err != nil {
		return nil, fmt.Errorf("draw %s: %w", s.title, err)
	}
	gc.SetFont(face)
	gc.SetDPI(64) // this package scales by size × DPI in 26.6 fixed point, so that 64 makes a size of 1 one pixel
	p := painter{gc}
	for _, item := range s.items {
		p.paint(item)
	}
	return sheet.encode(img)
}

// A canvas is memory that figures of similar size share one after another.
type canvas struct {
	pix     []uint8
	indexed []uint8
	colour  []int32
}

var sheets = sync.Pool{New: func() any { return new(canvas) }}

func (c *canvas) rgba(w, h int) *image.RGBA {
	c.pix = slices.Grow(c.pix[:0], 4*w*h)[:4*w*h]
	return &image.RGBA{Pix: c.pix, Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
}

// encode writes the image with a palette: a quarter of the bytes to filter and compress. Flat colours are exact; of the
// blends along edges, the rarest take the nearest colour of the palette.
func (c *canvas) encode(img *image.RGBA) ([]byte, error) {
	size := len(img.Pix) / 4
	c.indexed, c.colour = slices.Grow(c.indexed[:0], size)[:size], slices.Grow(c.colour[:0], size)[:size]
	out := &image.Paletted{Pix: c.indexed, Stride: img.Stride / 4, Rect: img.Rect}
	var colours []uint32 // distinct, in order of first appearance
	var counts []int
	seen := make(map[uint32]int32, 4096)
	index := c.colour // into colours
	last, lastIndex := uint32(1<<31), int32(0)
	for i, o := 0, 0; i < len(img.Pix); i, o = i+4, o+1 {
		c := uint32(img.Pix[i])<<16 | uint32(img.Pix[i+1])<<8 | uint32(img.Pix[i+2])
		if c != last {
			k, ok := seen[c]
			if !ok {
				k = int32(len(colours))
				seen[c] = k
				colours, counts = append(colours, c), append(counts, 0)
			}
			last, lastIndex = c, k
		}
		counts[lastIndex]++
		index[o] = lastIndex
	}
	place := nearest(colours, counts, &out.Palette)
	for o, k := range index {
		out.Pix[o] = place[k]
	}
	var buf bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := enc.Encode(&buf, out); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// nearest fills the palette with the 256 most frequent colours and gives every colour its place there.
func nearest(colours []uint32, counts []int, palette *color.Palette) []uint8 {
	order := make([]int, len(colours))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return counts[b] - counts[a] })
	kept := order[:min(256, len(order))]
	for _, k := range kept {
		c := colours[k]
		*palette = append(*palette, color.RGBA{uint8(c >> 16), uint8(c >> 8), uint8(c), 255})
	}
	place := make([]uint8, len(colours))
	for p, k := range kept {
		place[k] = uint8(p)
	}
	// Rare blends that differ in the last three bits only share their neighbour.
	bucket := make(map[uint32]uint8, 1024)
	for _, k := range order[len(kept):] {
		c := colours[k]
		key := c & 0xf8f8f8
		p, ok := bucket[key]
		if !ok {
			best := 1 << 30
			r, g, b := int(c>>16), int(c>>8&255), int(c&255)
			for q, j := range kept {
				o := colours[j]
				dr, dg, db := r-int(o>>16), g-int(o>>8&255), b-int(o&255)
				if d := dr*dr + dg*dg + db*db; d < best {
					best, p = d, uint8(q)
				}
			}
			bucket[key] = p
		}
		place[k] = p
	}
	return place
}

// A painter walks a scene's shapes.
type painter struct{ gc *drawing.RasterGraphicContext }

func (s style) fillColor() (drawing.Color, bool) {
	hex := s.fillRGB
	if hex == "" {
		if s.fill == toneNone {
			return drawing.Color{}, false
		}
		hex = hues[s.fill].light
	}
	return shade(hex, s.alpha), true
}

func shade(hex string, alpha float64) drawing.Color {
	r, g, b := rgb(hex)
	if alpha == 0 {
		alpha = 1
	}
	return drawing.Color{R: r, G: g, B: b, A: uint8(alpha*255 + .5)}
}

func (p painter) path(pts []xy, closed bool) {
	open := false
	for _, q := range pts {
		if math.IsNaN(q.x) || math.IsNaN(q.y) {
			open = false
			continue
		}
		if open {
			p.gc.LineTo(q.x*density, q.y*density)
		} else {
			p.gc.MoveTo(q.x*density, q.y*density)
			open = true
		}
	}
	if closed {
		p.gc.Close()
	}
}

func (p painter) finish(s style) {
	fill, filled := s.fillColor()
	stroked := s.stroke != toneNone && s.width > 0
	if filled {
		p.gc.SetFillColor(fill)
	}
	if stroked {
		p.gc.SetStrokeColor(shade(hues[s.stroke].light, s.alpha))
		p.gc.SetLineWidth(s.width * density)
		dash := make([]float64, len(s.dash))
		for i, d := range s.dash {
			dash[i] = d * density
		}
		p.gc.SetLineDash(dash, 0)
	}
	switch {
	case filled && stroked:
		p.gc.FillStroke()
	case filled:
		p.gc.Fill()
	case stroked:
		p.gc.Stroke()
	}
}

func (p painter) paint(item any) {
	switch v := item.(type) {
	case polyline:
		p.path(v.pts, false)
		p.finish(v.style)
	case polygon:
		p.path(v.pts, true)
		p.finish(v.style)
	case rect:
		p.path([]xy{{v.x, v.y}, {v.x + v.w, v.y}, {v.x + v.w, v.y + v.h}, {v.x, v.y + v.h}}, true)
		p.finish(v.style)
	case dots:
		for _, q := range v.pts {
			if !math.IsNaN(q.x) && !math.IsNaN(q.y) {
				p.mark(v, q)
			}
		}
	case label:
		p.label(v)
	}
}

// mark paints one marker. Each is painted on its own: overlapping translucent ones must darken.
func (p painter) mark(d dots, q xy) {
	x, y, r := q.x*density, q.y*density, d.r*density
	switch d.kind {
	case disc, ring:
		const k = .5523 // cubic Bézier circle
		p.gc.MoveTo(x-r, y)
		p.gc.CubicCurveTo(x-r, y-k*r, x-k*r, y-r, x, y-r)
		p.gc.CubicCurveTo(x+k*r, y-r, x+r, y-k*r, x+r, y)
		p.gc.CubicCurveTo(x+r, y+k*r, x+k*r, y+r, x, y+r)
		p.gc.CubicCurveTo(x-k*r, y+r, x-r, y+k*r, x-r, y)
		p.gc.Close()
	case cross:
		p.gc.MoveTo(x-r, y-r)
		p.gc.LineTo(x+r, y+r)
		p.gc.MoveTo(x-r, y+r)
		p.gc.LineTo(x+r, y-r)
	case square, diamond, triangle:
		for i, c := range corners(d.kind, x, y, r) {
			if i == 0 {
				p.gc.MoveTo(c.x, c.y)
			} else {
				p.gc.LineTo(c.x, c.y)
			}
		}
		p.gc.Close()
	}
	p.finish(d.style)
}

func corners(kind marker, x, y, r float64) []xy {
	switch kind {
	case square:
		a := r * .88
		return []xy{{x - a, y - a}, {x + a, y - a}, {x + a, y + a}, {x - a, y + a}}
	case diamond:
		a := r * 1.25
		return []xy{{x, y - a}, {x + a, y}, {x, y + a}, {x - a, y}}
	default:
		return []xy{{x, y - r*1.2}, {x + r*1.1, y + r*.8}, {x - r*1.1, y + r*.8}}
	}
}

func (p painter) label(l label) {
	if l.text == "" {
		return
	}
	width := textWidth(l.text, l.size)
	shift := 0.0
	switch l.anchor {
	case middle:
		shift = -width / 2
	case end:
		shift = -width
	}
	hex := l.rgb
	if hex == "" {
		hex = hues[l.tone].light
	}
	p.gc.SetFillColor(shade(hex, 0))
	p.gc.SetFontSize(l.size * density)
	p.gc.Save()
	p.gc.Translate(l.x*density, l.y*density)
	if l.turned {
		p.gc.Rotate(-math.Pi / 2)
	}
	p.gc.CreateStringPath(l.text, shift*density, 0)
	p.gc.Fill()
	if l.bold {
		// the typeface has one weight: a hair's offset thickens it
		p.gc.CreateStringPath(l.text, shift*density+.35*density, 0)
		p.gc.Fill()
	}
	p.gc.Restore()
}
