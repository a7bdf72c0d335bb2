package jinja

import "fmt"

func (e *constExpr) eval(*run, *scope) (any, error) { return e.value, nil }

func (e *nameExpr) eval(_ *run, s *scope) (any, error) {
	if v, ok := s.lookup(e.name); ok {
		return v, nil
	}
	return undefined{fmt.Sprintf("'%s' is undefined", e.name)}, nil
}

func (r *run) all(es []expr, s *scope) ([]any, error) {
	out := make([]any, 0, len(es))
	for _, e := range es {
		v, err := r.eval(e, s)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, r.items(len(out))
}

func (e *listExpr) eval(r *run, s *scope) (any, error) {
	items, err := r.all(e.items, s)
	if e.tuple {
		return Tuple(items), err
	}
	return items, err
}

func (e *dictExpr) eval(r *run, s *scope) (any, error) {
	d := &Dict{}
	for i := range e.keys {
		k, err := r.eval(e.keys[i], s)
		if err != nil {
			return nil, err
		}
		key, ok := k.(string)
		if !ok {
			return nil, at(e.line, failf("a dictionary key of type %s is not supported", typeName(k)))
		}
		v, err := r.eval(e.values[i], s)
		if err != nil {
			return nil, err
		}
		d.Set(key, v)
	}
	return d, r.items(2 * len(e.keys))
}

func (e *condExpr) eval(r *run, s *scope) (any, error) {
	v, err := r.eval(e.cond, s)
	switch {
	case err != nil:
		return nil, err
	case truth(v):
		return r.eval(e.then, s)
	case e.other == nil:
		return undefined{"the inline if-expression evaluated to false and no else section was defined"}, nil
	}
	return r.eval(e.other, s)
}

func (e *logicExpr) eval(r *run, s *scope) (any, error) {
	v, err := r.eval(e.a, s)
	if err != nil || truth(v) == (e.op == "or") {
		return v, err
	}
	return r.eval(e.b, s)
}

func (e *notExpr) eval(r *run, s *scope) (any, error) {
	v, err := r.eval(e.of, s)
	return !truth(v), err
}

func (e *signExpr) eval(r *run, s *scope) (any, error) {
	v, err := r.eval(e.of, s)
	if err != nil {
		return nil, err
	}
	zero := any(int64(0))
	op := "+"
	if e.minus {
		op = "-"
	}
	if _, ok := v.(float64); ok && e.minus {
		return -v.(float64), nil
	}
	if _, ok := integral(v); !ok {
		if _, ok := v.(float64); !ok {
			return nil, at(e.line, unary(v))
		}
	}
	v, err = r.arithmetic(op, zero, v)
	return v, at(e.line, err)
}

func (e *arithExpr) eval(r *run, s *scope) (any, error) {
	a, err := r.eval(e.a, s)
	if err != nil {
		return nil, err
	}
	b, err := r.eval(e.b, s)
	if err != nil {
		return nil, err
	}
	v, err := r.arithmetic(e.op, a, b)
	return v, at(e.line, err)
}

func (e *compareExpr) eval(r *run, s *scope) (any, error) {
	a, err := r.eval(e.first, s)
	if err != nil {
		return nil, err
	}
	for i, op := range e.ops {
		b, err := r.eval(e.rest[i], s)
		if err != nil {
			return nil, err
		}
		ok, err := r.compare(op, a, b)
		if err != nil || !ok {
			return false, at(e.line, err)
		}
		a = b
	}
	return true, nil
}

func (e *attrExpr) eval(r *run, s *scope) (any, error) {
	v, err := r.eval(e.of, s)
	if err != nil {
		return nil, err
	}
	v, err = attribute(v, e.name)
	return v, at(e.line, err)
}

func (e *indexExpr) eval(r *run, s *scope) (any, error) {
	v, err := r.eval(e.of, s)
	if err != nil {
		return nil, err
	}
	k, err := r.eval(e.key, s)
	if err != nil {
		return nil, err
	}
	v, err = r.index(v, k)
	return v, at(e.line, err)
}

func (e *sliceExpr) eval(r *run, s *scope) (any, error) {
	v, err := r.eval(e.of, s)
	if err != nil {
		return nil, err
	}
	var part [3]any
	for i, p := range e.part {
		if p != nil {
			if part[i], err = r.eval(p, s); err != nil {
				return nil, err
			}
		}
	}
	v, err = r.slice(v, part)
	return v, at(e.line, err)
}

// arguments evaluates the arguments of a call.
func (c *callExpr) arguments(r *run, s *scope) (*args, error) {
	pos, err := r.all(c.args, s)
	if err != nil {
		return nil, err
	}
	named, err := r.all(c.named, s)
	return &args{r: r, pos: pos, names: c.names, named: named}, err
}

func (c *callExpr) eval(r *run, s *scope) (any, error) {
	f, err := r.eval(c.fn, s)
	if err != nil {
		return nil, err
	}
	a, err := c.arguments(r, s)
	if err != nil {
		return nil, err
	}
	v, err := r.call(f, a)
	return v, at(c.line, err)
}

func (r *run) call(f any, a *args) (any, error) {
	switch f := f.(type) {
	case function:
		v, err := f(a)
		if err == nil {
			err = a.done()
		}
		return v, err
	case *macro:
		return f.call(r, a)
	case undefined:
		return nil, failf("%s", f.what)
	}
	return nil, failf("'%s' object is not callable", typeName(f))
}

func (m *macro) call(r *run, a *args) (any, error) {
	if r.calls++; r.calls > maxCalls {
		return nil, fmt.Errorf("%w: macros nested deeper than %d", ErrLimit, maxCalls)
	}
	defer func() { r.calls-- }()
	s := m.scope.child()
	for i, p := range m.def.params {
		v, ok := a.take(i, p.name)
		if !ok {
			v = undefined{fmt.Sprintf("parameter '%s' was not provided", p.name)}
			if p.def != nil {
				var err error
				if v, err = r.eval(p.def, s); err != nil {
					return nil, err
				}
			}
		}
		s.vars[p.name] = v
	}
	if err := a.done(); err != nil {
		return nil, at(0, fmt.Errorf("macro %s: %w", m.def.name, err))
	}
	return r.capture(m.def.body, s)
}

func (e *filterExpr) eval(r *run, s *scope) (any, error) {
	v, err := r.eval(e.of, s)
	if err != nil {
		return nil, err
	}
	a, err := e.call.arguments(r, s)
	if err != nil {
		return nil, err
	}
	// Unknown filters fail only here, as in jinja2: a template may have them in
	// a branch that is not taken, for tools say.
	f := filters[e.name]
	if f == nil {
		return nil, at(e.call.line, failf("filter %s is not supported", e.name))
	}
	if v, err = f(v, a); err == nil {
		err = a.done()
	}
	if err != nil {
		return nil, at(e.call.line, fmt.Errorf("filter %s: %w", e.name, err))
	}
	return v, nil
}

func (e *testExpr) eval(r *run, s *scope) (any, error) {
	v, err := r.eval(e.of, s)
	if err != nil {
		return nil, err
	}
	a, err := e.call.arguments(r, s)
	if err != nil {
		return nil, err
	}
	f := tests[e.name]
	if f == nil {
		return nil, at(e.call.line, failf("test %s is not supported", e.name))
	}
	ok, err := f(v, a)
	if err == nil {
		err = a.done()
	}
	if err != nil {
		return nil, at(e.call.line, fmt.Errorf("test %s: %w", e.name, err))
	}
	return ok, nil
}
