package jinja

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
