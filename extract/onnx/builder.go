package onnx

import (
	"fmt"
	"math"
	"slices"
)

// A Weight is a constant that lies in a file. Offset and Length are in bytes.
type Weight struct {
	Name   string
	DType  DType
	Shape  []int64
	Path   string
	Offset int64
	Length int64
}

type attribute struct {
	name string
	kind int // AttributeProto.AttributeType
	f    float32
	i    int64
	s    string
	ints []int64
}

const (
	attrFloat = 1
	attrInt   = 2
	attrStr   = 3
	attrInts  = 7
)

func floatAttr(name string, f float32) attribute { return attribute{name: name, kind: attrFloat, f: f} }
func intAttr(name string, i int64) attribute     { return attribute{name: name, kind: attrInt, i: i} }
func strAttr(name, s string) attribute           { return attribute{name: name, kind: attrStr, s: s} }
func intsAttr(name string, v ...int64) attribute {
	return attribute{name: name, kind: attrInts, ints: v}
}

type node struct {
	domain, op      string
	inputs, outputs []string
	attrs           []attribute
}

type constant struct {
	name  string
	dtype DType
	shape []int64
	raw   []byte // little-endian
}

// A Builder collects one graph. Use NewBuilder.
type Builder struct {
	name      string
	inputs    []Value
	outputs   []Value
	prelude   []node // operators that read nothing but weights; see addMany
	nodes     []node
	still     map[string]bool // weights, and what the prelude makes of them
	weights   []Weight
	byWeight  map[string]Value
	constants []constant
	byConst   map[string]Value
	renamed   map[string]string // edges that are graph outputs
	between   []Value           // edges, as operators made them
}

// NewBuilder starts an empty graph.
func NewBuilder(name string) *Builder {
	return &Builder{name: name, byWeight: map[string]Value{}, byConst: map[string]Value{}, renamed: map[string]string{}, still: map[string]bool{}}
}

// Name is the graph's name.
func (b *Builder) Name() string { return b.name }

// Inputs and Outputs are the graph's ends, in the order they were declared.
func (b *Builder) Inputs() []Value  { return b.inputs }
func (b *Builder) Outputs() []Value { return b.outputs }

// Nodes is the number of operators.
func (b *Builder) Nodes() int { return len(b.prelude) + len(b.nodes) }

// Weights are the external constants, in order of first use.
func (b *Builder) Weights() []Weight { return b.weights }

// Input declares a graph input.
func (b *Builder) Input(name string, dtype DType, shape ...Dim) Value {
	v := Value{name: name, dtype: dtype, shape: shape}
	b.inputs = append(b.inputs, v)
	return v
}

// Output declares v, the output of an operator, as the graph output called name. The edge itself takes that name: a
// copying node in between would keep operators from writing into the memory the caller provides.
func (b *Builder) Output(name string, v Value) {
	if _, ok := b.renamed[v.name]; ok || !b.produced(v.name) {
		refuse("Output", "%s is not an operator's output, or is a graph output already", v)
	}
	b.renamed[v.name] = name
	b.outputs = append(b.outputs, Value{name: name, dtype: v.dtype, shape: v.shape})
}

func (b *Builder) produced(name string) bool {
	for i := len(b.nodes) - 1; i >= 0; i-- {
		if slices.Contains(b.nodes[i].outputs, name) {
			return true
		}
	}
	return false
}

// Weight adds an external constant, once per name.
func (b *Builder) Weight(w Weight) Value {
	if v, ok := b.byWeight[w.Name]; ok {
		return v
	}
	shape := make(Shape, len(w.Shape))
	for i, n := range w.Shape {
		shape[i] = N(n)
	}
	v := Value{name: w.Name, dtype: w.DType, shape: shape}
	b.byWeight[w.Name] = v
	b.still[w.Name] = true
	b.weights = append(b.weights, w)
	return v
}

// Ints is a small inline int64 constant of rank 1.
func (b *Builder) Ints(values ...int64) Value {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = le64(raw, uint64(v))
	}
	return b.constant(Int64, []int64{int64(len(values))}, raw)
}

// Int is an inline int64 scalar.
func (b *Builder) Int(value int64) Value { return b.constant(Int64, nil, le64(nil, uint64(value))) }

// Float is an inline float32 scalar.
func (b *Builder) Float(value float32) Value {
	return b.constant(Float32, nil, le32(nil, math.Float32bits(value)))
}

// Floats is a small inline float32 constant.
func (b *Builder) Floats(shape []int64, values []float32) Value {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	if n != int64(len(values)) {
		refuse("Constant", "%d values for shape %v", len(values), shape)
	}
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = le32(raw, math.Float32bits(v))
	}
	return b.constant(Float32, shape, raw)
}

func (b *Builder) constant(dtype DType, shape []int64, raw []byte) Value {
	key := fmt.Sprintf("%d %v %x", dtype, shape, raw)
	if v, ok := b.byConst[key]; ok {
		return v
	}
	dims := make(Shape, len(shape))
	for i, n := range shape {
		dims[i] = N(n)
	}
	v := Value{name: fmt.Sprintf("const_%d", len(b.constants)), dtype: dtype, shape: dims}
	b.byConst[key] = v
	b.constants = append(b.constants, constant{name: v.name, dtype: dtype, shape: shape, raw: raw})
	return v
}

func le32(b []byte, v uint32) []byte { return append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24)) }
func le64(b []byte, v uint64) []byte { return le32(le32(b, uint32(v)), uint32(v>>32)) }

// add appends a node with one output.
func (b *Builder) add(domain, op string, dtype DType, shape Shape, inputs []Value, attrs ...attribute) Value {
	return b.addMany(domain, op, []Value{{dtype: dtype, shape: shape}}, inputs, attrs...)[0]
}

// addMany appends a node; outputs carry type and shape and come back named.
//
// Conversions of weights go to the front of the graph. onnxruntime walks it from the outputs, and of a node's inputs computes the
// one whose node comes last in the file first: a conversion written beside its use would run before everything
// that leads there, and with it those of all blocks, all of them in memory together. From the front each runs
// just before its use.
func (b *Builder) addMany(domain, op string, outputs, inputs []Value, attrs ...attribute) []Value {
	n := node{domain: domain, op: op, attrs: attrs}
	still := true
	for _, in := range inputs {
		n.inputs = append(n.inputs, in.name) // "" leaves an optional input out
		still = still && (in.name == "" || b.still[in.name])
	}
	for len(n.inputs) > 0 && n.inputs[len(n.inputs)-1] == "" {
		n.inputs = n.inputs[:len(n.inputs)-1]
	}
	for i := range outputs {
		if outputs[i].dtype == 0 { // an output nobody wants
			n.outputs = append(n.outputs, "")
			continue
		}
		outputs[i].name = fmt.Sprintf("%s_%d", op, b.Nodes())
		if i > 0 {
			outputs[i].name = fmt.Sprintf("%s_%d_%d", op, b.Nodes(), i)
		}
		b.still[outputs[i].name] = still
		b.between = append(b.between, outputs[i])
		n.outputs = append(n.outputs, outputs[i].name)
	}
	if still {
		b.prelude = append(b.prelude, n)
	} else {
		b.nodes = append(b.nodes, n)
	}
	return outputs
}
