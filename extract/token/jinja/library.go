package jinja

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// args are the arguments of a call. Whoever is called takes what it knows;
// done then refuses the rest, so no argument is ever ignored.
type args struct {
	r     *run
	pos   []any
	names []string
	named []any
	taken int // of pos
}

// take returns positional argument i or the one of that name.
func (a *args) take(i int, name string) (any, bool) {
	if i >= 0 && i < len(a.pos) {
		a.taken = max(a.taken, i+1)
		return a.pos[i], true
	}
	if k := slices.Index(a.names, name); k >= 0 {
		v := a.named[k]
		a.names, a.named = slices.Delete(slices.Clone(a.names), k, k+1), slices.Delete(slices.Clone(a.named), k, k+1)
		return v, true
	}
	return nil, false
}

func (a *args) done() error {
	if a.taken < len(a.pos) {
		return failf("%d arguments too many", len(a.pos)-a.taken)
	}
	if len(a.names) > 0 {
		return failf("unexpected argument '%s'", a.names[0])
	}
	return nil
}

// text takes a string argument; def stands in for a missing one or None.
func (a *args) text(i int, name, def string) (string, error) {
	v, ok := a.take(i, name)
	if !ok || v == nil {
		return def, nil
	}
	s, ok := v.(string)
	if !ok {
		return "", failf("argument '%s' must be str, not %s", name, typeName(v))
	}
	return s, nil
}

func (a *args) number(i int, name string, def int64) (int64, error) {
	v, ok := a.take(i, name)
	if !ok {
		return def, nil
	}
	n, ok := integral(v)
	if !ok {
		return 0, failf("argument '%s' must be int, not %s", name, typeName(v))
	}
	return n, nil
}

func (a *args) need(i int, name string) (any, error) {
	v, ok := a.take(i, name)
	if !ok {
		return nil, failf("missing argument '%s'", name)
	}
	return v, nil
}

var globals map[string]any

func init() { // in a function, because the entries refer to one another
	globals = map[string]any{
		"namespace": function(func(a *args) (any, error) {
			ns := &namespace{}
			d, err := dictOf(a)
			if err != nil {
				return nil, err
			}
			ns.Dict = *d
			return ns, nil
		}),
		"dict": function(func(a *args) (any, error) { return dictOf(a) }),
		"raise_exception": function(func(a *args) (any, error) {
			v, err := a.need(0, "message")
			if err != nil {
				return nil, err
			}
			text, err := a.r.str(v)
			if err != nil {
				return nil, err
			}
			return nil, &RenderError{Reason: fmt.Sprintf("the template refuses: %.500s", text), Raised: true}
		}),
		"range": function(rangeOf),
		"strftime_now": function(func(*args) (any, error) {
			return nil, failf("the template asks for today's date, so its prompts cannot be reproduced")
		}),
	}
}

// dictOf makes a dictionary from the dictionary and the named arguments given.
func dictOf(a *args) (*Dict, error) {
	d := &Dict{}
	if v, ok := a.take(0, ""); ok {
		from, ok := v.(*Dict)
		if !ok {
			return nil, failf("a dictionary from %s is not supported", typeName(v))
		}
		for _, k := range from.keys {
			d.Set(k, from.values[k])
		}
	}
	for i, name := range a.names {
		d.Set(name, a.named[i])
	}
	a.names, a.named = nil, nil
	return d, a.r.items(2 * len(d.keys))
}

