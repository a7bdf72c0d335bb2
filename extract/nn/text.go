package nn

import (
	"fmt"

	"swaprun/extract/onnx"
	"swaprun/extract/safetensors"
)

// TextShape is what the graph of a language model must know before its blocks.
type TextShape struct {
	Blocks, Width  int64
	Heads, KVHeads int64
	HeadDim        int64
}

// A Text is the frame of a language model's graph: its inputs, its cache, its taps. The blocks in between are the family's.
//
// Inputs, for b rows of s new tokens each (either b is 1 or s is):
//
//	ids      int64 [b, s]          rows of the embedding table
//	source   int64 [b, s]          0 for text, or the row of features that belongs at the position
//	features float32 [f, width]    row 0 is zeros; further feature inputs have the same shape
//	cos, sin float32 [r, headDim/2] rotary tables
//	rows     int64 [b, s]          every position's row in the tables
//	seqlens  int32 [b]             tokens in the cache after the call, less one
//	total    int32 [1]             the largest seqlens, plus one
//	last     int64 [1]             the new token whose states are wanted
//	past_key.i, past_value.i       float32 [b, kvHeads, c, headDim]
//
// Outputs: taps float32 [b, blocks, width], the residual stream leaving every block at token last; present_key.i,
// present_value.i, shaped like the past and meant to share its memory.
type Text struct {
	g     *Graph
	shape TextShape

	source, cos, sin, rows   onnx.Value
	seqlens, total, last, id onnx.Value
	marked                   onnx.Value // source > 0, [b, s, 1]
	keys, values             []onnx.Value
	presentKeys              []onnx.Value
	presentValues            []onnx.Value
	taps                     []onnx.Value
}

// NewText declares the inputs.
func NewText(g *Graph, shape TextShape) *Text {
	batch, seq := onnx.Sym("batch"), onnx.Sym("seq")
	half := onnx.N(shape.HeadDim / 2)
	t := &Text{
		g: g, shape: shape,
		id:      g.Input("ids", onnx.Int64, batch, seq),
		source:  g.Input("source", onnx.Int64, batch, seq),
		cos:     g.Input("cos", onnx.Float32, onnx.Sym("angles"), half),
		sin:     g.Input("sin", onnx.Float32, onnx.Sym("angles"), half),
		rows:    g.Input("rows", onnx.Int64, batch, seq),
		seqlens: g.Input("seqlens", onnx.Int32, batch),
		total:   g.Input("total", onnx.Int32, onnx.N(1)),
		last:    g.Input("last", onnx.Int64, onnx.N(1)),
	}
	for i := range shape.Blocks {
		dims := []onnx.Dim{batch, onnx.N(shape.KVHeads), onnx.Sym("cache"), onnx.N(shape.HeadDim)}
		t.keys = append(t.keys, g.Input(fmt.Sprintf("past_key.%d", i), onnx.Float32, dims...))
		t.values = append(t.values, g.Input(fmt.Sprintf("past_value.%d", i), onnx.Float32, dims...))
	}
	return t
}

// Embed looks the ids up: [b, s, width].
func (t *Text) Embed(table safetensors.Tensor) onnx.Value {
	return t.g.Widen(t.g.Gather(t.g.Stored(table), t.id, 0))
}

// EmbedExtended looks the ids up in two tables, one continuing where the other ends: [b, s, width]. Joining them first
// would copy both.
func (t *Text) EmbedExtended(table, more safetensors.Tensor) onnx.Value {
	g := t.g
	end := g.Int(table.Shape[0])
	beyond := g.Greater(t.id, g.Int(table.Shape[0]-1))
	near := g.Gather(g.Stored(table), g.Where(beyond, g.Int(0), t.id), 0)
	far := g.Gather(g.Stored(more), g.Where(beyond, g.Sub(t.id, end), g.Int(0)), 0)
	beyond = g.Reshape(beyond, t.id.Dim(0), t.id.Dim(1), onnx.N(1))
	return g.Where(beyond, g.Widen(far), g.Widen(near))
}

// Features declares a feature input and places its rows: [b, s, width], zeros at text positions.
func (t *Text) Features(name string) onnx.Value {
	in := t.g.Input(name, onnx.Float32, onnx.Sym(name+" rows"), onnx.N(t.shape.Width))
	return t.g.Gather(in, t.source, 0)
}

// Replace puts features in the place of h wherever a position has one.
func (t *Text) Replace(h, features onnx.Value) onnx.Value {
	if !t.marked.Present() {
		marked := t.g.Greater(t.source, t.g.Int(0))
		t.marked = t.g.Reshape(marked, t.source.Dim(0), t.source.Dim(1), onnx.N(1))
	}
	return t.g.Where(t.marked, features, h)
}

// Attend is the causal attention of the next block, q [b, s, heads·headDim], k and v [b, s, kvHeads·headDim]: q and k
// are turned by the rotary tables, k and v join the block's cache.
func (t *Text) Attend(q, k, v onnx.Value) onnx.Value {
	i := len(t.presentKeys)
	if i >= len(t.keys) {
		panic(&onnx.ShapeError{Op: "Attend", Reason: fmt.Sprintf("block %d of %d", i, len(t.keys))})
	}
	q = t.g.Rotary(q, t.rows, t.cos, t.sin)
	k = t.g.Rotary(k, t.rows, t.cos, t.sin)
	a := t.g.GroupQueryAttention(q, k, v, t.keys[i], t.values[i], t.seqlens, t.total, t.shape.Heads, t.shape.KVHeads)
	t.presentKeys = append(t.presentKeys, a.PresentKey)
	t.presentValues = append(t.presentValues, a.PresentValue)
	return a.Out
}

// Tap records h, the stream leaving the next block.
func (t *Text) Tap(h onnx.Value) {
	t.taps = append(t.taps, t.g.Gather(h, t.last, 1))
}

// Finish declares the outputs.
func (t *Text) Finish() {
	if n := int(t.shape.Blocks); len(t.taps) != n || len(t.presentKeys) != n {
		panic(&onnx.ShapeError{Op: "Text", Reason: fmt.Sprintf("%d taps and %d attentions in %d blocks", len(t.taps), len(t.presentKeys), n)})
	}
	t.g.Output("taps", t.g.Concat(1, onnx.N(t.shape.Blocks), t.taps...))
	for i := range t.presentKeys {
		t.g.Output(fmt.Sprintf("present_key.%d", i), t.presentKeys[i])
		t.g.Output(fmt.Sprintf("present_value.%d", i), t.presentValues[i])
	}
}
