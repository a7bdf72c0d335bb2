package vision

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"
)

// A pngHeader is what IHDR says.
type pngHeader struct {
	w, h, depth, colour int
}

// Colour types of PNG.
const (
	pngGrey      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGreyAlpha = 4
	pngRGBA      = 6
)

const pngEnd = "\x00\x00\x00\x00IEND\xae\x42\x60\x82"

func readPNGHeader(data []byte) (pngHeader, error) {
	if len(data) < 8+8+13 || string(data[12:16]) != "IHDR" {
		return pngHeader{}, fmt.Errorf("file does not begin with an IHDR chunk")
	}
	w, h := binary.BigEndian.Uint32(data[16:]), binary.BigEndian.Uint32(data[20:])
	if w > 1<<31-1 || h > 1<<31-1 {
		return pngHeader{}, fmt.Errorf("sides %d×%d out of range", w, h)
	}
	return pngHeader{int(w), int(h), int(data[24]), int(data[25])}, nil
}

func pngSize(data []byte) (w, h int, err error) {
	hdr, err := readPNGHeader(data)
	return hdr.w, hdr.h, err
}

// bits is the number of bits of a pixel in the file, 0 if the colour type is unknown.
func (p pngHeader) bits() int {
	switch p.colour {
	case pngGrey, pngPalette:
		return p.depth
	case pngRGB:
		return 3 * p.depth
	case pngGreyAlpha:
		return 2 * p.depth
	case pngRGBA:
		return 4 * p.depth
	}
	return 0
}

// decodePNG leaves inflating, filters and interlacing to image/png, which hands out the samples as stored, and converts them
// as Pillow does. It is stricter than Pillow about checksums and the order of chunks.
func decodePNG(data []byte) (*RGB, error) {
	hdr, err := readPNGHeader(data)
	if err != nil {
		return nil, err
	}
	// Deflate expands at most 1032-fold, so a picture that the file cannot hold is refused before it is allocated.
	if raw := (int64(hdr.w)*int64(hdr.bits())+7)/8*int64(hdr.h) - 1024; raw > 1032*int64(len(data)) {
		return nil, fmt.Errorf("picture of %d×%d pixels in a file of %d bytes: file is cut off", hdr.w, hdr.h, len(data))
	}
	// Pillow does not miss the end chunk, image/png does; one more does no harm.
	img, err := png.Decode(io.MultiReader(bytes.NewReader(data), strings.NewReader(pngEnd)))
	if err != nil {
		return nil, err
	}
	return fromImage(img, hdr.colour == pngGrey)
}

// fromImage converts the image types that image/png returns. 16-bit samples keep their upper byte, except those of
// pure grey: Pillow reads these as integers and clips them at 255.
func fromImage(img image.Image, pureGrey bool) (*RGB, error) {
	b := img.Bounds()
	dst := NewRGB(b.Dx(), b.Dy())
	switch m := img.(type) {
	case *image.Gray:
		dst.fill(m.Pix, m.Stride, 1, func(o, p []uint8) { o[0], o[1], o[2] = p[0], p[0], p[0] })
	case *image.Gray16:
		dst.fill(m.Pix, m.Stride, 2, clipGrey)
	case *image.RGBA: // colour without alpha: alpha is 255 everywhere, so nothing was multiplied
		dst.fill(m.Pix, m.Stride, 4, func(o, p []uint8) { o[0], o[1], o[2] = p[0], p[1], p[2] })
	case *image.NRGBA:
		dst.fill(m.Pix, m.Stride, 4, func(o, p []uint8) { o[0], o[1], o[2] = p[0], p[1], p[2] })
	case *image.RGBA64:
		dst.fill(m.Pix, m.Stride, 8, func(o, p []uint8) { o[0], o[1], o[2] = p[0], p[2], p[4] })
	case *image.NRGBA64:
		if pureGrey { // with a transparent level
			dst.fill(m.Pix, m.Stride, 8, clipGrey)
			break
		}
		dst.fill(m.Pix, m.Stride, 8, func(o, p []uint8) { o[0], o[1], o[2] = p[0], p[2], p[4] })
	case *image.Paletted:
		palette := palette(m.Palette)
		dst.fill(m.Pix, m.Stride, 1, func(o, p []uint8) { copy(o, palette[p[0]][:]) })
	default:
		return nil, fmt.Errorf("pixel layout %T is not supported", img)
	}
	return dst, nil
}

// clipGrey clips a big-endian level at 255.
func clipGrey(o, p []uint8) {
	v := p[1]
	if p[0] > 0 {
		v = 255
	}
	o[0], o[1], o[2] = v, v, v
}

// fill converts every pixel of size bytes.
func (m *RGB) fill(pix []uint8, stride, size int, f func(o, p []uint8)) {
	for y := range m.H {
		in, out := pix[y*stride:], m.Pix[3*m.W*y:]
		for x := range m.W {
			f(out[3*x:3*x+3], in[size*x:size*x+size])
		}
	}
}

// palette returns the colours without their alpha.
func palette(p color.Palette) (out [256][3]uint8) {
	for i, c := range p {
		switch c := c.(type) {
		case color.NRGBA:
			out[i] = [3]uint8{c.R, c.G, c.B}
		case color.RGBA:
			out[i] = [3]uint8{c.R, c.G, c.B}
		}
	}
	return out
}
