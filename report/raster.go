package report

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"math/bits"
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
	p := painter{gc, img}
	for _, item := range s.items {
		p.paint(item)
	}
	return sheet.encode(img)
}

// A canvas is memory that figures of similar size share one after another.
type canvas struct {
	pix     []uint8
	indexed []uint8
	buckets []bucket // all zero between figures
	encoder encoderBuffer
}

// An encoderBuffer keeps the memory of one PNG encoder: its compressor alone takes more than most figures' bytes.
type encoderBuffer struct{ buffer *png.EncoderBuffer }

func (b *encoderBuffer) Get() *png.EncoderBuffer  { return b.buffer }
func (b *encoderBuffer) Put(e *png.EncoderBuffer) { b.buffer = e }

var sheets = sync.Pool{New: func() any { return new(canvas) }}

func (c *canvas) rgba(w, h int) *image.RGBA {
	c.pix = slices.Grow(c.pix[:0], 4*w*h)[:4*w*h]
	return &image.RGBA{Pix: c.pix, Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
}

// A bucket holds the colours that agree in their six leading bits.
type bucket struct {
	colour uint32 // the one most pixels have, if any has a majority
	votes  int32
	count  int32 // of pixels
	place  int32 // in the palette
}

// encode writes the image with a palette: a quarter of the bytes to filter and compress. Each bucket of colours is one entry, its
// most frequent colour, so that flat areas are exact; the rarest blends along edges take the nearest entry.
func (c *canvas) encode(img *image.RGBA) ([]byte, error) {
	size := len(img.Pix) / 4
	c.indexed = slices.Grow(c.indexed[:0], size)[:size]
	if c.buckets == nil {
		c.buckets = make([]bucket, 1<<18)
	}
	var used []uint32
	eachRun(img.Pix, func(_, n int, colour uint32) {
		b := &c.buckets[sixBits(colour)]
		if b.count == 0 {
			used = append(used, sixBits(colour))
		}
		b.count += int32(n)
		switch { // majority vote
		case b.votes == 0:
			b.colour, b.votes = colour, int32(n)
		case b.colour == colour:
			b.votes += int32(n)
		default:
			if b.votes -= int32(n); b.votes < 0 {
				b.colour, b.votes = colour, -b.votes
			}
		}
	})
	out := &image.Paletted{Pix: c.indexed, Stride: img.Stride / 4, Rect: img.Rect, Palette: c.palette(used)}
	eachRun(img.Pix, func(at, n int, colour uint32) {
		p := uint8(c.buckets[sixBits(colour)].place)
		for i := at; i < at+n; i++ {
			c.indexed[i] = p
		}
	})
	for _, k := range used {
		c.buckets[k] = bucket{}
	}
	var buf bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &c.encoder}
	if err := enc.Encode(&buf, out); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// eachRun calls f for every stretch of equal pixels. Most of a figure is blank, so pixels are compared two at a time.
func eachRun(pix []uint8, f func(at, n int, colour uint32)) {
	const rgb = 0xffffff // alpha is 255 but for rounding
	for at := 0; at < len(pix); {
		c := binary.LittleEndian.Uint32(pix[at:]) & rgb
		i, two := at+4, uint64(c)<<32|uint64(c)
		for i+8 <= len(pix) && binary.LittleEndian.Uint64(pix[i:])&(rgb<<32|rgb) == two {
			i += 8
		}
		if i < len(pix) && binary.LittleEndian.Uint32(pix[i:])&rgb == c {
			i += 4
		}
		f(at/4, (i-at)/4, bits.ReverseBytes32(c)>>8)
		at = i
	}
}

func sixBits(c uint32) uint32 { return c>>6&0x3f000 | c>>4&0xfc0 | c>>2&0x3f }

// palette takes the 256 fullest buckets and gives every used one its place among them.
func (c *canvas) palette(used []uint32) color.Palette {
	order := slices.Clone(used)
	slices.SortStableFunc(order, func(a, b uint32) int { return int(c.buckets[b].count - c.buckets[a].count) })
	kept := order[:min(256, len(order))]
	var palette color.Palette
	for p, k := range kept {
		b := &c.buckets[k]
		b.place = int32(p)
		palette = append(palette, color.RGBA{uint8(b.colour >> 16), uint8(b.colour >> 8), uint8(b.colour), 255})
	}
	var red, green, blue [256]int32
	for p, k := range kept {
		o := c.buckets[k].colour
		red[p], green[p], blue[p] = int32(o>>16), int32(o>>8&255), int32(o&255)
	}
	// Rare blends that agree in four bits share their neighbour.
	var near [1 << 12]int32
	for _, k := range order[len(kept):] {
		b := &c.buckets[k]
		coarse := b.colour>>12&0xf00 | b.colour>>8&0xf0 | b.colour>>4&0xf
		if near[coarse] == 0 {
			best := int32(1 << 30)
			r, g, bl := int32(b.colour>>16), int32(b.colour>>8&255), int32(b.colour&255)
			for p := range kept {
				dr, dg, db := r-red[p], g-green[p], bl-blue[p]
				if d := dr*dr + dg*dg + db*db; d < best {
					best, near[coarse] = d, int32(p)+1
				}
			}
		}
		b.place = near[coarse] - 1
	}
	return palette
}

// A painter walks a scene's shapes.
type painter struct {
	gc  *drawing.RasterGraphicContext
	img *image.RGBA
}

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
		p.dots(v)
	case label:
		p.label(v)
	}
}