func rangeOf(a *args) (any, error) {
	if len(a.pos) == 0 {
		return nil, failf("missing argument 'stop'")
	}
	start, stop, step := int64(0), int64(0), int64(1)
	var err error
	if len(a.pos) == 1 {
		stop, err = a.number(0, "stop", 0)
	} else {
		if start, err = a.number(0, "start", 0); err == nil {
			stop, err = a.number(1, "stop", 0)
		}
		if err == nil {
			step, err = a.number(2, "step", 1)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case step == 0:
		return nil, failf("range() arg 3 must not be zero")
	}
	var out []any
	for i := start; step > 0 && i < stop || step < 0 && i > stop; {
		if len(out) >= maxRange {
			return nil, fmt.Errorf("%w: range() of more than %d", ErrLimit, maxRange)
		}
		out = append(out, i)
		next := i + step
		if (next > i) != (step > 0) {
			break // beyond 64 bits
		}
		i = next
	}
	return out, a.r.items(len(out))
}

var filters map[string]func(any, *args) (any, error)

func init() {
	stringFilter := func(f func(string) string) func(any, *args) (any, error) {
		return func(v any, a *args) (any, error) {
			s, err := a.r.str(v)
			if err != nil {
				return nil, err
			}
			out := f(s)
			return out, a.r.grow(len(out))
		}
	}
	count := func(v any, a *args) (any, error) { return length(v) }
	def := func(v any, a *args) (any, error) {
		d, ok := a.take(0, "default_value")
		if !ok {
			d = ""
		}
		falsy, _ := a.take(1, "boolean")
		if _, missing := v.(undefined); missing || truth(falsy) && !truth(v) {
			return d, nil
		}
		return v, nil
	}
	filters = map[string]func(any, *args) (any, error){
		"trim": func(v any, a *args) (any, error) {
			s, err := a.r.str(v)
			if err != nil {
				return nil, err
			}
			return strip(s, a, true, true)
		},
		"upper":      stringFilter(upper),
		"lower":      stringFilter(lower),
		"string":     stringFilter(func(s string) string { return s }),
		"capitalize": stringFilter(capitalize),
		"length":     count,
		"count":      count,
		"default":    def,
		"d":          def,
		"tojson":     toJSON,
		"join":       joinFilter,
		"replace": func(v any, a *args) (any, error) {
			s, err := a.r.str(v)
			if err != nil {
				return nil, err
			}
			return replace(s, a)
		},
		"list": func(v any, a *args) (any, error) {
			items, err := a.r.iterate(v)
			if err != nil {
				return nil, err
			}
			return append([]any{}, items...), a.r.items(len(items))
		},
		"items": func(v any, a *args) (any, error) {
			switch v := v.(type) {
			case undefined:
				return []any{}, nil
			case *Dict:
				return pairs(v), a.r.items(3 * len(v.keys))
			}
			return nil, failf("can only get item pairs from a mapping")
		},
		"first": func(v any, a *args) (any, error) {
			items, err := a.r.iterate(v)
			if err != nil || len(items) == 0 {
				return undefined{"no first item, sequence was empty"}, err
			}
			return items[0], nil
		},
		"last": func(v any, a *args) (any, error) {
			items, err := a.r.iterate(v)
			if err != nil || len(items) == 0 {
				return undefined{"no last item, sequence was empty"}, err
			}
			return items[len(items)-1], nil
		},
		"reverse": func(v any, a *args) (any, error) {
			items, err := a.r.iterate(v)
			if err != nil {
				return nil, err
			}
			items = slices.Clone(items)
			slices.Reverse(items)
			if _, ok := v.(string); ok {
				var b strings.Builder
				for _, c := range items {
					b.WriteString(c.(string))
				}
				return b.String(), a.r.grow(b.Len())
			}
			return items, a.r.items(len(items))
		},
		"int": func(v any, a *args) (any, error) {
			d, err := a.number(0, "default", 0)
			if err != nil {
				return nil, err
			}
			return toInt(v, d), nil
		},
		"float": func(v any, a *args) (any, error) {
			if f, ok := numeric(v); ok {
				return f, nil
			}
			if s, ok := v.(string); ok {
				if f, err := strconv.ParseFloat(strings.TrimFunc(s, isSpace), 64); err == nil && !strings.ContainsAny(s, "xXpP_") {
					return f, nil
				}
			}
			return 0.0, nil
		},
		"abs": func(v any, a *args) (any, error) {
			if n, ok := integral(v); ok && n < 0 {
				return integers("-", 0, n)
			} else if ok {
				return n, nil
			}
			if f, ok := v.(float64); ok {
				return math.Abs(f), nil
			}
			return nil, failf("bad operand type for abs(): '%s'", typeName(v))
		},
		"map":        mapFilter,
		"select":     selecting(true, false),
		"reject":     selecting(false, false),
		"selectattr": selecting(true, true),
		"rejectattr": selecting(false, true),
	}
}

func toInt(v any, def int64) any {
	if n, ok := integral(v); ok {
		return n
	}
	switch v := v.(type) {
	case float64:
		if math.Abs(v) < 1<<62 {
			return int64(v)
		}
	case string:
		s := strings.TrimFunc(v, isSpace)
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 1<<62 && !strings.ContainsAny(s, "xXpP_") {
			return int64(f)
		}
	}
	return def
}

func joinFilter(v any, a *args) (any, error) {
	sep, err := a.text(0, "d", "")
	if err != nil {
		return nil, err
	}
	by, _ := a.take(1, "attribute")
	items, err := a.r.iterate(v)
	if err != nil {
		return nil, err
	}
	return join(a.r, items, sep, func(x any) (string, error) {
		if by != nil {
			var err error
			if x, err = path(a.r, x, by); err != nil {
				return "", err
			}
		}
		return a.r.str(x)
	})
}

func join(r *run, items []any, sep string, text func(any) (string, error)) (any, error) {
	var b strings.Builder
	for i, x := range items {
		if i > 0 {
			b.WriteString(sep)
		}
		s, err := text(x)
		if err != nil {
			return nil, err
		}
		b.WriteString(s)
		if b.Len() > maxText {
			return nil, r.grow(b.Len())
		}
	}
	return b.String(), r.grow(b.Len())
}

// path looks up "a.b.0" as jinja2's make_attrgetter does.
func path(r *run, v any, by any) (any, error) {
	s, ok := by.(string)
	if !ok {
		return r.index(v, by)
	}
	for _, part := range strings.Split(s, ".") {
		var key any = part
		if n, err := strconv.ParseInt(part, 10, 32); err == nil && n >= 0 {
			key = n
		}
		var err error
		if v, err = r.index(v, key); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func mapFilter(v any, a *args) (any, error) {
	items, err := a.r.iterate(v)
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(items))
	if by, ok := a.take(-1, "attribute"); ok {
		def, hasDef := a.take(-1, "default")
		for _, x := range items {
			x, err := path(a.r, x, by)
			if err != nil {
				return nil, err
			}
			if _, missing := x.(undefined); missing && hasDef {
				x = def
			}
			out = append(out, x)
		}
		return out, a.r.items(len(out))
	}
	name, err := a.text(0, "filter", "")
	if err != nil {
		return nil, err
	}
	f := filters[name]
	if f == nil {
		return nil, failf("filter '%s' is not supported", name)
	}
	rest := *a
	a.taken, a.names = len(a.pos), nil
	for _, x := range items {
		inner := args{r: rest.r, pos: rest.pos[1:], names: rest.names, named: rest.named}
		y, err := f(x, &inner)
		if err == nil {
			err = inner.done()
		}
		if err == nil {
			err = a.r.step(1)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, y)
	}
	return out, a.r.items(len(out))
}

// selecting is select, reject, selectattr and rejectattr.
func selecting(keep, byAttribute bool) func(any, *args) (any, error) {
	return func(v any, a *args) (any, error) {
		items, err := a.r.iterate(v)
		if err != nil {
			return nil, err
		}
		pos := a.pos
		a.taken = len(pos)
		var by any
		if byAttribute {
			if len(pos) == 0 {
				return nil, failf("missing argument: attribute")
			}
			by, pos = pos[0], pos[1:]
		}
		test := func(v any, _ *args) (bool, error) { return truth(v), nil }
		if len(pos) > 0 {
			name, _ := pos[0].(string)
			if test = tests[name]; test == nil {
				return nil, failf("test '%v' is not supported", pos[0])
			}
			pos = pos[1:]
		}
		out := []any{}
		for _, x := range items {
			y := x
			if byAttribute {
				if y, err = path(a.r, x, by); err != nil {
					return nil, err
				}
			}
			inner := args{r: a.r, pos: pos}
			ok, err := test(y, &inner)
			if err == nil {
				err = inner.done()
			}
			if err == nil {
				err = a.r.step(1)
			}
			if err != nil {
				return nil, err
			}
			if ok == keep {
				out = append(out, x)
			}
		}
		return out, a.r.items(len(out))
	}
}

var tests map[string]func(any, *args) (bool, error)

func init() {
	is := func(f func(any) bool) func(any, *args) (bool, error) {
		return func(v any, _ *args) (bool, error) { return f(v), nil }
	}
	comparing := func(op string) func(any, *args) (bool, error) {
		return func(v any, a *args) (bool, error) {
			w, err := a.need(0, "b")
			if err != nil {
				return false, err
			}
			return a.r.compare(op, v, w)
		}
	}
	modulo := func(want func(v any, a *args) (by, rest int64, err error)) func(any, *args) (bool, error) {
		return func(v any, a *args) (bool, error) {
			by, rest, err := want(v, a)
			if err != nil {
				return false, err
			}
			m, err := a.r.arithmetic("%", v, by)
			return err == nil && a.r.equal(m, rest, 0), err
		}
	}
	tests = map[string]func(any, *args) (bool, error){
		"defined":   is(func(v any) bool { _, u := v.(undefined); return !u }),
		"undefined": is(func(v any) bool { _, u := v.(undefined); return u }),
		"none":      is(func(v any) bool { return v == nil }),
		"string":    is(func(v any) bool { _, ok := v.(string); return ok }),
		"boolean":   is(func(v any) bool { _, ok := v.(bool); return ok }),
		"true":      is(func(v any) bool { return v == true }),
		"false":     is(func(v any) bool { return v == false }),
		"integer":   is(func(v any) bool { _, ok := v.(int64); return ok }),
		"float":     is(func(v any) bool { _, ok := v.(float64); return ok }),
		"number":    is(func(v any) bool { _, ok := numeric(v); return ok }),
		"mapping":   is(func(v any) bool { _, ok := v.(*Dict); return ok }),
		"callable": is(func(v any) bool {
			switch v.(type) {
			case function, *macro, undefined: // Undefined has a __call__
				return true
			}
			return false
		}),
		"sequence": is(func(v any) bool { _, err := length(v); return err == nil }),
		"iterable": is(func(v any) bool {
			switch v.(type) {
			case undefined, string, []any, Tuple, *Dict, *loop:
				return true
			}
			return false
		}),
		"odd":         modulo(func(any, *args) (int64, int64, error) { return 2, 1, nil }),
		"even":        modulo(func(any, *args) (int64, int64, error) { return 2, 0, nil }),
		"divisibleby": modulo(func(_ any, a *args) (int64, int64, error) { n, err := a.number(0, "num", 0); return n, 0, err }),
		"in":          comparing("in"),
	}
	for op, names := range map[string][]string{"==": {"eq", "equalto"}, "!=": {"ne"}, "<": {"lt", "lessthan"}, "<=": {"le"}, ">": {"gt", "greaterthan"}, ">=": {"ge"}} {
		for _, name := range append(names, op) {
			tests[name] = comparing(op)
		}
	}
}

// Python's methods that strings and dictionaries have here, and those that
// they have in Python too. Of the latter, those that change a value are unsafe
// in the sandbox anyway.
var (
	stringMethods map[string]func(string, *args) (any, error)
	missing       = map[string]string{
		"str":  " casefold center encode expandtabs format format_map isalnum isascii isdecimal isidentifier islower isnumeric isprintable istitle isupper ljust maketrans partition rindex rjust rpartition swapcase title translate zfill ",
		"dict": " clear copy fromkeys pop popitem setdefault update ",
		"list": " append clear copy extend insert pop remove reverse sort ",
	}
)

func init() {
	stringMethods = map[string]func(string, *args) (any, error){
		"strip":      func(s string, a *args) (any, error) { return strip(s, a, true, true) },
		"lstrip":     func(s string, a *args) (any, error) { return strip(s, a, true, false) },
		"rstrip":     func(s string, a *args) (any, error) { return strip(s, a, false, true) },
		"upper":      func(s string, a *args) (any, error) { return upper(s), a.r.grow(len(s)) },
		"lower":      func(s string, a *args) (any, error) { return lower(s), a.r.grow(len(s)) },
		"capitalize": func(s string, a *args) (any, error) { return capitalize(s), a.r.grow(len(s)) },
		"replace":    func(s string, a *args) (any, error) { return replace(s, a) },
		"split":      func(s string, a *args) (any, error) { return split(s, a, false) },
		"rsplit":     func(s string, a *args) (any, error) { return split(s, a, true) },
		"splitlines": func(s string, a *args) (any, error) {
			s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
			if strings.ContainsAny(s, "\v\f\x1c\x1d\x1e\u0085\u2028\u2029") {
				return nil, failf("splitlines at other line ends than \\n and \\r is not supported")
			}
			if s == "" {
				return []any{}, nil
			}
			return texts(a.r, strings.Split(strings.TrimSuffix(s, "\n"), "\n"))
		},
		"startswith": func(s string, a *args) (any, error) { return affix(s, a, "prefix", strings.HasPrefix) },
		"endswith":   func(s string, a *args) (any, error) { return affix(s, a, "suffix", strings.HasSuffix) },
		"removeprefix": func(s string, a *args) (any, error) {
			p, err := a.text(0, "prefix", "")
			return strings.TrimPrefix(s, p), err
		},
		"removesuffix": func(s string, a *args) (any, error) {
			p, err := a.text(0, "suffix", "")
			return strings.TrimSuffix(s, p), err
		},
		"find": func(s string, a *args) (any, error) {
			sub, err := a.text(0, "sub", "")
			return runeIndex(s, strings.Index(s, sub)), err
		},
		"rfind": func(s string, a *args) (any, error) {
			sub, err := a.text(0, "sub", "")
			return runeIndex(s, strings.LastIndex(s, sub)), err
		},
		"index": func(s string, a *args) (any, error) {
			sub, err := a.text(0, "sub", "")
			if err == nil && !strings.Contains(s, sub) {
				err = failf("substring not found")
			}
			return runeIndex(s, strings.Index(s, sub)), err
		},
		"count": func(s string, a *args) (any, error) {
			sub, err := a.text(0, "sub", "")
			return int64(strings.Count(s, sub)), err
		},
		"join": func(s string, a *args) (any, error) {
			v, err := a.need(0, "iterable")
			if err != nil {
				return nil, err
			}
			items, err := a.r.iterate(v)
			if err != nil {
				return nil, err
			}
			return join(a.r, items, s, func(x any) (string, error) {
				t, ok := x.(string)
				if !ok {
					return "", failf("sequence item: expected str instance, %s found", typeName(x))
				}
				return t, nil
			})
		},
		"isdigit": func(s string, a *args) (any, error) {
			return s != "" && strings.TrimFunc(s, unicode.IsDigit) == "", nil
		},
		"isalpha": func(s string, a *args) (any, error) {
			return s != "" && strings.TrimFunc(s, unicode.IsLetter) == "", nil
		},
		"isspace": func(s string, a *args) (any, error) {
			return s != "" && strings.TrimFunc(s, isSpace) == "", nil
		},
	}
}

// method returns a bound method.
func method(v any, name string) (function, bool) {
	if s, ok := v.(string); ok {
		if f := stringMethods[name]; f != nil {
			return func(a *args) (any, error) { return f(s, a) }, true
		}
	}
	if d, ok := v.(*Dict); ok {
		switch name {
		case "items":
			return func(a *args) (any, error) { return pairs(d), a.r.items(3 * len(d.keys)) }, true
		case "keys":
			return func(a *args) (any, error) { return a.r.iterate(d) }, true
		case "values":
			return func(a *args) (any, error) {
				out := []any{}
				for _, k := range d.keys {
					out = append(out, d.values[k])
				}
				return out, a.r.items(len(out))
			}, true
		case "get":
			return func(a *args) (any, error) {
				k, err := a.need(0, "key")
				if err != nil {
					return nil, err
				}
				def, _ := a.take(1, "default")
				if s, ok := k.(string); ok {
					if x, ok := d.Get(s); ok {
						return x, nil
					}
				}
				return def, nil
			}, true
		}
	}
	if items, ok := v.([]any); ok && name == "index" || ok && name == "count" {
		return func(a *args) (any, error) {
			x, err := a.need(0, "value")
			if err != nil {
				return nil, err
			}
			n := int64(0)
			for i, y := range items {
				if a.r.equal(x, y, 0) {
					if name == "index" {
						return int64(i), nil
					}
					n++
				}
			}
			if name == "index" {
				err = failf("value is not in list")
			}
			return n, err
		}, true
	}
	if strings.Contains(missing[typeName(v)], " "+name+" ") {
		return func(*args) (any, error) {
			return nil, failf("method %s of %s is not supported", name, typeName(v))
		}, true
	}
	if l, ok := v.(*loop); ok && name == "cycle" {
		return func(a *args) (any, error) {
			if len(a.pos) == 0 {
				return nil, failf("no items for cycling given")
			}
			a.taken = len(a.pos)
			return a.pos[l.at%len(a.pos)], nil
		}, true
	}
	return nil, false
}

func pairs(d *Dict) []any {
	out := make([]any, 0, len(d.keys))
	for _, k := range d.keys {
		out = append(out, Tuple{k, d.values[k]})
	}
	return out
}

func texts(r *run, parts []string) (any, error) {
	out := make([]any, len(parts))
	n := 0
	for i, p := range parts {
		out[i] = p
		n += len(p)
	}
	if err := r.items(len(out)); err != nil {
		return nil, err
	}
	return out, r.grow(n)
}

func strip(s string, a *args, left, right bool) (any, error) {
	drop := isSpace
	if v, ok := a.take(0, "chars"); ok && v != nil {
		chars, ok := v.(string)
		if !ok {
			return nil, failf("argument 'chars' must be str, not %s", typeName(v))
		}
		if len(chars) > 1<<10 {
			return nil, fmt.Errorf("%w: more than 1024 characters to strip", ErrLimit)
		}
		drop = func(r rune) bool { return strings.ContainsRune(chars, r) }
	}
	if left {
		s = strings.TrimLeftFunc(s, drop)
	}
	if right {
		s = strings.TrimRightFunc(s, drop)
	}
	return s, a.r.step(len(s) >> 10)
}

func replace(s string, a *args) (any, error) {
	old, err := a.need(0, "old")
	if err != nil {
		return nil, err
	}
	with, err := a.need(1, "new")
	if err != nil {
		return nil, err
	}
	from, okFrom := old.(string)
	to, okTo := with.(string)
	if !okFrom || !okTo {
		return nil, failf("replace() wants strings, not %s and %s", typeName(old), typeName(with))
	}
	limit := int64(-1)
	if v, ok := a.take(2, "count"); ok && v != nil {
		if limit, ok = integral(v); !ok {
			return nil, failf("argument 'count' must be int, not %s", typeName(v))
		}
	}
	n := strings.Count(s, from)
	if limit >= 0 {
		n = min(n, int(limit))
	}
	if err := a.r.grow(min(len(s)+n*max(len(to)-len(from), 0), maxText+1)); err != nil {
		return nil, err
	}
	return strings.Replace(s, from, to, n), nil
}

func split(s string, a *args, fromRight bool) (any, error) {
	v, _ := a.take(0, "sep")
	limit, err := a.number(1, "maxsplit", -1)
	if err != nil {
		return nil, err
	}
	sep, ok := v.(string)
	switch {
	case v == nil:
		if limit >= 0 {
			return nil, failf("split() at white space with a limit is not supported")
		}
		if err := a.r.items(len(s)/2 + 1); err != nil {
			return nil, err
		}
		return texts(a.r, strings.FieldsFunc(s, isSpace))
	case !ok:
		return nil, failf("must be str or None, not %s", typeName(v))
	case sep == "":
		return nil, failf("empty separator")
	}
	n := strings.Count(s, sep)
	if limit >= 0 {
		n = min(n, int(limit))
	}
	if err := a.r.items(n + 1); err != nil {
		return nil, err
	}
	if !fromRight {
		return texts(a.r, strings.SplitN(s, sep, n+1))
	}
	var parts []string
	for range n {
		i := strings.LastIndex(s, sep)
		parts = append(parts, s[i+len(sep):])
		s = s[:i]
	}
	parts = append(parts, s)
	slices.Reverse(parts)
	return texts(a.r, parts)
}

// affix is startswith and endswith: of one string or of any in a tuple.
func affix(s string, a *args, name string, has func(string, string) bool) (any, error) {
	v, err := a.need(0, name)
	if err != nil {
		return nil, err
	}
	options := []any{v}
	if t, ok := v.(Tuple); ok {
		options = t
	}
	for _, o := range options {
		t, ok := o.(string)
		if !ok {
			return nil, failf("first arg must be str or a tuple of str, not %s", typeName(o))
		}
		if has(s, t) {
			return true, nil
		}
	}
	return false, nil
}

func runeIndex(s string, i int) int64 {
	if i < 0 {
		return -1
	}
	return int64(len([]rune(s[:i])))
}

// Changes of case: Python follows Unicode's full mapping, Go the simple one;
// they differ for ß and a few ligatures.
func upper(s string) string { return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS") }
func lower(s string) string { return strings.ToLower(s) }

func capitalize(s string) string {
	for i, r := range s {
		if i > 0 {
			return string(unicode.ToTitle([]rune(s)[0])) + lower(s[i:])
		}
		_ = r
	}
	return strings.ToTitle(s)
}

// toJSON is transformers' tojson: json.dumps without escaping HTML.
func toJSON(v any, a *args) (any, error) {
	ascii, _ := a.take(0, "ensure_ascii")
	indent := ""
	multi := false
	if v, ok := a.take(1, "indent"); ok && v != nil {
		n, ok := integral(v)
		if !ok || n > 32 {
			return nil, failf("indent %v is not supported", v)
		}
		indent, multi = strings.Repeat(" ", int(max(n, 0))), true
	}
	if v, ok := a.take(2, "separators"); ok && v != nil {
		return nil, failf("separators are not supported")
	}
	sorted, _ := a.take(3, "sort_keys")
	j := &jsonWriter{ascii: truth(ascii), multi: multi, indent: indent, sorted: truth(sorted)}
	if err := j.value(v, 0); err != nil {
		return nil, err
	}
	return j.b.String(), a.r.grow(j.b.Len())
}

type jsonWriter struct {
	b             strings.Builder
	ascii, sorted bool
	multi         bool
	indent        string
}

func (j *jsonWriter) value(v any, depth int) error {
	if depth > maxNested || j.b.Len() > maxText {
		return fmt.Errorf("%w: JSON too large or too deep", ErrLimit)
	}
	switch v := v.(type) {
	case nil:
		j.b.WriteString("null")
	case bool:
		j.b.WriteString(strconv.FormatBool(v))
	case int64:
		j.b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		switch {
		case math.IsNaN(v):
			j.b.WriteString("NaN")
		case math.IsInf(v, 1):
			j.b.WriteString("Infinity")
		case math.IsInf(v, -1):
			j.b.WriteString("-Infinity")
		default:
			j.b.WriteString(floatRepr(v))
		}
	case string:
		j.text(v)
	case []any:
		return j.list(v, depth)
	case Tuple:
		return j.list(v, depth)
	case *Dict:
		keys := v.keys
		if j.sorted {
			keys = slices.Sorted(slices.Values(keys))
		}
		return j.members("{", "}", len(keys), depth, func(i int) error {
			j.text(keys[i])
			j.b.WriteString(": ")
			return j.value(v.values[keys[i]], depth+1)
		})
	default:
		return failf("object of type %s is not JSON serializable", typeName(v))
	}
	return nil
}

func (j *jsonWriter) list(items []any, depth int) error {
	return j.members("[", "]", len(items), depth, func(i int) error { return j.value(items[i], depth+1) })
}

func (j *jsonWriter) members(open, end string, n, depth int, member func(i int) error) error {
	j.b.WriteString(open)
	for i := range n {
		switch {
		case i > 0 && j.multi:
			j.b.WriteString(",")
		case i > 0:
			j.b.WriteString(", ")
		}
		if j.multi {
			j.b.WriteString("\n" + strings.Repeat(j.indent, depth+1))
		}
		if err := member(i); err != nil {
			return err
		}
	}
	if j.multi && n > 0 {
		j.b.WriteString("\n" + strings.Repeat(j.indent, depth))
	}
	j.b.WriteString(end)
	return nil
}

func (j *jsonWriter) text(s string) {
	j.b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			j.b.WriteByte('\\')
			j.b.WriteRune(c)
		case c == '\n':
			j.b.WriteString(`\n`)
		case c == '\r':
			j.b.WriteString(`\r`)
		case c == '\t':
			j.b.WriteString(`\t`)
		case c == '\b':
			j.b.WriteString(`\b`)
		case c == '\f':
			j.b.WriteString(`\f`)
		case c < ' ', j.ascii && c > '~' && c < 0x10000:
			fmt.Fprintf(&j.b, `\u%04x`, c)
		case j.ascii && c > '~':
			c -= 0x10000
			fmt.Fprintf(&j.b, `\u%04x\u%04x`, 0xD800+c>>10, 0xDC00+c&0x3FF)
		default:
			j.b.WriteRune(c)
		}
	}
	j.b.WriteByte('"')
}
