package onnx

import "slices"

const microsoft = "com.microsoft"

// broadcast is numpy's rule. A named length goes with itself and with 1.
func broadcast(op string, x, y Value) Shape {
	a, c := x.shape, y.shape
	if len(a) < len(c) {
		a, c = c, a
	}
	out := slices.Clone(a)
	for i := range c {
		p, q := a[len(a)-len(c)+i], c[i]
		switch {
		case p == q, q == N(1):
		case p == N(1):
			out[len(a)-len(c)+i] = q
		default:
			refuse(op, "%s and %s do not broadcast", x, y)
		}
	}
	return out
}

func (b *Builder) binary(op string, x, y Value) Value {
	if x.dtype != y.dtype {
		refuse(op, "%s and %s differ in type", x, y)
	}
	return b.add("", op, x.dtype, broadcast(op, x, y), []Value{x, y})
}

// Add, Sub, Mul and Div work element by element with broadcasting.
func (b *Builder) Add(x, y Value) Value { return b.binary("Add", x, y) }
func (b *Builder) Sub(x, y Value) Value { return b.binary("Sub", x, y) }
func (b *Builder) Mul(x, y Value) Value { return b.binary("Mul", x, y) }
func (b *Builder) Div(x, y Value) Value { return b.binary("Div", x, y) }

// Greater is x > y, of type bool.
func (b *Builder) Greater(x, y Value) Value {
	if x.dtype != y.dtype {
		refuse("Greater", "%s and %s differ in type", x, y)
	}
	return b.add("", "Greater", Bool, broadcast("Greater", x, y), []Value{x, y})
}

// Where takes x where cond holds, else y, with broadcasting.
func (b *Builder) Where(cond, x, y Value) Value {
	if cond.dtype != Bool || x.dtype != y.dtype {
		refuse("Where", "condition %s, values %s and %s", cond, x, y)
	}
	shape := broadcast("Where", cond, Value{shape: broadcast("Where", x, y)})
	return b.add("", "Where", x.dtype, shape, []Value{cond, x, y})
}

// Cast converts to dtype; float32 to bfloat16 and float16 rounds to nearest, ties to even.
func (b *Builder) Cast(x Value, dtype DType) Value {
	if x.dtype == dtype {
		return x
	}
	return b.add("", "Cast", dtype, x.shape, []Value{x}, intAttr("to", int64(dtype)))
}

// Gather picks slices of x along axis: the axis is replaced by the shape of indices (int32 or int64).
func (b *Builder) Gather(x, indices Value, axis int) Value {
	if indices.dtype != Int64 && indices.dtype != Int32 {
		refuse("Gather", "indices %s are not integers", indices)
	}
	if axis < 0 || axis >= len(x.shape) {
		refuse("Gather", "axis %d of %s", axis, x)
	}
	shape := slices.Concat(x.shape[:axis], indices.shape, x.shape[axis+1:])
	return b.add("", "Gather", x.dtype, shape, []Value{x, indices}, intAttr("axis", int64(axis)))
}

// Concat joins values along axis. The joined length is fixed if all are, else it is called length.
func (b *Builder) Concat(axis int, length Dim, values ...Value) Value {
	first := values[0]
	if axis < 0 || axis >= len(first.shape) {
		refuse("Concat", "axis %d of %s", axis, first)
	}
	total, fixed := int64(0), true
	for _, v := range values {
		if v.dtype != first.dtype || len(v.shape) != len(first.shape) {
			refuse("Concat", "%s and %s", first, v)
		}
		for i := range v.shape {
			if i != axis && v.shape[i] != first.shape[i] {
				refuse("Concat", "%s and %s differ on axis %d", first, v, i)
			}
		}
		if v.shape[axis].Name != "" {
			fixed = false
		}
		total += v.shape[axis].N
	}
	shape := slices.Clone(first.shape)
	shape[axis] = length
	if fixed {
		shape[axis] = N(total)
	}
	return b.add("", "Concat", first.dtype, shape, values, intAttr("axis", int64(axis)))
}

// Reshape gives x another shape. A named length that stands on the same axis of x is kept; at most one other
// length may be named, and is computed.
func (b *Builder) Reshape(x Value, shape ...Dim) Value {
	target := make([]int64, len(shape))
	fixedIn, fixedOut, computed := int64(1), int64(1), 0
	var namedIn, namedOut []string
	for _, d := range x.shape {
		if d.Name != "" {
			namedIn = append(namedIn, d.Name)
		} else {
			fixedIn *= d.N
		}
	}
	for i, d := range shape {
		switch {
		case d.Name == "":
			target[i] = d.N
			fixedOut *= d.N
			continue
		case i < len(x.shape) && x.shape[i] == d:
			target[i] = 0 // ONNX: copy from the input
		default:
			target[i] = -1
			computed++
		}
		namedOut = append(namedOut, d.Name)
	}
	slices.Sort(namedIn)
	slices.Sort(namedOut)
	if computed > 1 || (computed == 0 && fixedIn != fixedOut) || (slices.Equal(namedIn, namedOut) && fixedIn != fixedOut) {
		refuse("Reshape", "%s to %s", x, Shape(shape))
	}
	return b.add("", "Reshape", x.dtype, shape, []Value{x, b.Ints(target...)})
}

