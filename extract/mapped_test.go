package extract

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

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
