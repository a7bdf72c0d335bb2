package jinja

import "slices"

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
