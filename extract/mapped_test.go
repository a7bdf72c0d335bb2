package extract

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"swaprun/extract/nn"
	"swaprun/extract/onnx"
	"swaprun/extract/ort"
	"swaprun/extract/safetensors"
)

// Weights that are more than the machine's memory open all the same: they are mapped, and nothing is reserved for them.
func TestMoreWeightsThanMemory(t *testing.T) {
	needRuntime(t)
	memory := availableMemory()
	if memory == 0 {
		t.Skip("this system does not say how much memory it has")
	}
	const width, rows = 4096, 1 << 16 // of a weight, which is 1 GiB
	const size = 4 * width * rows
	n := 2*memory/size + 8
	path := filepath.Join(t.TempDir(), "w")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(n * size); err != nil { // a hole: no disk is used
		t.Skipf("no file of %d GiB here: %v", n*size>>30, err)
	}
	g := nn.NewGraph("mapped", nn.Keep)
	x := g.Input("x", onnx.Float32, onnx.Sym("n"), onnx.N(width))
	var y onnx.Value
	for i := range n {
		w := safetensors.Tensor{Name: fmt.Sprint("w", i), DType: safetensors.F32, Shape: []int64{rows, width}, Path: path, Offset: i * size, Length: size}
		p := g.Slice(g.MatMulT(x, g.Param(w)), 1, 0, 8)
		if i > 0 {
			p = g.Add(y, p)
		}
		y = p
	}
	g.Output("y", y)
	model, err := g.Model(func(string) (string, error) { return "w", nil })
	if err != nil {
		t.Fatal(err)
	}
	watch := watchMemory()
	s, err := ort.Open(model, []string{"x"}, []string{"y"}, ort.Options{Folder: filepath.Dir(path), Threads: 1, Streamed: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if anonymous, _ := watch(); anonymous > size {
		t.Errorf("%d MB of memory taken", anonymous>>20)
	}
}

// BenchmarkOpenDeep opens graphs of growing depth, every product with its own weight and its parts: what an operator costs must not grow.
func BenchmarkOpenDeep(b *testing.B) {
	needRuntime(b)
	const width = 4096
	path := filepath.Join(b.TempDir(), "w")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for _, depth := range []int64{32, 128, 512} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			const size = 2 * width * width
			if err := f.Truncate(depth * size); err != nil { // a hole: no disk is used
				b.Skipf("no file of %d GiB here: %v", depth*size>>30, err)
			}
			g := nn.NewGraph("deep", nn.Keep)
			x := g.Input("x", onnx.Float32, onnx.Sym("n"), onnx.N(width))
			y := x
			for i := range depth {
				l := nn.Linear{In: width, Out: width}
				l.Weight = safetensors.Tensor{Name: fmt.Sprint("w", i), DType: safetensors.BF16, Shape: []int64{width, width}, Path: path, Offset: i * size, Length: size}
				y = g.Add(y, l.Forward(g, y))
			}
			g.Output("y", y)
			model, err := g.Model(func(string) (string, error) { return "w", nil })
			if err != nil {
				b.Fatal(err)
			}
			before := processTime()
			for b.Loop() {
				s, err := ort.Open(model, []string{"x"}, []string{"y"}, ort.Options{Folder: filepath.Dir(path), Threads: 1, Streamed: true})
				if err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
			b.ReportMetric(float64((processTime()-before)/time.Duration(b.N))/1e3/float64(g.Nodes()), "cpu-µs/operator")
		})
	}
}
