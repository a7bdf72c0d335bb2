package vision

import (
	"bytes"
	"fmt"
)

// maxPixels is the area from which Pillow refuses to open a picture as a decompression bomb: twice Image.MAX_IMAGE_PIXELS.
const maxPixels = 2 * 89478485

// A format is a kind of image file: how it begins, and how to read it.
type format struct {
	name   string
	starts func(data []byte) bool
	size   func(data []byte) (w, h int, err error)
	decode func(data []byte) (*RGB, error)
}

var formats = []format{
	{"JPEG", prefix("\xff\xd8\xff"), jpegSize, decodeJPEG},
	{"PNG", prefix("\x89PNG\r\n\x1a\n"), pngSize, decodePNG},
	{"WebP", isWebP, webpSize, decodeWebP},
	{"GIF", prefix("GIF87a", "GIF89a"), gifSize, decodeGIF},
	{"BMP", prefix("BM"), bmpSize, decodeBMP},
}

const known = "JPEG, PNG, WebP, GIF or BMP"

// unsupported are formats that Pillow reads and we cannot reproduce bit for bit.
var unsupported = []format{
	{name: "TIFF", starts: prefix("II*\x00", "MM\x00*", "II+\x00", "MM\x00+")},
	{name: "AVIF or HEIF", starts: func(d []byte) bool { return len(d) >= 12 && string(d[4:8]) == "ftyp" }},
	{name: "JPEG 2000", starts: prefix("\x00\x00\x00\x0cjP  ", "\xff\x4f\xff\x51")},
	{name: "JPEG XL", starts: prefix("\x00\x00\x00\x0cJXL ", "\xff\x0a")},
	{name: "netpbm", starts: prefix("P1", "P2", "P3", "P4", "P5", "P6", "P7")},
	{name: "Photoshop", starts: prefix("8BPS")},
	{name: "icon", starts: prefix("\x00\x00\x01\x00", "\x00\x00\x02\x00")},
	{name: "SVG or other XML", starts: prefix("<svg", "<?xml")},
}

func prefix(starts ...string) func([]byte) bool {
	return func(data []byte) bool {
		for _, s := range starts {
			if bytes.HasPrefix(data, []byte(s)) {
				return true
			}
		}
		return false
	}
}

// Decode reads an image file as Pillow's Image.open(…).convert("RGB") does, byte for byte: alpha is dropped, palettes are looked
// up, metadata (orientation, colour profiles, gamma) is ignored. Only the first picture of an animation is read.
//
// It fails on formats it cannot reproduce, naming the format; on damaged and cut-off files; and on pictures
// of more than 178,956,970 pixels. Memory is bounded by a multiple of the file's size and of the picture's, time by
// both.
func Decode(data []byte) (*RGB, error) {
	f, err := sniff(data)
	if err != nil {
		return nil, err
	}
	if _, _, err := f.checkedSize(data); err != nil {
		return nil, err
	}
	img, err := f.decode(data)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", f.name, err)
	}
	return img, nil
}

// Size returns the width and height of an image file from its header, without decoding it.
func Size(data []byte) (w, h int, err error) {
	f, err := sniff(data)
	if err != nil {
		return 0, 0, err
	}
	return f.checkedSize(data)
}

func sniff(data []byte) (format, error) {
	for _, f := range formats {
		if f.starts(data) {
			return f, nil
		}
	}
	for _, f := range unsupported {
		if f.starts(data) {
			return format{}, fmt.Errorf("%s pictures are not supported, expected %s", f.name, known)
		}
	}
	if len(data) == 0 {
		return format{}, fmt.Errorf("image file is empty")
	}
	return format{}, fmt.Errorf("not an image: file begins % x, expected %s", data[:min(len(data), 8)], known)
}

func (f format) checkedSize(data []byte) (w, h int, err error) {
	w, h, err = f.size(data)
	if err != nil {
		return 0, 0, fmt.Errorf("decode %s: %w", f.name, err)
	}
	if w < 1 || h < 1 {
		return 0, 0, fmt.Errorf("decode %s: picture of %d×%d pixels, expected at least 1×1", f.name, w, h)
	}
	if w > maxPixels/h {
		return 0, 0, fmt.Errorf("decode %s: picture of %d×%d pixels, more than %d", f.name, w, h, maxPixels)
	}
	return w, h, nil
}
