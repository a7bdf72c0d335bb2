package vision

import "fmt"

// An RGB is a decoded picture: three bytes a pixel, rows from the top, interleaved, no padding.
// Pix has length 3·W·H; W and H are at least 1 in every picture this package returns.
type RGB struct {
	W, H int
	Pix  []uint8
}

// NewRGB returns a black picture.
func NewRGB(w, h int) *RGB { return &RGB{W: w, H: h, Pix: make([]uint8, 3*w*h)} }

// valid tells whether the buffer fits the sides, so that loops over it cannot run out.
func (m *RGB) valid() error {
	switch {
	case m == nil:
		return fmt.Errorf("no picture")
	case m.W < 1 || m.H < 1:
		return fmt.Errorf("picture of %d×%d pixels, expected at least 1×1", m.W, m.H)
	case m.W > maxPixels/m.H:
		return fmt.Errorf("picture of %d×%d pixels, more than %d", m.W, m.H, maxPixels)
	case len(m.Pix) != 3*m.W*m.H:
		return fmt.Errorf("picture of %d×%d pixels with %d bytes, expected %d", m.W, m.H, len(m.Pix), 3*m.W*m.H)
	}
	return nil
}
