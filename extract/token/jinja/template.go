package jinja

import (
	"fmt"
	"math"
)

// A Template is a parsed template. It may be rendered concurrently.
type Template struct{ body []stmt }

// Parse parses a template. Errors are of type *SyntaxError.
func Parse(source string) (*Template, error) {
	body, err := parse(source)
	if err != nil {
		return nil, err
	}
	return &Template{body}, nil
}

// Render renders the template with the given variables: nil, bool, int, int64,
// float64, string, []any, Tuple and *Dict. Errors are of type *RenderError, or
// wrap ErrLimit.
func (t *Template) Render(vars map[string]any) (string, error) {
	top := &scope{vars: make(map[string]any, len(vars))}
	for name, v := range vars {
		v, err := value(v, 0)
		if err != nil {
			return "", fmt.Errorf("variable %s: %w", name, err)
		}
		top.vars[name] = v
	}
	r := &run{}
	if err := r.body(t.body, top); err != nil {
		return "", err
	}
	return string(r.out), nil
}

// value checks a caller's value, and makes an int an int64.
func value(v any, depth int) (any, error) {
	if depth > maxNested {
		return nil, fmt.Errorf("%w: values nested deeper than %d", ErrLimit, maxNested)
	}
	switch v := v.(type) {
	case nil, bool, int64, string:
		return v, nil
	case int:
		return int64(v), nil
	case float64:
		if math.IsNaN(v) {
			return nil, failf("NaN is not supported")
		}
		return v, nil
	case []any:
		return values(v, depth)
	case Tuple:
		out, err := values(v, depth)
		return Tuple(out), err
	case *Dict:
		out := &Dict{}
		for _, k := range v.keys {
			x, err := value(v.values[k], depth+1)
			if err != nil {
				return nil, err
			}
			out.Set(k, x)
		}
		return out, nil
	}
	return nil, failf("values of Go type %T are not supported", v)
}

func values(items []any, depth int) ([]any, error) {
	out := make([]any, len(items))
	for i, x := range items {
		var err error
		if out[i], err = value(x, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}
