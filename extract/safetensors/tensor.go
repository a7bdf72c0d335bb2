package safetensors

import (
	"fmt"
	"slices"
	"strings"
)

// A DType is the element type of a stored tensor.
type DType uint8

// The element types a checkpoint may hold. The zero value is invalid.
const (
	F32 DType = iota + 1
	F16
	BF16
	F64
	I64
	I32
	I16
	I8
	U8
	Bool
)

var dtypes = [...]struct {
	name string
	size int64
}{
	F32: {"F32", 4}, F16: {"F16", 2}, BF16: {"BF16", 2}, F64: {"F64", 8},
	I64: {"I64", 8}, I32: {"I32", 4}, I16: {"I16", 2}, I8: {"I8", 1}, U8: {"U8", 1}, Bool: {"BOOL", 1},
}

// Size is the width of one element in bytes; 0 for an invalid type.
func (d DType) Size() int64 {
	if int(d) >= len(dtypes) {
		return 0
	}
	return dtypes[d].size
}

func (d DType) String() string {
	if d == 0 || int(d) >= len(dtypes) {
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Float reports whether the elements are floating-point numbers.
func (d DType) Float() bool { return d >= F32 && d <= F64 }

func parseDType(s string) (DType, bool) {
	for d := F32; int(d) < len(dtypes); d++ {
		if dtypes[d].name == s {
			return d, true
		}
	}
	return 0, false
}

// A Tensor is where a named array lies: little-endian, row-major, bytes [Offset, Offset+Length) of the file Path.
type Tensor struct {
	Name   string
	DType  DType
	Shape  []int64
	Path   string
	Offset int64
	Length int64
}

// Elements is the number of elements, the product of Shape.
func (t Tensor) Elements() int64 {
	if size := t.DType.Size(); size > 0 {
		return t.Length / size
	}
	return 0
}

// Rows is the part of t whose first index lies in [from, to), as a tensor of its own: rows are contiguous, so
// nothing is copied. It panics when t has no such rows; callers know the shape.
func (t Tensor) Rows(from, to int64) Tensor {
	if len(t.Shape) == 0 || from < 0 || to < from || to > t.Shape[0] {
		panic(fmt.Sprintf("safetensors: rows %d to %d of %s, whose shape is %s", from, to, t.Name, FormatShape(t.Shape)))
	}
	if from == 0 && to == t.Shape[0] {
		return t
	}
	row := int64(0)
	if t.Shape[0] > 0 {
		row = t.Length / t.Shape[0]
	}
	t.Name = fmt.Sprintf("%s[%d:%d]", t.Name, from, to)
	t.Shape = slices.Clone(t.Shape)
	t.Shape[0] = to - from
	t.Offset += from * row
	t.Length = (to - from) * row
	return t
}

// FormatShape prints a shape as [2, 3].
func FormatShape(shape []int64) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, n := range shape {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, n)
	}
	b.WriteByte(']')
	return b.String()
}

// A Set is the tensors of a checkpoint by name, whatever files hold them.
type Set struct {
	byName map[string]Tensor
	files  []string
}

// NewSet makes a set from tensors that lie in files. Names must be distinct.
func NewSet(files []string, tensors []Tensor) (*Set, error) {
	s := &Set{byName: make(map[string]Tensor, len(tensors)), files: files}
	for _, t := range tensors {
		if first, ok := s.byName[t.Name]; ok {
			return nil, fmt.Errorf("tensor %s is in %s and again in %s", t.Name, first.Path, t.Path)
		}
		s.byName[t.Name] = t
	}
	return s, nil
}

// Lookup finds a tensor by its stored name.
func (s *Set) Lookup(name string) (Tensor, bool) {
	t, ok := s.byName[name]
	return t, ok
}

// Names lists the tensors in sorted order.
func (s *Set) Names() []string {
	names := make([]string, 0, len(s.byName))
	for name := range s.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Files lists the files whose headers were read, the index first when there is one.
func (s *Set) Files() []string { return s.files }
