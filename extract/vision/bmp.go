package vision

import (
	"bytes"
	"fmt"
	"image"

	"golang.org/x/image/bmp"
)

func bmpSize(data []byte) (w, h int, err error) {
	c, err := bmp.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err
}

// decodeBMP reads the uncompressed kinds: 1, 2, 4, 8, 24 and 32 bits a pixel.
func decodeBMP(data []byte) (*RGB, error) {
	w, h, err := bmpSize(data)
	if err != nil {
		return nil, err
	}
	if (w+7)/8*h > len(data) { // a bit a pixel at least
		return nil, fmt.Errorf("picture of %d×%d pixels in a file of %d bytes: file is cut off", w, h, len(data))
	}
	img, err := bmp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	switch img.(type) {
	case *image.Paletted, *image.RGBA, *image.NRGBA, *image.Gray:
		return fromImage(img, false)
	}
	return nil, fmt.Errorf("pixel layout %T is not supported", img)
}
