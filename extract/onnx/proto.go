package onnx

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Versions written into every model. IR version 10 belongs to opset 21; onnxruntime 1.18 and later read both.
const (
	irVersion        = 10
	opset            = 21
	microsoftVersion = 1
)

// Model writes the graph as an ONNX ModelProto. locate turns a weight's path into the location the model will say, which
// onnxruntime takes relative to a folder it is told.
func (b *Builder) Model(locate func(path string) (string, error)) ([]byte, error) {
	locations := map[string]string{}
	for _, w := range b.weights {
		if _, ok := locations[w.Path]; ok {
			continue
		}
		location, err := locate(w.Path)
		if err != nil {
			return nil, fmt.Errorf("weight %s: %w", w.Name, err)
		}
		locations[w.Path] = location
	}
	return b.marshal(func(w Weight) string { return locations[w.Path] }), nil
}

// Digest is the SHA-256 of the model with its weights named and shaped but not located: what the graph computes, wherever
// its files lie.
func (b *Builder) Digest() [sha256.Size]byte { return sha256.Sum256(b.marshal(nil)) }

// Field numbers below are those of onnx.proto.

func (b *Builder) marshal(locate func(Weight) string) []byte {
	var m []byte
	m = appendInt(m, 1, irVersion)
	m = appendString(m, 2, "swaprun")
	m = appendBytes(m, 7, b.marshalGraph(locate))
	m = appendBytes(m, 8, appendInt(appendString(nil, 1, ""), 2, opset))
	m = appendBytes(m, 8, appendInt(appendString(nil, 1, microsoft), 2, microsoftVersion))
	return m
}

func (b *Builder) marshalGraph(locate func(Weight) string) []byte {
	var g []byte
	for i, n := range slices.Concat(b.prelude, b.nodes) {
		g = appendBytes(g, 1, n.marshal(i, b.renamed))
	}
	g = appendString(g, 2, b.name)
	for _, c := range b.constants {
		t := marshalTensor(c.name, c.dtype, c.shape)
		g = appendBytes(g, 5, appendBytes(t, 9, c.raw))
	}
	for _, w := range b.weights {
		t := marshalTensor(w.Name, w.DType, w.Shape)
		if locate != nil {
			t = appendBytes(t, 13, entry("location", locate(w)))
			t = appendBytes(t, 13, entry("offset", strconv.FormatInt(w.Offset, 10)))
			t = appendBytes(t, 13, entry("length", strconv.FormatInt(w.Length, 10)))
		}
		t = appendInt(t, 14, 1) // EXTERNAL
		g = appendBytes(g, 5, t)
	}
	for _, v := range b.inputs {
		g = appendBytes(g, 11, marshalInfo(v))
	}
	for _, v := range b.outputs {
		g = appendBytes(g, 12, marshalInfo(v))
	}
	if locate == nil {
		return g
	}
	// onnxruntime infers most of these types, but loses the names of lengths on the way; and what has a length without a name it can
	// give no other's memory, for which it compares it with everything free so far: seconds in a large graph.
	for _, v := range b.between {
		if _, ok := b.renamed[v.name]; !ok {
			g = appendBytes(g, 13, marshalInfo(v))
		}
	}
	return g
}

func (n node) marshal(index int, renamed map[string]string) []byte {
	var p []byte
	appendEdge := func(field protowire.Number, name string) {
		if to, ok := renamed[name]; ok {
			name = to
		}
		p = appendString(p, field, name)
	}
	for _, s := range n.inputs {
		appendEdge(1, s)
	}
	for _, s := range n.outputs {
		appendEdge(2, s)
	}
	p = appendString(p, 3, fmt.Sprintf("%s_%d", n.op, index))
	p = appendString(p, 4, n.op)
	for _, a := range n.attrs {
		p = appendBytes(p, 5, a.marshal())
	}
	if n.domain != "" {
		p = appendString(p, 7, n.domain)
	}
	return p
}

func (a attribute) marshal() []byte {
	p := appendString(nil, 1, a.name)
	switch a.kind {
	case attrFloat:
		p = protowire.AppendTag(p, 2, protowire.Fixed32Type)
		p = protowire.AppendFixed32(p, math.Float32bits(a.f))
	case attrInt:
		p = appendInt(p, 3, a.i)
	case attrStr:
		p = appendString(p, 4, a.s)
	case attrInts:
		for _, i := range a.ints {
			p = appendInt(p, 8, i)
		}
	}
	return appendInt(p, 20, int64(a.kind))
}

func marshalTensor(name string, dtype DType, shape []int64) []byte {
	var t []byte
	for _, n := range shape {
		t = appendInt(t, 1, n)
	}
	t = appendInt(t, 2, int64(dtype))
	return appendString(t, 8, name)
}

func marshalInfo(v Value) []byte {
	var shape []byte
	for _, d := range v.shape {
		var dim []byte
		if d.Name != "" {
			dim = appendString(dim, 2, d.Name)
		} else {
			dim = appendInt(dim, 1, d.N)
		}
		shape = appendBytes(shape, 1, dim)
	}
	tensor := appendBytes(appendInt(nil, 1, int64(v.dtype)), 2, shape)
	return appendBytes(appendString(nil, 1, v.name), 2, appendBytes(nil, 1, tensor))
}

func entry(key, value string) []byte { return appendString(appendString(nil, 1, key), 2, value) }

func appendInt(b []byte, field protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}