// Transpose permutes the axes.
func (b *Builder) Transpose(x Value, perm ...int) Value {
	if len(perm) != len(x.shape) {
		refuse("Transpose", "%s by %v", x, perm)
	}
	shape := make(Shape, len(perm))
	axes := make([]int64, len(perm))
	seen := make([]bool, len(perm))
	for i, p := range perm {
		if p < 0 || p >= len(perm) || seen[p] {
			refuse("Transpose", "%s by %v", x, perm)
		}
		seen[p] = true
		shape[i], axes[i] = x.shape[p], int64(p)
	}
	return b.add("", "Transpose", x.dtype, shape, []Value{x}, intsAttr("perm", axes...))
}

// Slice takes [from, to) of a fixed-length axis.
func (b *Builder) Slice(x Value, axis int, from, to int64) Value {
	if axis < 0 || axis >= len(x.shape) || from < 0 || to < from || (x.shape[axis].Name == "" && to > x.shape[axis].N) {
		refuse("Slice", "%d to %d on axis %d of %s", from, to, axis, x)
	}
	shape := slices.Clone(x.shape)
	shape[axis] = N(to - from)
	return b.add("", "Slice", x.dtype, shape, []Value{x, b.Ints(from), b.Ints(to), b.Ints(int64(axis))})
}

// ReduceMean and ReduceSum reduce one axis and keep it with length 1.
func (b *Builder) ReduceMean(x Value, axis int) Value { return b.reduce("ReduceMean", x, axis) }
func (b *Builder) ReduceSum(x Value, axis int) Value  { return b.reduce("ReduceSum", x, axis) }

func (b *Builder) reduce(op string, x Value, axis int) Value {
	if axis < 0 || axis >= len(x.shape) {
		refuse(op, "axis %d of %s", axis, x)
	}
	shape := slices.Clone(x.shape)
	shape[axis] = N(1)
	return b.add("", op, x.dtype, shape, []Value{x, b.Ints(int64(axis))}, intAttr("keepdims", 1))
}

// Softmax normalises along the last axis.
func (b *Builder) Softmax(x Value) Value {
	return b.add("", "Softmax", x.dtype, x.shape, []Value{x}, intAttr("axis", -1))
}

// Sigmoid is 1/(1+exp(−x)).
func (b *Builder) Sigmoid(x Value) Value {
	return b.add("", "Sigmoid", x.dtype, x.shape, []Value{x})
}

// QuickGelu is x·sigmoid(alpha·x): SiLU at alpha 1, CLIP's activation at 1.702 (com.microsoft).
func (b *Builder) QuickGelu(x Value, alpha float32) Value {
	return b.add(microsoft, "QuickGelu", x.dtype, x.shape, []Value{x}, floatAttr("alpha", alpha))
}

// Gelu is x·Φ(x), by erf.
func (b *Builder) Gelu(x Value) Value {
	return b.add("", "Gelu", x.dtype, x.shape, []Value{x}, strAttr("approximate", "none"))
}

// GeluTanh is the tanh approximation of Gelu.
func (b *Builder) GeluTanh(x Value) Value {
	return b.add("", "Gelu", x.dtype, x.shape, []Value{x}, strAttr("approximate", "tanh"))
}

// MatMul is x·y over the last two axes, the others broadcast.
func (b *Builder) MatMul(x, y Value) Value {
	if x.dtype != y.dtype || len(x.shape) < 2 || len(y.shape) < 2 || x.Dim(-1) != y.Dim(-2) {
		refuse("MatMul", "%s by %s", x, y)
	}
	lead := broadcast("MatMul", Value{name: x.name, shape: x.shape[:len(x.shape)-2]}, Value{name: y.name, shape: y.shape[:len(y.shape)-2]})
	return b.add("", "MatMul", x.dtype, append(slices.Clone(lead), x.Dim(-2), y.Dim(-1)), []Value{x, y})
}

// MatMulT is x·wᵀ for w of shape [out, in], the layout PyTorch stores (com.microsoft FusedMatMul).
func (b *Builder) MatMulT(x, w Value) Value {
	if x.dtype != w.dtype || len(w.shape) != 2 || len(x.shape) < 1 || x.Dim(-1) != w.shape[1] {
		refuse("FusedMatMul", "%s by the transpose of %s", x, w)
	}
	shape := slices.Clone(x.shape)
	shape[len(shape)-1] = w.shape[0]
	return b.add(microsoft, "FusedMatMul", x.dtype, shape, []Value{x, w}, intAttr("transB", 1))
}

// RMSNorm is x/sqrt(mean(x²)+eps)·scale over the last axis (onnxruntime's SimplifiedLayerNormalization).
func (b *Builder) RMSNorm(x, scale Value, eps float32) Value {
	if len(scale.shape) != 1 || x.Dim(-1) != scale.shape[0] || x.dtype != scale.dtype {
		refuse("SimplifiedLayerNormalization", "%s scaled by %s", x, scale)
	}
	return b.add("", "SimplifiedLayerNormalization", x.dtype, x.shape, []Value{x, scale},
		intAttr("axis", -1), floatAttr("epsilon", eps), intAttr("stash_type", 1))
}

