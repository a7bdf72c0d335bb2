package jinja

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Tuple is Python's tuple.
type Tuple []any

// Dict is a dictionary with string keys in order of insertion. The zero value
// is empty and ready to use.
type Dict struct {
	keys   []string
	values map[string]any
}

// NewDict makes a dictionary from keys and values in turn. It panics if a key
// is not a string: the caller wrote it.
func NewDict(pairs ...any) *Dict {
	d := &Dict{}
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Set(pairs[i].(string), pairs[i+1])
	}
	return d
}

// Set adds or replaces a value.
func (d *Dict) Set(key string, v any) {
	if d.values == nil {
		d.values = map[string]any{}
	}
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = v
}

// Get returns a value.
func (d *Dict) Get(key string) (any, bool) {
	v, ok := d.values[key]
	return v, ok
}

type (
	undefined struct{ what string } // a value that is not there, and why
	namespace struct{ Dict }
	macro     struct {
		def   *macroStmt
		scope *scope
	}
	function func(*args) (any, error)
	loop     struct {
		items []any
		at    int
	}
)

func (n *namespace) set(key string, v any) { n.Set(key, v) }

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case []any:
		return "list"
	case Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case *namespace:
		return "Namespace"
	case *loop:
		return "LoopContext"
	case *macro:
		return "Macro"
	case undefined:
		return "Undefined"
	}
	return "function"
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case Tuple:
		return len(v) > 0
	case *Dict:
		return len(v.keys) > 0
	}
	return true
}

// sequence returns the items of a list or tuple.
func sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case Tuple:
		return v, true
	}
	return nil, false
}

// iterate lists what a loop over v sees.
func (r *run) iterate(v any) ([]any, error) {
	switch v := v.(type) {
	case undefined:
		return nil, nil
	case string:
		n := utf8.RuneCountInString(v)
		if err := r.items(n); err != nil {
			return nil, err
		}
		out := make([]any, 0, n)
		for _, c := range v {
			out = append(out, string(c))
		}
		return out, nil
	case *Dict:
		out := make([]any, len(v.keys))
		for i, k := range v.keys {
			out[i] = k
		}
		return out, r.items(len(out))
	}
	if items, ok := sequence(v); ok {
		return items, nil
	}
	return nil, failf("'%s' object is not iterable", typeName(v))
}

func length(v any) (int64, error) {
	switch v := v.(type) {
	case undefined:
		return 0, nil
	case string:
		return int64(utf8.RuneCountInString(v)), nil
	case *Dict:
		return int64(len(v.keys)), nil
	}
	if items, ok := sequence(v); ok {
		return int64(len(items)), nil
	}
	return 0, failf("object of type '%s' has no len()", typeName(v))
}

// attribute is v.name: Python's attribute first, then the item.
func attribute(v any, name string) (any, error) {
	if u, ok := v.(undefined); ok {
		return nil, failf("%s", u.what)
	}
	if strings.HasPrefix(name, "_") {
		return nil, failf("access to attribute '%s' of '%s' object is unsafe", name, typeName(v))
	}
	if f, ok := method(v, name); ok {
		return f, nil
	}
	switch v := v.(type) {
	case *Dict:
		if x, ok := v.Get(name); ok {
			return x, nil
		}
	case *namespace:
		if x, ok := v.Get(name); ok {
			return x, nil
		}
	case *loop:
		if x, ok := v.field(name); ok {
			return x, nil
		}
	}
	return undefined{fmt.Sprintf("'%s object' has no attribute '%s'", typeName(v), name)}, nil
}

func (l *loop) field(name string) (any, bool) {
	n := int64(len(l.items))
	i := int64(l.at)
	neighbour := func(k int) (any, bool) {
		if k < 0 || k >= len(l.items) {
			return undefined{"there is no such item"}, true
		}
		return l.items[k], true
	}
	switch name {
	case "index":
		return i + 1, true
	case "index0":
		return i, true
	case "revindex":
		return n - i, true
	case "revindex0":
		return n - i - 1, true
	case "first":
		return i == 0, true
	case "last":
		return i == n-1, true
	case "length":
		return n, true
	case "depth":
		return int64(1), true // counts recursion, not nesting
	case "depth0":
		return int64(0), true
	case "previtem":
		return neighbour(l.at - 1)
	case "nextitem":
		return neighbour(l.at + 1)
	}
	return nil, false
}

// index is v[key]: the item first, then for a string the attribute.
func (r *run) index(v, key any) (any, error) {
	if u, ok := v.(undefined); ok {
		return nil, failf("%s", u.what)
	}
	if s, ok := key.(string); ok {
		if d, ok := v.(*Dict); ok {
			if x, ok := d.Get(s); ok {
				return x, nil
			}
		}
		return attribute(v, s)
	}
	i, ok := integral(key)
	missing := undefined{fmt.Sprintf("'%s object' has no such element", typeName(v))}
	if !ok {
		return missing, nil
	}
	if s, ok := v.(string); ok {
		chars := []rune(s)
		if i < 0 {
			i += int64(len(chars))
		}
		if i < 0 || i >= int64(len(chars)) {
			return missing, nil
		}
		return string(chars[i]), r.grow(4 * len(chars))
	}
	items, _ := sequence(v)
	if i < 0 {
		i += int64(len(items))
	}
	if i < 0 || i >= int64(len(items)) {
		return missing, nil
	}
	return items[i], nil
}

// slice is v[start:stop:step].
func (r *run) slice(v any, part [3]any) (any, error) {
	var items []any
	chars, isString := []rune(nil), false
	switch v := v.(type) {
	case string:
		if err := r.grow(4 * len(v)); err != nil {
			return nil, err
		}
		chars, isString = []rune(v), true
	case undefined:
		return nil, failf("%s", v.what)
	default:
		var ok bool
		if items, ok = sequence(v); !ok {
			return undefined{fmt.Sprintf("'%s object' cannot be sliced", typeName(v))}, nil
		}
	}
	n := int64(max(len(items), len(chars)))
	step := int64(1)
	var bound [2]*int64
	for i, p := range part {
		k, ok := integral(p)
		switch {
		case p == nil:
		case !ok:
			return nil, failf("slice indices must be integers, not %s", typeName(p))
		case i == 2:
			step = k
		default:
			if k < 0 {
				k = max(k+n, -1)
			}
			k = min(k, n)
			bound[i] = &k
		}
	}
	if step == 0 {
		return nil, failf("slice step cannot be zero")
	}
	start, stop := int64(0), n
	if step < 0 {
		start, stop = n-1, -1
	}
	if bound[0] != nil {
		start = *bound[0]
	}
	if bound[1] != nil {
		stop = *bound[1]
	}
	if step > 0 {
		start, stop = max(start, 0), max(stop, 0)
	} else {
		start, stop = min(start, n-1), min(stop, n-1)
	}
	step = max(min(step, n+1), -n-1) // so that adding it cannot overflow
	var outItems []any
	var outChars []rune
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if isString {
			outChars = append(outChars, chars[i])
		} else {
			outItems = append(outItems, items[i])
		}
	}
	if isString {
		return string(outChars), nil
	}
	if err := r.items(len(outItems)); err != nil {
		return nil, err
	}
	if _, ok := v.(Tuple); ok {
		return Tuple(outItems), nil
	}
	if outItems == nil {
		outItems = []any{}
	}
	return outItems, nil
}
