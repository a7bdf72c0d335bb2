// Package npy reads and writes numpy's array files: one array as .npy (format 1.0), several named ones as .npz.
//
// Written bytes depend on nothing but the arrays: an .npy equals what numpy.save writes for the same array, and
// an .npz carries fixed dates and no fields that vary. The deflate encoder is a pinned module rather than the
// standard library's, whose output may change with the Go release, so equal arrays make equal files for as long as
// go.mod names the same version.
//
// Read bytes are never trusted: sizes, shapes and types are checked against what is really there before memory is
// taken for them, and object arrays, which would need pickles to be executed, are refused.
package npy

import (
	"errors"
	"fmt"
	"math"
)

// ErrFormat is wrapped by every error about bytes that are not an array file this package reads.
var ErrFormat = errors.New("not a readable array file")

// A DType is the element type of an array.
type DType uint8

// The element types. All are little-endian in files.
const (
	Bool    DType = iota + 1 // |b1
	Uint8                    // |u1
	Int32                    // <i4
	Int64                    // <i8
	Float32                  // <f4
	Float64                  // <f8
	Unicode                  // <Un: fixed width, as wide as the longest string, UTF-32
)

var dtypeNames = [...]string{Bool: "bool", Uint8: "uint8", Int32: "int32", Int64: "int64", Float32: "float32", Float64: "float64", Unicode: "unicode"}

func (d DType) String() string {
	if int(d) < len(dtypeNames) && d != 0 {
		return dtypeNames[d]
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// size is the bytes one element takes in a file; for Unicode, the bytes of one code point.
func (d DType) size() int {
	switch d {
	case Bool, Uint8:
		return 1
	case Int32, Float32, Unicode:
		return 4
	}
	return 8
}

// Element lists the Go types an array can hold.
type Element interface {
	bool | uint8 | int32 | int64 | float32 | float64 | string
}

// An Array is an n-dimensional array, row-major (C order) in memory whatever the file's order was.
type Array struct {
	DType DType
	Shape []int // empty: a scalar
	data  any   // []T of the DType, as long as the product of Shape
}

// New makes an array over data, which it keeps and does not copy. No shape means one dimension as long as data.
// It panics when the shape does not hold exactly the data: that is a bug of the caller's.
func New[T Element](data []T, shape ...int) *Array {
	if len(shape) == 0 {
		shape = []int{len(data)}
	}
	return newArray(data, append([]int(nil), shape...))
}

// Scalar makes a zero-dimensional array.
func Scalar[T Element](v T) *Array { return newArray([]T{v}, []int{}) }

func newArray[T Element](data []T, shape []int) *Array {
	n, ok := count(shape)
	if !ok || n != len(data) {
		panic(fmt.Sprintf("npy: shape %v does not hold %d elements", shape, len(data)))
	}
	return &Array{DType: dtypeOf[T](), Shape: shape, data: data}
}

func dtypeOf[T Element]() DType {
	switch any(*new(T)).(type) {
	case bool:
		return Bool
	case uint8:
		return Uint8
	case int32:
		return Int32
	case int64:
		return Int64
	case float32:
		return Float32
	case float64:
		return Float64
	}
	return Unicode
}

// Values returns the array's elements in row-major order: the array's own memory, not a copy. It is an error to
// ask for another type than the array's.
func Values[T Element](a *Array) ([]T, error) {
	v, ok := a.data.([]T)
	if !ok {
		return nil, fmt.Errorf("array of %s read as %s", a.DType, dtypeOf[T]())
	}
	return v, nil
}

// Len is the number of elements.
func (a *Array) Len() int {
	n, _ := count(a.Shape)
	return n
}

// count is the product of a shape's dimensions, and whether it is one: no dimension negative, nothing overflowing.
// A dimension of 0 does not excuse the others: a shape like (0, 1<<60) is absurd, and loops over it would not end.
func count(shape []int) (int, bool) {
	const limit = 1 << 40
	bound, n := 1, 1
	for _, d := range shape {
		if d < 0 || d > limit || bound > limit/max(d, 1) || bound > math.MaxInt/max(d, 1) {
			return 0, false
		}
		bound *= max(d, 1)
		n *= d
	}
	return n, true
}
