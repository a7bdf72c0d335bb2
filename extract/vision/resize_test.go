package vision

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"testing"
)

// pattern is a synthetic picture whose resized forms were hashed with the reference libraries.
func pattern(w, h int) *RGB {
	m := NewRGB(w, h)
	for y := range h {
		for x := range w {
			for c := range 3 {
				m.Pix[3*(y*w+x)+c] = uint8(7*x + 13*y + 29*c + 17*((x*y)%11))
			}
		}
	}
	return m
}

func hash8(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

func littleEndian(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// Which pass comes first shows in the bytes. Hashes of Pillow 13.0.0; 12.1.1 always begins with the horizontal one and
// agrees on the last size only.
func TestResizePassOrder(t *testing.T) {
	for _, tc := range []struct {
		w, h int
		want string
	}{
		{66, 44, "e132f9922facc246"}, // wider and lower
		{60, 39, "cede9bd948440d1f"}, // the height loses more than twice what the width loses
		{60, 40, "591d37efca832c59"}, // twice as much
	} {
		m, err := Resize(pattern(64, 48), tc.w, tc.h, Bicubic)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprintf("%d×%d", tc.w, tc.h), hash8(m.Pix), tc.want)
	}
}

func TestResizeRefuses(t *testing.T) {
	long := NewRGB(maxSide+1, 1)
	for _, tc := range []struct {
		name   string
		src    *RGB
		w, h   int
		filter Filter
	}{
		{"no picture", nil, 5, 5, Bicubic},
		{"short buffer", &RGB{W: 2, H: 2, Pix: make([]uint8, 11)}, 5, 5, Bicubic},
		{"no width", NewRGB(2, 2), 0, 5, Bicubic},
		{"negative height", NewRGB(2, 2), 5, -1, Bicubic},
		{"no filter", NewRGB(2, 2), 5, 5, 0},
		{"huge", NewRGB(2, 2), 1 << 19, 1 << 19, Bicubic},
		{"long", long, 5, 5, Bicubic},
	} {
		if _, err := Resize(tc.src, tc.w, tc.h, tc.filter); err == nil {
			t.Errorf("%s: no error", tc.name)
		}
	}
}

// Hashes of what Pillow 12.1.1 and torch 2.8.0 (torchvision 0.23.0) make of the 64×48 pattern.
func TestResizersAgainstReference(t *testing.T) {
	src := pattern(64, 48)
	if got := hash8(src.Pix); got != "6efd820c1442bf41" {
		t.Fatalf("pattern hashes to %s", got)
	}
	sizes := [3][2]int{{100, 60}, {28, 28}, {64, 20}}
	pillow := func(f Filter) func(w, h int) ([]byte, error) {
		return func(w, h int) ([]byte, error) {
			m, err := Resize(src, w, h, f)
			if err != nil {
				return nil, err
			}
			return m.Pix, nil
		}
	}
	for _, tc := range []struct {
		name   string
		resize func(w, h int) ([]byte, error)
		want   [3]string
	}{
		{"pillow bicubic", pillow(Bicubic), [3]string{"50ae0ae561590f70", "a1dc641f22bba0e2", "c9d0bf0cbcd78313"}},
		{"pillow bilinear", pillow(Bilinear), [3]string{"2bc0e48dbe592f1b", "73c93b42545ba1d6", "7a66d8096a1cf6e5"}},
		{"pillow lanczos", pillow(Lanczos), [3]string{"3bcca5a87c1f64e3", "3c8410930c70764f", "2b4e459040d548e3"}},
		{"torch antialias", func(w, h int) ([]byte, error) {
			v, err := torchAntialias(src, w, h)
			return littleEndian(v), err
		}, [3]string{"24a536d5b2b821df", "068d4aa5b9283cd4", "2e7e54eb67a70bcd"}},
		{"torch stretch", func(w, h int) ([]byte, error) {
			m, err := torchStretch(src, w, h)
			if err != nil {
				return nil, err
			}
			return m.Pix, nil
		}, [3]string{"011a069cdccc0152", "4981b2f3b4f51cc6", "1c44baf93f16debd"}},
	} {
		for i, size := range sizes {
			t.Run(fmt.Sprintf("%s/%dx%d", tc.name, size[0], size[1]), func(t *testing.T) {
				got, err := tc.resize(size[0], size[1])
				if err != nil {
					t.Fatal(err)
				}
				if h := hash8(got); h != tc.want[i] {
					t.Errorf("hash %s, reference has %s", h, tc.want[i])
				}
			})
		}
	}
}
