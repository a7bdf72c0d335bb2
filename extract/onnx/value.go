package onnx

import (
	"fmt"
	"strings"
)

// A DType is the element type of a value, with ONNX's own numbering (TensorProto.DataType).
type DType int32

const (
	Float32  DType = 1
	Int32    DType = 6
	Int64    DType = 7
	Bool     DType = 9
	Float16  DType = 10
	BFloat16 DType = 16
)

func (d DType) String() string {
	switch d {
	case Float32:
		return "float32"
	case Int32:
		return "int32"
	case Int64:
		return "int64"
	case Bool:
		return "bool"
	case Float16:
		return "float16"
	case BFloat16:
		return "bfloat16"
	}
	return fmt.Sprintf("DType(%d)", int32(d))
}

// A Dim is the length of one axis: a number, or a name for a length known only when the graph runs.
// Two named lengths are equal when their names are.
type Dim struct {
	N    int64
	Name string
}

// N is a fixed length.
func N(n int64) Dim { return Dim{N: n} }

// Sym is a named length.
func Sym(name string) Dim { return Dim{Name: name} }

func (d Dim) String() string {
	if d.Name != "" {
		return d.Name
	}
	return fmt.Sprint(d.N)
}

// A Shape is the lengths of a value's axes.
type Shape []Dim

func (s Shape) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = d.String()
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// A Value is an edge of the graph under construction. The zero Value stands for an optional input left out.
type Value struct {
	name  string
	dtype DType
	shape Shape
}

func (v Value) Name() string   { return v.name }
func (v Value) DType() DType   { return v.dtype }
func (v Value) Shape() Shape   { return v.shape }
func (v Value) Present() bool  { return v.name != "" }
func (v Value) Rank() int      { return len(v.shape) }
func (v Value) Dim(i int) Dim  { return v.shape[(i+len(v.shape))%len(v.shape)] } // negative i counts from the end
func (v Value) String() string { return fmt.Sprintf("%s %s%s", v.name, v.dtype, v.shape) }

// A ShapeError says which operator refused which values. Builder methods panic with it.
type ShapeError struct {
	Op     string
	Reason string
}

func (e *ShapeError) Error() string { return fmt.Sprintf("onnx: %s: %s", e.Op, e.Reason) }

func refuse(op, format string, args ...any) {
	panic(&ShapeError{Op: op, Reason: fmt.Sprintf(format, args...)})
}
