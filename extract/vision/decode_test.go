package vision

import (
	"strings"
	"testing"
)

// A variant is a small image file and what Pillow 12.1.1 makes of it; tools/vectors/pictures.py writes them.
type variant struct {
	Name  string
	Data  []byte
	Size  [2]int
	RGB   string
	Error bool // Pillow refuses the file
}

func variants(t testing.TB) []variant {
	var vs []variant
	readJSON(t, "testdata/variants.json", &vs)
	return vs
}

func TestDecodeAgainstPillow(t *testing.T) {
	for _, v := range variants(t) {
		t.Run(v.Name, func(t *testing.T) {
			img, err := Decode(v.Data)
			if v.Error {
				if err == nil {
					t.Error("decoded, Pillow refuses it")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "size", [2]int{img.W, img.H}, v.Size)
			equal(t, "rgb", sum(img.Pix), v.RGB)
			w, h, err := Size(v.Data)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "header", [2]int{w, h}, v.Size)
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	huge := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x02\x00\x00\x00"
	wide := strings.Replace(huge, "\x00\x00\xff\xff\x00\x00\xff\xff", "\x00\x00\x20\x00\x00\x00\x20\x00", 1)
	for _, tc := range []struct{ name, data, want string }{
		{"empty", "", "empty"},
		{"text", "hello", "not an image: file begins 68 65 6c 6c 6f"},
		{"tiff", "II*\x00\x08\x00\x00\x00", "TIFF pictures are not supported"},
		{"avif", "\x00\x00\x00\x20ftypavif", "AVIF"},
		{"bomb", huge, "65535×65535 pixels, more than 178956970"},
		{"png of many pixels in few bytes", wide, "cut off"},
		{"jpeg of many pixels in few bytes", jpegHeader(0xc0, 8192, 8192), "cut off"},
		{"arithmetic", jpegHeader(0xc9, 8, 8), "arithmetic-coded JPEG is not supported"},
		{"lossless", jpegHeader(0xc3, 8, 8), "lossless JPEG is not supported"},
		{"empty frame", jpegHeader(0xc0, 0, 8), "0×8"},
		{"animated webp", "RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00", "animated"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Decode([]byte(tc.data))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%q does not say %q", err, tc.want)
			}
		})
	}
}

// jpegHeader is a grey file that ends where its scan should begin.
func jpegHeader(frame byte, w, h int) string {
	return "\xff\xd8\xff" + string([]byte{frame, 0, 11, 8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), 1, 1, 0x11, 0,
		0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0})
}

func FuzzDecode(f *testing.F) {
	for _, v := range variants(f) {
		f.Add(v.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if w, h, err := Size(data); err != nil || w > 1<<22/h {
			return // large pictures are only slow
		}
		img, err := Decode(data)
		if err != nil {
			return
		}
		if err := img.valid(); err != nil {
			t.Fatal(err)
		}
	})
}
