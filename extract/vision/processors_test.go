package vision

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"testing"
)

// A processorCase is what a reference processor makes of a picture: SHA-256 of little-endian arrays.
type processorCase struct {
	Picture   string
	Processor string
	Size      [2]int
	RGB       string
	Resized   string
	Pixels    string
	Grid      [3]int
	Crops     int
	Masks     string
	Index     string
	Tiles     int
	TileBytes string `json:"tile_bytes"`
	Half      string // pixels as float16
}

// The hashes were taken from transformers 4.57.6 with qwen-vl-utils 0.0.14 (Qwen), transformers 4.46.0 with Molmo's
// remote code, and NVlabs/VILA b760c34.
func TestProcessorsAgainstReference(t *testing.T) {
	var cases []processorCase
	readJSON(t, "testdata/processors.json", &cases)
	for _, c := range cases {
		t.Run(c.Picture, func(t *testing.T) {
			img, err := Decode(read(t, c.Picture))
			if err != nil {
				t.Fatal(err)
			}
			if c.RGB != "" {
				equal(t, "decoded", sum(img.Pix), c.RGB)
				equal(t, "size", [2]int{img.W, img.H}, c.Size)
			}
			switch c.Processor {
			case "qwen2_5_vl":
				c.qwen(t, img, qwen25)
			case "qwen3_vl":
				c.qwen(t, img, qwen3)
			case "molmo":
				c.molmo(t, img)
			case "nvila":
				c.nvila(t, img)
			default:
				t.Fatalf("unknown processor %q", c.Processor)
			}
		})
	}
}

func (c processorCase) qwen(t *testing.T, img *RGB, p QwenParams) {
	resized, err := p.Resize(img)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "resized", sum(resized.Pix), c.Resized)
	rows, grid, err := p.Process(img)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "grid", [3]int{grid.T, grid.H, grid.W}, c.Grid)
	equal(t, "pixels", sum(littleEndian(rows)), c.Pixels)
}

func (c processorCase) molmo(t *testing.T, img *RGB) {
	m, err := molmo.Process(img)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "crops", m.Crops, c.Crops)
	equal(t, "pixels", sum(littleEndian(m.Pixels)), c.Pixels)
	equal(t, "masks", sum(littleEndian(m.Masks)), c.Masks)
	var index []byte
	for _, i := range m.Index {
		index = binary.LittleEndian.AppendUint32(index, uint32(i))
		if i >= 0 && m.Tokens[i] != MolmoPatch {
			t.Errorf("index %d is token %d, not a patch", i, m.Tokens[i])
		}
	}
	equal(t, "index", sum(index), c.Index)
}

func (c processorCase) nvila(t *testing.T, img *RGB) {
	tiles, err := nvila.Tiles(img)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "tiles", len(tiles), c.Tiles)
	var pix []byte
	for _, m := range tiles {
		pix = append(pix, m.Pix...)
	}
	equal(t, "tile bytes", sum(pix), c.TileBytes)
	level := siglipLevels()
	exact, err := planes(tiles, &level)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "pixels", sum(littleEndian(exact)), c.Pixels)
	rounded, err := SiglipPixels(tiles)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "float16 pixels", sum(float16(rounded)), c.Half)
}

// The 256 values a byte can become, before and after rounding to float16.
func TestSiglipLevels(t *testing.T) {
	level := siglipLevels()
	equal(t, "float32", hash8(littleEndian(level[:])), "d15e8ce722844464")
	for i, v := range level {
		level[i] = roundHalf(v)
	}
	equal(t, "float16", hash8(float16(level[:])), "d8b81b508ae4a772")
}

// float16 packs values that float16 can hold exactly.
func float16(v []float32) []byte {
	out := make([]byte, 0, 2*len(v))
	for _, x := range v {
		b := math.Float32bits(x)
		out = binary.LittleEndian.AppendUint16(out, uint16(b>>16&0x8000)|uint16((b>>23&0xff-127+15)<<10)|uint16(b>>13&0x3ff))
	}
	return out
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	if err := json.Unmarshal(read(t, path), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
