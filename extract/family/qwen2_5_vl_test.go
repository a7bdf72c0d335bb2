package family

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"swaprun/extract/vision"
	"swaprun/ledger/npy"
)

type qwenCase struct {
	ID          string  `json:"id"`
	Image       string  `json:"image"`
	Question    string  `json:"question"`
	Prompt      string  `json:"prompt"`
	Resized     [2]int  `json:"resized_size"`
	Grid        [3]int  `json:"grid_thw"`
	ImageTokens int     `json:"n_image_tokens"`
	FirstDecode []int64 `json:"first_decode_position"`
	Penalty     float32 `json:"repetition_penalty"`
	ImageArrays bool    `json:"arrays_of_the_image"`
	SHA256      struct {
		RGB     string `json:"rgb"`
		Resized string `json:"resized"`
		Pixels  string `json:"pixel_values"`
	} `json:"sha256"`
}

func qwen25Golden(t *testing.T, set string) (*qwen25Model, []qwenCase, *npy.Reader) {
	t.Helper()
	dir := filepath.Join("testdata", "qwen2_5_vl")
	m, err := Load(Source{Checkpoint: filepath.Join(dir, set, "checkpoint"), Processor: filepath.Join(dir, "base", "checkpoint")})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, set, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []qwenCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	arrays, err := npy.Open(filepath.Join(dir, set, "expected.npz"), npy.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { arrays.Close() })
	return m.(*qwen25Model), cases, arrays
}

func int64s(t *testing.T, r *npy.Reader, name string) []int64 {
	t.Helper()
	a, err := r.Array(name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := npy.Values[int64](a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func sha(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func TestQwen25Inputs(t *testing.T) {
	for _, set := range []string{"base", "finetune"} {
		m, cases, arrays := qwen25Golden(t, set)
		for _, c := range cases {
			t.Run(set+"/"+c.ID, func(t *testing.T) {
				raw, err := os.ReadFile(filepath.Join("testdata", "qwen2_5_vl", set, "images", c.Image))
				if err != nil {
					t.Fatal(err)
				}
				rgb, err := vision.Decode(raw)
				if err != nil {
					t.Fatal(err)
				}
				if got := sha(rgb.Pix); got != c.SHA256.RGB {
					t.Errorf("decoded pixels differ: SHA-256 %s, reference %s", got, c.SHA256.RGB)
				}
				resized, err := m.params.Resize(rgb)
				if err != nil {
					t.Fatal(err)
				}
				if got := sha(resized.Pix); got != c.SHA256.Resized {
					t.Errorf("resized pixels differ: SHA-256 %s, reference %s", got, c.SHA256.Resized)
				}
				pixels, grid, err := m.params.Patches(resized)
				if err != nil {
					t.Fatal(err)
				}
				var le []byte
				for _, v := range pixels {
					le = binary.LittleEndian.AppendUint32(le, math.Float32bits(v))
				}
				if got := sha(le); got != c.SHA256.Pixels {
					t.Errorf("pixel values differ: SHA-256 %s, reference %s", got, c.SHA256.Pixels)
				}
				if got := [3]int{grid.T, grid.H, grid.W}; got != c.Grid {
					t.Errorf("grid %v, reference %v", got, c.Grid)
				}
				img, err := m.Image(raw)
				if err != nil {
					t.Fatal(err)
				}
				if img.Tokens != c.ImageTokens {
					t.Errorf("%d image tokens, reference %d", img.Tokens, c.ImageTokens)
				}
				if c.ImageArrays {
					want := int64s(t, arrays, c.ID+"/window_index")
					order, lengths := windows(grid.H/2, grid.W/2, int(m.config.Vision.windowUnits()))
					if diff := cmp.Diff(want, order); diff != "" {
						t.Errorf("window index (-reference +ours):\n%s", diff)
					}
					ends := []int64{0}
					for _, n := range lengths {
						ends = append(ends, ends[len(ends)-1]+int64(4*n))
					}
					if diff := cmp.Diff(int64s(t, arrays, c.ID+"/cu_window_seqlens"), ends); diff != "" {
						t.Errorf("window ends (-reference +ours):\n%s", diff)
					}
				}
				p, err := m.Prompt(img, c.Question)
				if err != nil {
					t.Fatal(err)
				}
				if p.Text != c.Prompt {
					t.Errorf("prompt %q, reference %q", p.Text, c.Prompt)
				}
				if diff := cmp.Diff(int64s(t, arrays, c.ID+"/input_ids"), p.IDs); diff != "" {
					t.Errorf("input ids (-reference +ours):\n%s", diff)
				}
				if diff := cmp.Diff(int64s(t, arrays, c.ID+"/position_ids"), slices.Concat(p.Positions...)); diff != "" {
					t.Errorf("positions (-reference +ours):\n%s", diff)
				}
				var cos, sin []float32
				cos, sin = m.angles(cos, sin, c.FirstDecode...)
				at := len(p.IDs) * len(m.frequencies)
				if !slices.Equal(p.Cos[at:at+len(cos)], cos) || !slices.Equal(p.Sin[at:at+len(sin)], sin) {
					t.Errorf("the first new token's angles are not those of position %v", c.FirstDecode)
				}
				// cases.json has null for a checkpoint without a penalty.
				if want := max(c.Penalty, 1); want != m.decoding.Penalty {
					t.Errorf("repetition penalty %v, reference %v", m.decoding.Penalty, want)
				}
			})
		}
	}
}
