package nn

import (
	"fmt"

	"swaprun/extract/onnx"
	"swaprun/extract/safetensors"
)

// Rounding is what the reference does to weights when it loads them. Values are rounded to nearest, ties to even.
type Rounding uint8

const (
	Keep   Rounding = iota + 1 // as stored
	ToBF16                     // loaded with torch_dtype=bfloat16
	ToF16                      // loaded with torch_dtype=float16
)

func (r Rounding) String() string {
	switch r {
	case Keep:
		return "none"
	case ToBF16:
		return "bfloat16"
	case ToF16:
		return "float16"
	}
	return fmt.Sprintf("Rounding(%d)", uint8(r))
}

// A Graph is a graph under construction whose parameters are rounded as the reference rounds them.
type Graph struct {
	*onnx.Builder
	Round Rounding
}

// NewGraph starts an empty graph.
func NewGraph(name string, round Rounding) *Graph {
	return &Graph{Builder: onnx.NewBuilder(name), Round: round}
}

// Param is a weight as float32, after rounding.
func (g *Graph) Param(t safetensors.Tensor) onnx.Value { return g.Widen(g.Stored(t)) }

// Stored is a weight in its stored type: what Gather should read, so that only the rows looked up are converted.
func (g *Graph) Stored(t safetensors.Tensor) onnx.Value {
	return g.Weight(onnx.Weight{Name: t.Name, DType: stored(t), Shape: t.Shape, Path: t.Path, Offset: t.Offset, Length: t.Length})
}

func stored(t safetensors.Tensor) onnx.DType {
	switch t.DType {
	case safetensors.F32:
		return onnx.Float32
	case safetensors.F16:
		return onnx.Float16
	case safetensors.BF16:
		return onnx.BFloat16
	}
	// Bind lets no other type through.
	panic(fmt.Sprintf("nn: parameter %s of type %s", t.Name, t.DType))
}

// Widen rounds a value of a stored type as the reference does, and makes it float32.
func (g *Graph) Widen(x onnx.Value) onnx.Value {
	var via onnx.DType
	switch g.Round {
	case ToBF16:
		via = onnx.BFloat16
	case ToF16:
		via = onnx.Float16
	}
	if via == 0 || x.DType() == via {
		return g.Cast(x, onnx.Float32)
	}
	return g.Cast(g.Cast(g.Cast(x, onnx.Float32), via), onnx.Float32)
}
