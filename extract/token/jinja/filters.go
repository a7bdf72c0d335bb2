package jinja

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

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
