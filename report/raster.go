package report

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"

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
	units := 0.0
	em := float64(face.FUnitsPerEm())
	for _, r := range text {
		units += float64(face.HMetric(1<<16, face.Index(r)).AdvanceWidth) / (1 << 16)
	}
	_ = em
	return units * size
}

// PNG draws the scene.
func (s *scene) png() ([]byte, error) {
	w, h := int(math.Ceil(s.w*density)), int(math.Ceil(s.h*density))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	gc, err := drawing.NewRasterGraphicContext(img)
	if err != nil {
		return nil, fmt.Errorf("draw %s: %w", s.title, err)
	}
	gc.SetFont(face)
	gc.SetDPI(72)
	p := painter{gc}
	for _, item := range s.items {
		p.paint(item)
	}
	return encode(img)
}

// encode writes the image with a palette where 256 colours hold it, which most figures do: a third of the bytes and of the time.
func encode(img *image.RGBA) ([]byte, error) {
	var buf bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	if p := paletted(img); p != nil {
		enc.CompressionLevel = png.DefaultCompression
		if err := enc.Encode(&buf, p); err != nil {
			return nil, err
		}
		return buf.Bytes(), nil
	}
	if err := enc.Encode(&buf, img); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// paletted indexes the image's colours, rounded to 5 bits where antialiasing makes more than a palette holds; nil if even those are too many.
func paletted(img *image.RGBA) *image.Paletted {
	for _, mask := range []uint32{0xffffff, 0xfcfcfc, 0xf8f8f8} {
		index := make(map[uint32]uint8, 256)
		var palette color.Palette
		out := image.NewPaletted(img.Bounds(), nil)
		last, lastIndex := uint32(1<<31), uint8(0)
		full := false
		for i, o := 0, 0; i < len(img.Pix); i, o = i+4, o+1 {
			c := (uint32(img.Pix[i])<<16 | uint32(img.Pix[i+1])<<8 | uint32(img.Pix[i+2]))
			if c != 0xffffff {
				c &= mask
			}
			if c != last {
				k, ok := index[c]
				if !ok {
					if len(palette) == 256 {
						full = true
						break
					}
					k = uint8(len(palette))
					index[c] = k
					palette = append(palette, color.RGBA{uint8(c >> 16), uint8(c >> 8), uint8(c), 255})
				}
				last, lastIndex = c, k
			}
			out.Pix[o] = lastIndex
		}
		if !full {
			out.Palette = palette
			return out
		}
	}
	return nil
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
