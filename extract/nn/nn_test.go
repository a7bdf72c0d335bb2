package nn

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"swaprun/extract/safetensors"
)

type block struct {
	Norm RMSNorm  `weight:"norm"`
	MLP  GatedMLP `weight:"mlp"`
}

type net struct {
	Table  Param   `weight:"table"`
	Blocks []block `weight:"layers"`
	Head   *Linear `weight:"head"`
	Note   string
}

func newNet(tied bool) *net {
	n := &net{Table: Param{Shape: []int64{10, 4}}}
	for range 2 {
		n.Blocks = append(n.Blocks, block{Norm: RMSNorm{Dim: 4}, MLP: NewGatedMLP(4, 6, false)})
	}
	if !tied {
		n.Head = &Linear{In: 4, Out: 10, Biased: true}
	}
	return n
}

func set(t *testing.T, shapes map[string][]int64) *safetensors.Set {
	t.Helper()
	var tensors []safetensors.Tensor
	for name, shape := range shapes {
		tensors = append(tensors, safetensors.Tensor{Name: name, DType: safetensors.BF16, Shape: shape, Path: "w.safetensors"})
	}
	s, err := safetensors.NewSet([]string{"w.safetensors"}, tensors)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func complete() map[string][]int64 {
	shapes := map[string][]int64{"table": {10, 4}}
	for _, b := range []string{"layers.0.", "layers.1."} {
		shapes[b+"norm.weight"] = []int64{4}
		shapes[b+"mlp.gate_proj.weight"] = []int64{6, 4}
		shapes[b+"mlp.up_proj.weight"] = []int64{6, 4}
		shapes[b+"mlp.down_proj.weight"] = []int64{4, 6}
	}
	return shapes
}

func TestBind(t *testing.T) {
	shapes := complete()
	shapes["extra"] = []int64{1}
	n := newNet(true)
	unused, err := Bind(n, set(t, shapes), "dir", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"extra"}, unused); diff != "" {
		t.Errorf("unused (-want +got):\n%s", diff)
	}
	if got := n.Blocks[1].MLP.Down.Weight.Name; got != "layers.1.mlp.down_proj.weight" {
		t.Errorf("bound %q", got)
	}
}

func TestBindErrors(t *testing.T) {
	shapes := complete()
	delete(shapes, "layers.0.norm.weight")
	shapes["layers.0.norm.gamma"] = []int64{4}
	shapes["layers.1.mlp.up_proj.weight"] = []int64{4, 6}
	shapes["alias.table"] = []int64{10, 4}
	_, err := Bind(newNet(false), set(t, shapes), "dir", func(name string) []string { return []string{name, "alias." + name} })
	var bind *BindError
	if !errors.As(err, &bind) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff([]string{"layers.0.norm.weight", "head.weight", "head.bias"}, bind.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if len(bind.Mismatched) != 2 || bind.Mismatched[0].Name != "table" || bind.Mismatched[1].Name != "layers.1.mlp.up_proj.weight" {
		t.Errorf("mismatched %+v", bind.Mismatched)
	}
	for _, want := range []string{"shape is [4, 6], the config asks for [6, 4]", "also stored as alias.table", "missing layers.0.norm.weight, head.weight", "not asked for: layers.0.norm.gamma"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestBindRefusesIntegers(t *testing.T) {
	s, err := safetensors.NewSet(nil, []safetensors.Tensor{{Name: "table", DType: safetensors.I8, Shape: []int64{10, 4}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Bind(&struct {
		Table Param `weight:"table"`
	}{Param{Shape: []int64{10, 4}}}, s, "dir", nil)
	if err == nil || !strings.Contains(err.Error(), "type is I8") {
		t.Errorf("got %v", err)
	}
}

func TestFrequencies(t *testing.T) {
	f := Frequencies(10000, 8)
	for i, want := range []float64{1, 0.1, 0.01, 0.001} { // 10000^(−i/4)
		if math.Abs(float64(f[i])/want-1) > 1e-7 {
			t.Errorf("frequency %d is %g, want %g", i, f[i], want)
		}
	}
	cos, sin := Angle(nil, nil, 3, f[1])
	if math.Abs(float64(cos[0])-math.Cos(0.3)) > 1e-7 || math.Abs(float64(sin[0])-math.Sin(0.3)) > 1e-7 {
		t.Errorf("angle 0.3: %g, %g", cos[0], sin[0])
	}
}

func TestInverse(t *testing.T) {
	if diff := cmp.Diff([]int64{2, 0, 3, 1}, Inverse([]int64{1, 3, 0, 2})); diff != "" {
		t.Error(diff)
	}
}

// Parts cover the rows once and in order, none too small.
func TestParts(t *testing.T) {
	for _, c := range []struct{ in, from, to, want int64 }{
		{64, 0, 200, 1}, {1024, 0, 5504, 10}, {640, 0, 1710, 3}, {4096, 0, 11008, 21}, {4096, 11008, 22016, 21}, {11008, 0, 4096, 8}, {1024, 0, 151936, 296}, {1 << 20, 0, 1023, 1},
	} {
		l := Linear{In: c.in, Out: c.to}
		at := c.from
		list := l.parts(c.from, c.to)
		for _, p := range list {
			if p.from != at || p.to-p.from < minPart-16 && len(list) > 1 || p.to-p.from > max(minPart, partBytes/4/c.in)+minPart {
				t.Errorf("%+v: part %+v after row %d", c, p, at)
			}
			at = p.to
		}
		if at != c.to || int64(len(list)) != c.want {
			t.Errorf("%+v: %d parts up to row %d", c, len(list), at)
		}
	}
}
