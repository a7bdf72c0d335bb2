package jinja

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
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

// integral returns the value of an integer or a bool.
func integral(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

func numeric(v any) (float64, bool) {
	if n, ok := integral(v); ok {
		return float64(n), true
	}
	f, ok := v.(float64)
	return f, ok
}

// equal is ==. It gives up when the steps are used up, which the next step
// then reports: two small values may share so many parts that comparing them
// takes for ever.
func (r *run) equal(a, b any, depth int) bool {
	if depth > maxNested || r.step(1) != nil {
		return false
	}
	if x, ok := integral(a); ok {
		if y, ok := integral(b); ok {
			return x == y
		}
	}
	if x, ok := numeric(a); ok {
		y, ok := numeric(b)
		return ok && x == y
	}
	same := func(x, y []any) bool {
		return slices.EqualFunc(x, y, func(a, b any) bool { return r.equal(a, b, depth+1) })
	}
	switch x := a.(type) {
	case nil:
		return b == nil
	case undefined:
		_, ok := b.(undefined)
		return ok
	case string:
		y, ok := b.(string)
		return ok && x == y
	case []any:
		y, ok := b.([]any)
		return ok && same(x, y)
	case Tuple:
		y, ok := b.(Tuple)
		return ok && same(x, y)
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || len(x.keys) != len(y.keys) {
			return false
		}
		for k, v := range x.values {
			w, ok := y.values[k]
			if !ok || !r.equal(v, w, depth+1) {
				return false
			}
		}
		return true
	case *namespace:
		return b == any(x)
	case *loop:
		return b == any(x)
	case *macro:
		return b == any(x)
	}
	return false
}

func (r *run) compare(op string, a, b any) (bool, error) {
	switch op {
	case "==":
		return r.equal(a, b, 0), r.step(0)
	case "!=":
		return !r.equal(a, b, 0), r.step(0)
	case "in", "not in":
		ok, err := r.contains(b, a)
		return ok == (op == "in"), err
	}
	c, err := r.order(a, b, 0)
	switch {
	case err != nil:
		return false, fmt.Errorf("'%s' %w", op, err)
	case op == "<":
		return c == -1, nil
	case op == "<=":
		return c == -1 || c == 0, nil
	case op == ">":
		return c == 1, nil
	}
	return c == 1 || c == 0, nil
}

// order compares as Python does: -1, 0, 1, or 2 for numbers without an order.
func (r *run) order(a, b any, depth int) (int, error) {
	for _, v := range []any{a, b} {
		if u, ok := v.(undefined); ok {
			return 0, failf("%s", u.what)
		}
	}
	if x, ok := integral(a); ok {
		if y, ok := integral(b); ok {
			return cmp(x, y), nil
		}
	}
	if x, ok := numeric(a); ok {
		if y, ok := numeric(b); ok {
			return cmp(x, y), nil
		}
	}
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), nil
		}
	}
	x, okX := sequence(a)
	y, okY := sequence(b)
	if okX && okY && typeName(a) == typeName(b) && depth < maxNested {
		for i := range min(len(x), len(y)) {
			if !r.equal(x[i], y[i], depth+1) {
				return r.order(x[i], y[i], depth+1)
			}
		}
		return cmp(len(x), len(y)), nil
	}
	return 0, failf("not supported between instances of '%s' and '%s'", typeName(a), typeName(b))
}

func cmp[T int | int64 | float64](x, y T) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	case x == y:
		return 0
	}
	return 2
}

func (r *run) contains(in, v any) (bool, error) {
	switch in := in.(type) {
	case undefined:
		return false, nil
	case string:
		s, ok := v.(string)
		if !ok {
			return false, failf("'in <string>' requires string as left operand, not %s", typeName(v))
		}
		return strings.Contains(in, s), r.step(len(in) >> 10)
	case *Dict:
		s, ok := v.(string)
		if !ok {
			return false, nil
		}
		_, ok = in.Get(s)
		return ok, nil
	}
	items, ok := sequence(in)
	if !ok {
		return false, failf("argument of type '%s' is not iterable", typeName(in))
	}
	return slices.ContainsFunc(items, func(x any) bool { return r.equal(x, v, 0) }), r.step(0)
}

