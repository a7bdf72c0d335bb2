package jinja

import (
	"math"
	"slices"
	"strings"
)

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
