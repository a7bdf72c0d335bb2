package vision

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/gif"
)

func gifSize(data []byte) (w, h int, err error) {
	if len(data) < 13 {
		return 0, 0, fmt.Errorf("header is cut off")
	}
	return int(binary.LittleEndian.Uint16(data[6:])), int(binary.LittleEndian.Uint16(data[8:])), nil
}

// decodeGIF reads the first frame. image/gif replaces the transparent colour by black, Pillow keeps it, so
// transparency is struck out of the file before it is read.
func decodeGIF(data []byte) (*RGB, error) {
	w, h, err := gifSize(data)
	if err != nil {
		return nil, err
	}
	opaque, background := withoutTransparency(data)
	img, err := gif.Decode(bytes.NewReader(opaque))
	if err != nil {
		return nil, err
	}
	m, ok := img.(*image.Paletted)
	if !ok {
		return nil, fmt.Errorf("pixel layout %T is not supported", img)
	}
	dst := NewRGB(w, h)
	colours := palette(m.Palette)
	for i := range dst.Pix {
		dst.Pix[i] = colours[background][i%3]
	}
	for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
		in := m.Pix[(y-m.Rect.Min.Y)*m.Stride:][:m.Rect.Dx()]
		out := dst.Pix[3*(y*w+m.Rect.Min.X):]
		for x, v := range in {
			copy(out[3*x:3*x+3], colours[v][:])
		}
	}
	return dst, nil
}

// withoutTransparency clears the flag of the first frame's graphic control extension, in a copy, and returns the index
// of what lies around a frame smaller than the picture: the transparent colour, else 0.
func withoutTransparency(data []byte) ([]byte, uint8) {
	pos := 13
	if data[10]&0x80 != 0 {
		pos += 3 << (data[10]&7 + 1)
	}
	for pos+2 < len(data) && data[pos] == 0x21 {
		label := data[pos+1]
		if pos += 2; label == 0xf9 && data[pos] >= 4 && pos+4 < len(data) && data[pos+1]&1 != 0 {
			out := bytes.Clone(data)
			out[pos+1] &^= 1
			return out, data[pos+4]
		}
		for pos < len(data) && data[pos] != 0 {
			pos += 1 + int(data[pos])
		}
		pos++
	}
	return data, 0
}