func unary(v any) error {
	if u, ok := v.(undefined); ok {
		return failf("%s", u.what)
	}
	return failf("bad operand type for unary operator: '%s'", typeName(v))
}

func (r *run) arithmetic(op string, a, b any) (any, error) {
	if op == "~" {
		x, err := r.str(a)
		if err != nil {
			return nil, err
		}
		y, err := r.str(b)
		if err != nil {
			return nil, err
		}
		return x + y, r.grow(len(x) + len(y))
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(undefined); ok {
			return nil, failf("%s", u.what)
		}
	}
	x, okX := integral(a)
	y, okY := integral(b)
	if okX && okY {
		return integers(op, x, y)
	}
	f, okF := numeric(a)
	g, okG := numeric(b)
	if okF && okG {
		return floats(op, f, g)
	}
	if op == "+" {
		return r.add(a, b)
	}
	if op == "*" && okX {
		return r.repeat(b, x)
	}
	if op == "*" && okY {
		return r.repeat(a, y)
	}
	if _, ok := a.(string); ok && op == "%" {
		return nil, failf("formatting with %% is not supported")
	}
	return nil, failf("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(a), typeName(b))
}

func (r *run) add(a, b any) (any, error) {
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			if err := r.grow(len(x) + len(y)); err != nil {
				return nil, err
			}
			return x + y, nil
		}
		return nil, failf("can only concatenate str (not \"%s\") to str", typeName(b))
	}
	x, okX := sequence(a)
	y, okY := sequence(b)
	if okX && okY && typeName(a) == typeName(b) {
		if err := r.items(len(x) + len(y)); err != nil {
			return nil, err
		}
		out := slices.Concat(x, y)
		if _, ok := a.(Tuple); ok {
			return Tuple(out), nil
		}
		return out, nil
	}
	return nil, failf("unsupported operand type(s) for +: '%s' and '%s'", typeName(a), typeName(b))
}

func (r *run) repeat(v any, n int64) (any, error) {
	n = max(n, 0)
	if s, ok := v.(string); ok {
		if s == "" {
			return "", nil
		}
		if n > maxText {
			n = maxText + 1
		}
		if err := r.grow(int(min(n*int64(len(s)), maxText+1))); err != nil {
			return nil, err
		}
		return strings.Repeat(s, int(n)), nil
	}
	items, ok := sequence(v)
	if !ok {
		return nil, failf("can't multiply sequence by non-int of type '%s'", typeName(v))
	}
	if len(items) > 0 {
		if err := r.items(int(min(n, maxItems+1)) * len(items)); err != nil {
			return nil, err
		}
		items = slices.Repeat(items, int(n))
	}
	if _, ok := v.(Tuple); ok {
		return Tuple(items), nil
	}
	return items, nil
}

