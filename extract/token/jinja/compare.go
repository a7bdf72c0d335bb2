package jinja

import (
	"fmt"
	"slices"
	"strings"
)

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
