package nn

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"swaprun/extract/safetensors"
)

// A parameter is one weight a layer needs: its name below the layer, the shape it must have, and where to put it.
// stored, when set, is the shape in the file, of the same number of elements.
type parameter struct {
	name   string
	shape  []int64
	stored []int64
	dst    *safetensors.Tensor
}

// A layer lists its parameters. Layers of this package implement it; families compose them.
type layer interface{ parameters() []parameter }

// Param is a bare weight that is no layer's: an embedding table, a class token.
type Param struct {
	Shape  []int64
	Tensor safetensors.Tensor
}

func (p *Param) parameters() []parameter {
	return []parameter{{shape: p.Shape, dst: &p.Tensor}}
}

// A Mismatch is a weight that is there and cannot be used.
type Mismatch struct {
	Name, Path string
	Reason     string
}

// A BindError lists everything wrong between a model and a checkpoint's tensors.
type BindError struct {
	Where      string     // the directory or file
	Missing    []string   // names no file has
	Mismatched []Mismatch // wrong shape, wrong type, or two candidates
	Unused     []string   // tensors nothing asked for: a hint what the missing ones are called
}

func (e *BindError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s does not hold the model its config describes", e.Where)
	for _, m := range clip(e.Mismatched) {
		fmt.Fprintf(&b, "; tensor %s in %s: %s", m.Name, m.Path, m.Reason)
	}
	if n := len(e.Mismatched) - maxListed; n > 0 {
		fmt.Fprintf(&b, "; and %d more such", n)
	}
	if len(e.Missing) > 0 {
		fmt.Fprintf(&b, "; missing %s", list(e.Missing))
	}
	if len(e.Unused) > 0 {
		fmt.Fprintf(&b, "; not asked for: %s", list(e.Unused))
	}
	return b.String()
}

const maxListed = 6

func clip[T any](s []T) []T { return s[:min(len(s), maxListed)] }

func list(names []string) string {
	s := strings.Join(clip(names), ", ")
	if n := len(names) - maxListed; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}

// Bind finds the weights of model, a pointer to a tree of structs, in set. A field's `weight` tag is the name of what it
// holds below its parent; a slice's elements are numbered; a field without the tag is left alone. names turns a
// name of the tree into the names a file may use, in order of preference; nil means the name itself.
//
// It returns the tensors nothing asked for, and a *BindError unless every weight was found, once, with the
// right shape and a floating-point type.
func Bind(model any, set *safetensors.Set, where string, names func(string) []string) (unused []string, err error) {
	if names == nil {
		names = func(name string) []string { return []string{name} }
	}
	b := binder{set: set, names: names, used: map[string]bool{}, fail: &BindError{Where: where}}
	b.walk(reflect.ValueOf(model).Elem(), "")
	for _, name := range set.Names() {
		if !b.used[name] {
			unused = append(unused, name)
		}
	}
	if len(b.fail.Missing)+len(b.fail.Mismatched) > 0 {
		b.fail.Unused = unused
		return unused, b.fail
	}
	return unused, nil
}

type binder struct {
	set   *safetensors.Set
	names func(string) []string
	used  map[string]bool
	fail  *BindError
}

func (b *binder) walk(v reflect.Value, prefix string) {
	if v.CanAddr() {
		if l, ok := v.Addr().Interface().(layer); ok {
			for _, p := range l.parameters() {
				b.parameter(join(prefix, p.name), p)
			}
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			b.walk(v.Elem(), prefix)
		}
	case reflect.Slice:
		for i := range v.Len() {
			b.walk(v.Index(i), join(prefix, strconv.Itoa(i)))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			tag, ok := f.Tag.Lookup("weight")
			if !ok {
				continue
			}
			if !f.IsExported() {
				panic(fmt.Sprintf("nn: field %s of %s has a weight tag and is not exported", f.Name, v.Type()))
			}
			b.walk(v.Field(i), join(prefix, tag))
		}
	default:
		panic(fmt.Sprintf("nn: %s at %q holds no weights", v.Type(), prefix))
	}
}

func join(prefix, name string) string {
	switch {
	case prefix == "":
		return name
	case name == "":
		return prefix
	}
	return prefix + "." + name
}

func (b *binder) parameter(name string, p parameter) {
	var found []safetensors.Tensor
	for _, candidate := range b.names(name) {
		if t, ok := b.set.Lookup(candidate); ok {
			found = append(found, t)
			b.used[candidate] = true
		}
	}
	if len(found) == 0 {
		b.fail.Missing = append(b.fail.Missing, b.names(name)[0])
		return
	}
	t := found[0]
	mismatch := func(format string, args ...any) {
		b.fail.Mismatched = append(b.fail.Mismatched, Mismatch{Name: t.Name, Path: t.Path, Reason: fmt.Sprintf(format, args...)})
	}
	if len(found) > 1 {
		mismatch("also stored as %s", found[1].Name)
		return
	}
	want := p.shape
	if p.stored != nil {
		want = p.stored
	}
	if !slices.Equal(t.Shape, want) {
		mismatch("shape is %s, the config asks for %s", safetensors.FormatShape(t.Shape), safetensors.FormatShape(want))
		return
	}
	switch t.DType {
	case safetensors.F32, safetensors.F16, safetensors.BF16:
	default:
		mismatch("type is %s, a weight is F32, F16 or BF16", t.DType)
		return
	}
	t.Shape = p.shape
	*p.dst = t
}
