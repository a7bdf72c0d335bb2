package extract

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The same weights in two layouts give the same bits; and weights, pixels and masks can be left as they are.
func TestMolmoLayoutsAndPrecision(t *testing.T) {
	needRuntime(t)
	question := func(g *goldenSet) goldenCase { return g.cases[0] }
	run := func(g *goldenSet, stored bool) *Capture {
		t.Helper()
		p, err := Compile(Source{Checkpoint: g.checkpoint, Processor: g.processor, StoredWeights: stored})
		if err != nil {
			t.Fatal(err)
		}
		var out *Capture
		c := question(g)
		err = open(t, p, Options{Weights: Streamed}).Capture(context.Background(), g.image(t, c.Image), []string{c.Question}, func(_ int, c *Capture, err error) {
			if err != nil {
				t.Fatal(err)
			}
			out = c
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	released := openGolden(t, "molmo", "o-hf", "")
	native := openGolden(t, "molmo", "o-native", "o-native/tokenizer")
	if question(released).Question != question(native).Question {
		t.Fatal("the sets begin with different questions")
	}
	for _, stored := range []bool{false, true} {
		if diff := cmp.Diff(run(released, stored), run(native, stored)); diff != "" {
			t.Errorf("as stored %t: (-released +native):\n%s", stored, diff)
		}
	}
	for _, g := range []*goldenSet{released, openGolden(t, "molmo", "d-hf", "")} {
		c, id := run(g, true), question(g).ID
		want := golden[float32](t, g, id+"/hidden_states_f32")
		for b := range c.Blocks {
			at, end := b*c.Width, (b+1)*c.Width
			if r := relative(c.States[at:end], want[at:end]); !(r <= stateTolerance) {
				t.Errorf("%s as stored: block %d: relative error %.3g", id, b, r)
			}
		}
		if diff := cmp.Diff(golden[int64](t, g, id+"/generated_ids_f32"), c.GeneratedIDs); diff != "" {
			t.Errorf("%s as stored: generated ids (-reference +ours):\n%s", id, diff)
		}
	}
}

// Tensors of a model.pt are hashed where they lie, and a NaN in it is found.
func TestHashNativeWeights(t *testing.T) {
	g := openGolden(t, "molmo", "o-native", "o-native/tokenizer")
	p := g.compile(t)
	digests, err := p.HashWeights(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := openGolden(t, "molmo", "o-hf", "").compile(t).HashWeights(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(digests) != len(other) {
		t.Fatalf("%d tensors, the other layout has %d", len(digests), len(other))
	}
	for i := range digests {
		if "model."+digests[i].Name != other[i].Name || digests[i].SHA256 != other[i].SHA256 {
			t.Errorf("%s and %s differ", digests[i].Name, other[i].Name)
		}
	}

	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(g.checkpoint)); err != nil {
		t.Fatal(err)
	}
	w := p.Weights()[7]
	edit(t, filepath.Join(dir, "model.pt"), func(raw []byte) []byte {
		raw = bytes.Clone(raw)
		binary.LittleEndian.PutUint32(raw[w.Offset+4*3:], math.Float32bits(float32(math.NaN())))
		return raw
	})
	if p, err = Compile(Source{Checkpoint: dir, Processor: g.processor}); err != nil {
		t.Fatal(err)
	}
	_, err = p.HashWeights(context.Background(), nil)
	var fault *NonFiniteError
	if !errors.As(err, &fault) || fault.Tensor != w.Name || fault.Index != 3 || filepath.Base(fault.Path) != "model.pt" {
		t.Errorf("got %v, want a value that is not finite in %s at 3", err, w.Name)
	}
}
