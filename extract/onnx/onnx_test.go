package onnx

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

// fields splits a protobuf message into its fields, in order; a wire error fails the test.
func fields(t *testing.T, msg []byte) (out []field) {
	t.Helper()
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		msg = msg[n:]
		f := field{num: num}
		switch typ {
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(msg)
		case protowire.VarintType:
			f.int, n = protowire.ConsumeVarint(msg)
		default:
			n = protowire.ConsumeFieldValue(num, typ, msg)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		msg = msg[n:]
		out = append(out, f)
	}
	return out
}

type field struct {
	num   protowire.Number
	bytes []byte
	int   uint64
}

func all(fs []field, num protowire.Number) (out [][]byte) {
	for _, f := range fs {
		if f.num == num {
			out = append(out, f.bytes)
		}
	}
	return out
}

func text(fs []field, num protowire.Number) (out []string) {
	for _, b := range all(fs, num) {
		out = append(out, string(b))
	}
	return out
}

func small() *Builder {
	b := NewBuilder("small")
	x := b.Input("x", Float32, Sym("batch"), N(3))
	w := b.Weight(Weight{Name: "w", DType: BFloat16, Shape: []int64{2, 3}, Path: "/files/a.bin", Offset: 8, Length: 12})
	y := b.MatMulT(x, b.Cast(w, Float32))
	b.Output("y", b.Add(y, b.Float(1)))
	return b
}

func TestModel(t *testing.T) {
	raw, err := small().Model(func(path string) (string, error) { return strings.TrimPrefix(path, "/files/"), nil })
	if err != nil {
		t.Fatal(err)
	}
	model := fields(t, raw)
	graph := fields(t, all(model, 7)[0])
	var nodes []string
	for _, n := range all(graph, 1) {
		f := fields(t, n)
		nodes = append(nodes, strings.Join(text(f, 7), "")+"/"+text(f, 4)[0]+" "+strings.Join(text(f, 1), ",")+" -> "+strings.Join(text(f, 2), ","))
	}
	want := []string{
		"/Cast w -> Cast_0", // what reads only weights comes first
		"com.microsoft/FusedMatMul x,Cast_0 -> FusedMatMul_1",
		"/Add FusedMatMul_1,const_0 -> y", // the last edge took the output's name
	}
	if diff := cmp.Diff(want, nodes); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	initializers := all(graph, 5)
	weight := fields(t, initializers[len(initializers)-1])
	var external []string
	for _, e := range all(weight, 13) {
		external = append(external, strings.Join(append(text(fields(t, e), 1), text(fields(t, e), 2)...), "="))
	}
	if diff := cmp.Diff([]string{"location=a.bin", "offset=8", "length=12"}, external); diff != "" {
		t.Errorf("external data (-want +got):\n%s", diff)
	}
	if got := text(fields(t, all(graph, 11)[0]), 1); cmp.Diff([]string{"x"}, got) != "" {
		t.Errorf("inputs %v", got)
	}
}

// Every edge says its type, with the names of its lengths; what the graph computes does not hang on it.
func TestModelTypesEdges(t *testing.T) {
	b := small()
	raw, err := b.Model(func(string) (string, error) { return "a.bin", nil })
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, info := range all(fields(t, all(fields(t, raw), 7)[0]), 13) {
		f := fields(t, info)
		line := text(f, 1)[0]
		tensor := fields(t, all(fields(t, all(f, 2)[0]), 1)[0])
		for _, dim := range all(fields(t, all(tensor, 2)[0]), 1) {
			if d := fields(t, dim)[0]; d.num == 2 {
				line += " " + string(d.bytes)
			} else {
				line += fmt.Sprint(" ", d.int)
			}
		}
		got = append(got, fmt.Sprint(line, " type ", tensor[0].int))
	}
	// The sum is the graph's output and described there.
	want := []string{"Cast_0 2 3 type 1", "FusedMatMul_1 batch 2 type 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if digested := all(fields(t, all(fields(t, b.marshal(nil)), 7)[0]), 13); len(digested) > 0 {
		t.Error("the digest counts what follows from the operators")
	}
}

func TestDigestIgnoresLocations(t *testing.T) {
	moved := small()
	moved.weights[0].Path, moved.weights[0].Offset = "/elsewhere/b.bin", 4096
	if small().Digest() != moved.Digest() {
		t.Error("moving a weight changes the digest")
	}
	renamed := small()
	renamed.weights[0].Name = "v"
	if small().Digest() == renamed.Digest() {
		t.Error("another weight leaves the digest")
	}
}

