package jinja

import "fmt"

var globals map[string]any

// Filled in init functions, because the entries refer to one another.
func init() {
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
