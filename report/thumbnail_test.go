package report

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"strings"
	"testing"
)

func TestThumbnail(t *testing.T) {
	small := (&madeUp{}).picture(3)
	got, err := Thumbnail("sha256:1", small, 320)
	if err != nil || !bytes.Equal(got.Bytes, small) || got.Type != "image/png" || got.Width != 112 || got.Height != 84 {
		t.Errorf("a small PNG: %s %d×%d, %d bytes, %v; expected itself", got.Type, got.Width, got.Height, len(got.Bytes), err)
	}

	photo := image.NewRGBA(image.Rect(0, 0, 800, 600))
	for i := range photo.Pix { // noise, which compresses badly
		photo.Pix[i] = uint8(i * i >> 3)
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, photo, nil); err != nil {
		t.Fatal(err)
	}
	got, err = Thumbnail("sha256:2", buf.Bytes(), 320)
	if err != nil {
		t.Fatal(err)
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(got.Bytes))
	if err != nil || config.Width != 320 || config.Height != 240 || got.Width != 800 || got.Height != 600 {
		t.Errorf("a photograph of 800×600: %d×%d embedded, said to be %d×%d, %v", config.Width, config.Height, got.Width, got.Height, err)
	}
	again, err := Thumbnail("sha256:2", buf.Bytes(), 320)
	if err != nil || !bytes.Equal(got.Bytes, again.Bytes) {
		t.Error("the same image gives other bytes")
	}

	// Transparent pixels are shown on white, not on black.
	clear := image.NewNRGBA(image.Rect(0, 0, 600, 10))
	clear.Set(0, 0, color.NRGBA{255, 0, 0, 255})
	got, err = Thumbnail("sha256:3", pngBytes(clear), 300)
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(got.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := img.At(200, 3).RGBA(); r>>8 < 250 || g>>8 < 250 || b>>8 < 250 {
		t.Errorf("a transparent pixel is %d %d %d", r>>8, g>>8, b>>8)
	}
}

func TestThumbnailRefuses(t *testing.T) {
	// A PNG header that promises 60,000 × 60,000 pixels and holds none.
	huge := bytes.Clone(pngBytes(image.NewGray(image.Rect(0, 0, 1, 1))))
	binary.BigEndian.PutUint32(huge[16:], 60000)
	binary.BigEndian.PutUint32(huge[20:], 60000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	for name, data := range map[string][]byte{"nothing": nil, "html": []byte("<html>"), "huge": huge} {
		if _, err := Thumbnail("sha256:9", data, 320); err == nil || !strings.Contains(err.Error(), "sha256:9") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