// LayerNorm is (x−mean)/sqrt(var+eps)·scale+bias over the last axis.
func (b *Builder) LayerNorm(x, scale, bias Value, eps float32) Value {
	if len(scale.shape) != 1 || x.Dim(-1) != scale.shape[0] || x.dtype != scale.dtype {
		refuse("LayerNormalization", "%s scaled by %s", x, scale)
	}
	return b.add("", "LayerNormalization", x.dtype, x.shape, []Value{x, scale, bias},
		intAttr("axis", -1), floatAttr("epsilon", eps), intAttr("stash_type", 1))
}

// Rotary turns the pairs (i, i+d/2) of every head of x, [batch, seq, heads·d], by the angles whose cosines and sines
// stand in row rows[batch, seq] of the tables [any, d/2] (com.microsoft RotaryEmbedding, not interleaved).
func (b *Builder) Rotary(x, rows, cos, sin Value) Value {
	if x.Rank() != 3 || rows.Rank() != 2 || rows.dtype != Int64 || cos.Rank() != 2 || !slices.Equal(cos.shape, sin.shape) {
		refuse("RotaryEmbedding", "%s, rows %s, tables %s and %s", x, rows, cos, sin)
	}
	if half := cos.shape[1].N; half == 0 || x.Dim(-1).N%(2*half) != 0 {
		refuse("RotaryEmbedding", "%s is not made of heads of %d", x, 2*half)
	}
	return b.add(microsoft, "RotaryEmbedding", x.dtype, x.shape, []Value{x, rows, cos, sin})
}

// Attend is what attention over a cache reads and leaves.
type Attend struct {
	Out                      Value // [batch, seq, heads·d]
	PresentKey, PresentValue Value // [batch, kvHeads, cache, d]
}

// GroupQueryAttention is causal attention over a key-value cache (com.microsoft). q is [batch, seq, heads·d], k and v
// [batch, seq, kvHeads·d], the cache [batch, kvHeads, cache, d]; query head j reads kv head j/(heads/kvHeads).
// seqlens [batch] int32 is every row's length after this call, less one; total [1] int32 the largest of those lengths.
// With more than one row, either every row starts empty or each adds one token. Scores are scaled by d^-½.
func (b *Builder) GroupQueryAttention(q, k, v, pastKey, pastValue, seqlens, total Value, heads, kvHeads int64) Attend {
	const op = "GroupQueryAttention"
	if q.Rank() != 3 || !slices.Equal(k.shape, v.shape) || k.Rank() != 3 || heads <= 0 || kvHeads <= 0 || heads%kvHeads != 0 {
		refuse(op, "%d heads on %s, %d on %s and %s", heads, q, kvHeads, k, v)
	}
	d := q.Dim(-1).N / heads
	if q.Dim(-1).N%heads != 0 || k.Dim(-1).N != d*kvHeads || d%8 != 0 {
		refuse(op, "%d heads on %s, %d on %s: head size must be equal and a multiple of 8", heads, q, kvHeads, k)
	}
	if pastKey.Rank() != 4 || pastKey.Dim(1) != N(kvHeads) || pastKey.Dim(3) != N(d) || !slices.Equal(pastKey.shape, pastValue.shape) {
		refuse(op, "cache %s and %s", pastKey, pastValue)
	}
	out := b.addMany(microsoft, op,
		[]Value{{dtype: q.dtype, shape: q.shape}, {dtype: q.dtype, shape: pastKey.shape}, {dtype: q.dtype, shape: pastValue.shape}},
		[]Value{q, k, v, pastKey, pastValue, seqlens, total},
		intAttr("num_heads", heads), intAttr("kv_num_heads", kvHeads))
	return Attend{Out: out[0], PresentKey: out[1], PresentValue: out[2]}
}

// MultiHeadAttention is attention without a cache and without causality (com.microsoft): q [batch, seq, heads·d], k and
// v [batch, keys, heads·d]. lengths, when present, is [batch] int32: keys from that index on are padding.
// Scores are scaled by d^-½.
func (b *Builder) MultiHeadAttention(q, k, v, lengths Value, heads int64) Value {
	const op = "MultiHeadAttention"
	if q.Rank() != 3 || k.Rank() != 3 || !slices.Equal(k.shape, v.shape) || heads <= 0 || q.Dim(-1).N%heads != 0 || q.Dim(-1) != k.Dim(-1) || q.Dim(0) != k.Dim(0) {
		refuse(op, "%d heads on %s, %s and %s", heads, q, k, v)
	}
	if lengths.Present() && (lengths.Rank() != 1 || lengths.Dim(0) != q.Dim(0) || lengths.dtype != Int32) {
		refuse(op, "lengths %s for %s", lengths, q)
	}
	return b.add(microsoft, op, q.dtype, q.shape, []Value{q, k, v, {}, lengths}, intAttr("num_heads", heads))
}
