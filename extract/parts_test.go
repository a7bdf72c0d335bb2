package extract

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"swaprun/extract/nn"
	"swaprun/extract/onnx"
	"swaprun/extract/ort"
	"swaprun/extract/safetensors"
)

// A weight large enough to be converted in parts gives, bit for bit, what it gives whole: for a prompt, what a second question adds to it,
// and a decoding step.
func TestProductInPartsIsBitIdentical(t *testing.T) {
	needRuntime(t)
	const in, out = 2048, 3000
	random := rand.New(rand.NewPCG(3, 1))
	raw := make([]byte, 2*in*out)
	for i := 0; i < len(raw); i += 2 {
		raw[i], raw[i+1] = byte(random.Uint32()), 0x3c|byte(random.Uint32()&0x80) // ±0.008 to ±0.03
	}
	path := filepath.Join(t.TempDir(), "w")
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	w := safetensors.Tensor{Name: "w", DType: safetensors.BF16, Shape: []int64{out, in}, Path: path, Length: int64(len(raw))}
	l := nn.Linear{In: in, Out: out, Weight: w}
	g := nn.NewGraph("parts", nn.ToBF16)
	x := g.Input("x", onnx.Float32, onnx.Sym("n"), onnx.N(in))
	g.Output("parts", l.Forward(g, x))
	g.Output("whole", g.MatMulT(x, g.Param(w)))
	if n := len(g.Weights()); n < 3 {
		t.Fatalf("%d weights: the product is not in parts", n)
	}
	model, err := g.Model(func(string) (string, error) { return "w", nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, streamed := range []bool{false, true} {
		for _, threads := range []int{1, 2} {
			s, err := ort.Open(model, []string{"x"}, []string{"parts", "whole"}, ort.Options{Folder: filepath.Dir(path), Threads: threads, Streamed: streamed})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, n := range []int{2, 30, 200} {
				t.Run(fmt.Sprintf("streamed %v/%d threads/%d rows", streamed, threads, n), func(t *testing.T) {
					var ts tensors
					defer ts.close()
					values := make([]float32, n*in)
					for i := range values {
						values[i] = random.Float32() - 0.5
					}
					parts, whole := make([]float32, n*out), make([]float32, n*out)
					input := lend(&ts, values, int64(n), in)
					outputs := []*ort.Tensor{lend(&ts, parts, int64(n), out), lend(&ts, whole, int64(n), out)}
					if err := s.Run(context.Background(), []*ort.Tensor{input}, outputs); err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(parts, whole) || slices.Max(whole) == 0 {
						t.Error("the two differ")
					}
				})
			}
		}
	}
}
