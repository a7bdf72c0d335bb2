package extract

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"swaprun/ledger/npy"
)

var textQuestions = []string{
	"Is the chair to the left or right of the lamp? Answer with only one word.",
	"Compared to lamp, is chair far or close from you? Answer with only one word.",
}

// captureTexts asks the text questions without an image.
func captureTexts(t *testing.T, m *Model) []*Capture {
	t.Helper()
	captures := make([]*Capture, len(textQuestions))
	err := m.Capture(context.Background(), nil, textQuestions, func(i int, c *Capture, err error) {
		if err != nil {
			t.Fatalf("%s: %v", textQuestions[i], err)
		}
		captures[i] = c
	})
	if err != nil {
		t.Fatal(err)
	}
	return captures
}

// TestWithoutImageGolden: a question alone, as transformers 4.57.6 asks it (chat template without an image part, no pixels).
func TestWithoutImageGolden(t *testing.T) {
	needRuntime(t)
	g := openGolden(t, "qwen2_5_vl", "base", "")
	var err error
	if g.arrays, err = npy.Open(filepath.Join(g.dir, "without_image.npz"), npy.Limits{}); err != nil {
		t.Fatal(err)
	}
	defer g.arrays.Close()
	for i, c := range captureTexts(t, open(t, g.compile(t), Options{})) {
		id := []string{"text_0", "text_1"}[i]
		if diff := cmp.Diff(golden[int64](t, g, id+"/input_ids"), c.InputIDs); diff != "" {
			t.Errorf("%s: input ids (-reference +ours):\n%s", id, diff)
		}
		if diff := cmp.Diff(golden[int64](t, g, id+"/generated_ids"), c.GeneratedIDs); diff != "" {
			t.Errorf("%s: generated ids (-reference +ours):\n%s", id, diff)
		}
		want := golden[float32](t, g, id+"/hidden_states")
		for b := range c.Blocks {
			if r := relative(c.States[b*c.Width:(b+1)*c.Width], want[b*c.Width:(b+1)*c.Width]); !(r <= stateTolerance) {
				t.Errorf("%s: block %d is the first to diverge: relative error %.3g", id, b, r)
				break
			}
		}
		if c.ImageTokens != 0 {
			t.Errorf("%s: %d image tokens without an image", id, c.ImageTokens)
		}
	}
}

// TestWithoutImage holds for every family: a question alone is asked with the tokens it has beside an image less everything that
// stands for the image, and asking it first or second, or after an image, changes nothing.
func TestWithoutImage(t *testing.T) {
	needRuntime(t)
	for _, s := range goldenSets {
		t.Run(s.family+"/"+s.set, func(t *testing.T) {
			g := openGolden(t, s.family, s.set, s.processor)
			m := open(t, g.compile(t), Options{})
			alone := captureTexts(t, m)
			var beside *Capture
			err := m.Capture(context.Background(), g.image(t, g.cases[0].Image), textQuestions[:1], func(_ int, c *Capture, err error) {
				if err != nil {
					t.Fatal(err)
				}
				beside = c
			})
			if err != nil {
				t.Fatal(err)
			}
			// The question and what follows it are the same tokens.
			a, b := alone[0].InputIDs, beside.InputIDs
			same := 0
			for same < min(len(a), len(b)) && a[len(a)-1-same] == b[len(b)-1-same] {
				same++
			}
			if same < 10 {
				t.Errorf("only the last %d tokens agree with the prompt beside an image:\n%v\n%v", same, a, b[max(0, len(b)-40):])
			}
			if len(a) >= len(b)-beside.ImageTokens+1 {
				t.Errorf("%d tokens alone, %d beside an image of %d", len(a), len(b), beside.ImageTokens)
			}
			again := captureTexts(t, m)
			for i := range alone {
				if !slices.Equal(again[i].States, alone[i].States) || again[i].Answer != alone[i].Answer {
					t.Errorf("question %d: other states after an image", i)
				}
			}
		})
	}
}

// TestHeadRows: the logits that a capture keeps are those of the rows and gains read from the file.
func TestHeadRows(t *testing.T) {
	needRuntime(t)
	for _, s := range goldenSets {
		t.Run(s.family+"/"+s.set, func(t *testing.T) {
			g := openGolden(t, s.family, s.set, s.processor)
			p := g.compile(t)
			c := captureTexts(t, open(t, p, Options{}))[0]
			ids := make([]int64, len(c.First))
			for i, l := range c.First {
				ids[i] = l.ID
			}
			rows, gains, err := p.HeadRows(ids)
			if err != nil {
				t.Fatal(err)
			}
			last := c.States[(c.Blocks-1)*c.Width:]
			var square float64
			for _, x := range last {
				square += float64(x) * float64(x)
			}
			rms := math.Sqrt(square / float64(c.Width)) // the norm's ε moves this by 1e-5 at most
			for i, l := range c.First {
				var logit float64
				for k, w := range rows[i] {
					logit += float64(w) * float64(gains[k]) * float64(last[k]) / rms
				}
				if math.Abs(logit-float64(l.Logit)) > 1e-4*math.Abs(float64(l.Logit))+1e-4 {
					t.Errorf("token %d: row, gains and state give %.6g, the graph %.6g", l.ID, logit, l.Logit)
				}
			}
			for w, forms := range p.WordTokens() {
				for i, id := range forms {
					if (id >= 0) != (c.Words[w][i] != nil) {
						t.Errorf("%s, form %d: token %d, logit %v", w, i, id, c.Words[w][i])
					}
				}
			}
			if _, _, err := p.HeadRows([]int64{1 << 40}); err == nil {
				t.Error("a row beyond the head was read")
			}
		})
	}
}