func TestShapes(t *testing.T) {
	b := NewBuilder("shapes")
	batch, seq := Sym("batch"), Sym("seq")
	x := b.Input("x", Float32, batch, seq, N(8))
	ids := b.Input("ids", Int64, batch, seq)
	table := b.Input("table", Float32, N(100), N(8))
	for _, c := range []struct {
		name string
		got  Value
		want string
	}{
		{"broadcast", b.Add(x, b.Floats([]int64{8}, make([]float32, 8))), "[batch, seq, 8]"},
		{"gather rows", b.Gather(table, ids, 0), "[batch, seq, 8]"},
		{"gather one", b.Gather(x, b.Int(0), 1), "[batch, 8]"},
		{"split heads", b.Reshape(x, batch, seq, N(2), N(4)), "[batch, seq, 2, 4]"},
		{"flatten", b.Reshape(x, Sym("rows"), N(8)), "[rows, 8]"},
		{"transpose", b.Transpose(b.Reshape(x, batch, seq, N(2), N(4)), 0, 2, 1, 3), "[batch, 2, seq, 4]"},
		{"concat", b.Concat(2, Dim{}, x, x), "[batch, seq, 16]"},
		{"concat unknown", b.Concat(1, Sym("both"), x, x), "[batch, both, 8]"},
		{"slice", b.Slice(x, 2, 2, 5), "[batch, seq, 3]"},
		{"mean", b.ReduceMean(x, 2), "[batch, seq, 1]"},
		{"product", b.MatMul(x, b.Transpose(table, 1, 0)), "[batch, seq, 100]"},
		{"product with stored weight", b.MatMulT(x, table), "[batch, seq, 100]"},
	} {
		if got := c.got.Shape().String(); got != c.want {
			t.Errorf("%s: shape %s, want %s", c.name, got, c.want)
		}
	}
}

func TestShapeErrors(t *testing.T) {
	b := NewBuilder("errors")
	x := b.Input("x", Float32, Sym("batch"), N(8))
	y := b.Input("y", Float32, Sym("other"), N(6))
	i := b.Input("i", Int64, Sym("batch"))
	lengths := b.Input("lengths", Int64, Sym("batch"))
	cache := b.Input("cache", Float32, Sym("batch"), N(2), Sym("cache"), N(16))
	z := b.Input("z", Float32, Sym("batch"), Sym("seq"), N(24))
	for name, f := range map[string]func(){
		"lengths that differ":      func() { b.Add(x, b.Floats([]int64{6}, make([]float32, 6))) },
		"names that differ":        func() { b.Add(x, y) },
		"types that differ":        func() { b.Mul(x, i) },
		"product":                  func() { b.MatMulT(x, y) },
		"fractional indices":       func() { b.Gather(x, x, 0) },
		"axis":                     func() { b.Gather(x, i, 2) },
		"reshape":                  func() { b.Reshape(x, Sym("batch"), N(7)) },
		"reshape, two unknown":     func() { b.Reshape(x, Sym("a"), Sym("b")) },
		"transpose":                func() { b.Transpose(x, 0, 0) },
		"slice":                    func() { b.Slice(x, 1, 4, 9) },
		"condition":                func() { b.Where(x, x, x) },
		"norm":                     func() { b.RMSNorm(x, b.Floats([]int64{6}, make([]float32, 6)), 1e-6) },
		"constant":                 func() { b.Floats([]int64{2, 2}, make([]float32, 3)) },
		"output of nothing":        func() { b.Output("out", x) },
		"heads":                    func() { b.MultiHeadAttention(z, z, z, Value{}, 5) },
		"lengths of another type":  func() { b.MultiHeadAttention(z, z, z, lengths, 3) },
		"head size of the cache":   func() { b.GroupQueryAttention(z, z, z, cache, cache, lengths, lengths, 3, 3) },
		"heads per key-value head": func() { b.GroupQueryAttention(z, z, z, cache, cache, lengths, lengths, 3, 2) },
	} {
		func() {
			defer func() {
				err, _ := recover().(error)
				var shape *ShapeError
				if !errors.As(err, &shape) {
					t.Errorf("%s: got %v, want a ShapeError", name, err)
				}
			}()
			f()
		}()
	}
}