// integers computes with 64 bits. Python's integers have no bound; a template
// that needs more is refused.
func integers(op string, x, y int64) (any, error) {
	over := failf("integers beyond 64 bits are not supported")
	switch op {
	case "+":
		if z := x + y; (z > x) == (y > 0) {
			return z, nil
		}
		return nil, over
	case "-":
		if z := x - y; (z < x) == (y > 0) {
			return z, nil
		}
		return nil, over
	case "*":
		if x == 0 || y == 0 {
			return int64(0), nil
		}
		if z := x * y; z/y == x && !(x == -1 && y == math.MinInt64) && !(y == -1 && x == math.MinInt64) {
			return z, nil
		}
		return nil, over
	case "**":
		if y < 0 {
			return floats(op, float64(x), float64(y))
		}
		z := any(int64(1))
		for i := int64(0); i < y && x != 1; i++ {
			if i >= 64 {
				if x == 0 || x == -1 {
					break
				}
				return nil, over
			}
			var err error
			if z, err = integers("*", z.(int64), x); err != nil {
				return nil, err
			}
		}
		if x == -1 && y%2 == 1 {
			return int64(-1), nil
		} else if x == -1 {
			return int64(1), nil
		}
		return z, nil
	}
	if y == 0 {
		return nil, failf("division by zero")
	}
	if op == "/" {
		return float64(x) / float64(y), nil
	}
	if x == math.MinInt64 && y == -1 {
		return nil, over
	}
	q, m := x/y, x%y
	if m != 0 && (m < 0) != (y < 0) { // Python rounds down
		q, m = q-1, m+y
	}
	if op == "//" {
		return q, nil
	}
	return m, nil
}

func floats(op string, f, g float64) (any, error) {
	if g == 0 && (op == "/" || op == "//" || op == "%") || f == 0 && g < 0 && op == "**" {
		return nil, failf("float division by zero")
	}
	switch op {
	case "+":
		return f + g, nil
	case "-":
		return f - g, nil
	case "*":
		return f * g, nil
	case "/":
		return f / g, nil
	case "**":
		z := math.Pow(f, g)
		if math.IsNaN(z) || math.IsInf(z, 0) && !math.IsInf(f, 0) && !math.IsInf(g, 0) {
			return nil, failf("result of ** out of range")
		}
		return z, nil
	}
	m := math.Mod(f, g)
	if m != 0 && (m < 0) != (g < 0) {
		m += g
	}
	if op == "//" {
		return math.Round((f - m) / g), nil
	}
	return m, nil
}

// str is Python's str().
func (r *run) str(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case undefined:
		return "", nil
	}
	var b strings.Builder
	if err := repr(&b, v, 0); err != nil {
		return "", err
	}
	return b.String(), r.grow(b.Len())
}

// repr is Python's repr().
func repr(b *strings.Builder, v any, depth int) error {
	if depth > maxNested {
		return fmt.Errorf("%w: values nested deeper than %d", ErrLimit, maxNested)
	}
	if b.Len() > maxText {
		return fmt.Errorf("%w: a value's text is larger than %d bytes", ErrLimit, maxText)
	}
	list := func(open, end string, items []any) error {
		b.WriteString(open)
		for i, x := range items {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := repr(b, x, depth+1); err != nil {
				return err
			}
		}
		b.WriteString(end)
		return nil
	}
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		if v {
			b.WriteString("True")
		} else {
			b.WriteString("False")
		}
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(floatRepr(v))
	case string:
		quote(b, v)
	case undefined:
		b.WriteString("Undefined")
	case []any:
		return list("[", "]", v)
	case Tuple:
		if len(v) == 1 {
			return list("(", ",)", v)
		}
		return list("(", ")", v)
	case *Dict:
		b.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			quote(b, k)
			b.WriteString(": ")
			if err := repr(b, v.values[k], depth+1); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	default:
		return failf("a %s as text is not supported", typeName(v))
	}
	return nil
}

func floatRepr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', -1, 64)), "+")
	case f == 0 || 1e-4 <= math.Abs(f) && math.Abs(f) < 1e16:
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	return strconv.FormatFloat(f, 'e', -1, 64)
}

func quote(b *strings.Builder, s string) {
	q := '\''
	if strings.ContainsRune(s, '\'') && !strings.ContainsRune(s, '"') {
		q = '"'
	}
	b.WriteRune(q)
	for _, c := range s {
		switch {
		case c == q || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			fmt.Fprintf(b, `\x%02x`, c)
		case c < 0x10000:
			fmt.Fprintf(b, `\u%04x`, c)
		default:
			fmt.Fprintf(b, `\U%08x`, c)
		}
	}
	b.WriteRune(q)
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