// phases is the number of positions within a pixel that markers are drawn at, in each direction.
const phases = 4

// dots paints equal markers. A few are drawn one by one; many are stamped from masks, one for each phase, drawn once: figures
// with thousands of points cost little more than those with a hundred. Discs and crosses only: they are what there are thousands of.
func (p painter) dots(d dots) {
	if d.kind != disc && d.kind != cross || len(d.pts) < 2*phases*phases {
		for _, q := range d.pts {
			if !math.IsNaN(q.x) && !math.IsNaN(q.y) {
				p.mark(d, q)
			}
		}
		return
	}
	c, _ := d.fillColor()
	if d.kind == cross {
		c = shade(hues[d.stroke].light, d.alpha)
	}
	r := d.r * density
	reach := int(math.Ceil(r)) + 1
	side := 2*reach + 1
	masks := stampMasks(stampKey{d.kind, r, d.width * density}, reach, side)
	for _, q := range d.pts {
		if math.IsNaN(q.x) || math.IsNaN(q.y) {
			continue
		}
		fx, fy := math.Floor(q.x*density*phases), math.Floor(q.y*density*phases)
		x, y := int(math.Floor(fx/phases)), int(math.Floor(fy/phases))
		px, py := int(fx)-x*phases, int(fy)-y*phases
		p.stamp(masks[py*phases+px], x-reach, y-reach, side, c)
	}
}

// A stampKey is what a marker's masks depend on, in pixels.
type stampKey struct {
	kind     marker
	r, width float64
}

// holds tells whether a point relative to the marker's middle is in it.
func (k stampKey) holds(dx, dy float64) bool {
	if k.kind == disc {
		return dx*dx+dy*dy <= k.r*k.r
	}
	dx, dy = math.Abs(dx), math.Abs(dy)
	return max(dx, dy) <= k.r && math.Abs(dx-dy) <= k.width*math.Sqrt2/2
}

// madeMasks keeps the masks of the few markers in use.
var madeMasks sync.Map // stampKey → *[phases * phases][]uint8

func stampMasks(k stampKey, reach, side int) *[phases * phases][]uint8 {
	if m, ok := madeMasks.Load(k); ok {
		return m.(*[phases * phases][]uint8)
	}
	var m [phases * phases][]uint8
	for i := range m {
		m[i] = k.mask(float64(reach)+(float64(i%phases)+.5)/phases, float64(reach)+(float64(i/phases)+.5)/phases, side)
	}
	madeMasks.Store(k, &m)
	return &m
}

// mask is the coverage of a marker at cx, cy, 0 to 255, from 8 × 8 samples a pixel.
func (k stampKey) mask(cx, cy float64, side int) []uint8 {
	const n = 8
	mask := make([]uint8, side*side)
	for y := range side {
		for x := range side {
			inside := 0
			for s := range n * n {
				if k.holds(float64(x)+(float64(s%n)+.5)/n-cx, float64(y)+(float64(s/n)+.5)/n-cy) {
					inside++
				}
			}
			mask[y*side+x] = uint8(inside * 255 / (n * n))
		}
	}
	return mask
}

// stamp blends a colour through a mask whose corner lies at x0, y0.
func (p painter) stamp(mask []uint8, x0, y0, side int, c drawing.Color) {
	for y := max(0, -y0); y < side && y0+y < p.img.Rect.Dy(); y++ {
		for x := max(0, -x0); x < side && x0+x < p.img.Rect.Dx(); x++ {
			a := uint32(mask[y*side+x]) * uint32(c.A)
			if a == 0 {
				continue
			}
			at := p.img.Pix[(y0+y)*p.img.Stride+4*(x0+x):]
			blend := func(old, new uint8) uint8 {
				return uint8((uint32(old)*(255*255-a) + uint32(new)*a + 255*255/2) / (255 * 255))
			}
			at[0], at[1], at[2] = blend(at[0], c.R), blend(at[1], c.G), blend(at[2], c.B)
		}
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
