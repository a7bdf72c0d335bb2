package jinja

import (
	"errors"
	"fmt"
)

// The tree. Statements write to the run's output, expressions return values.
type (
	stmt interface{ exec(*run, *scope) error }
	expr interface {
		eval(*run, *scope) (any, error)
	}
)

type (
	textStmt  struct{ text string }
	printStmt struct {
		of   expr
		line int
	}
	groupStmt struct{ body []stmt }
	ifStmt    struct {
		cond        expr
		then, other []stmt
	}
	forStmt struct {
		target      []string
		over, only  expr
		body, empty []stmt
		line        int
	}
	setStmt struct {
		target []string
		attr   string // of a namespace, or ""
		value  expr   // or nil, and body is rendered
		body   []stmt
		line   int
	}
	macroStmt struct {
		name   string
		params []param
		body   []stmt
	}
	param struct {
		name string
		def  expr
	}
	jumpStmt struct{ out bool } // break or continue
)

type (
	constExpr struct{ value any }
	nameExpr  struct{ name string }
	listExpr  struct {
		items []expr
		tuple bool
	}
	dictExpr struct {
		keys, values []expr
		line         int
	}
	condExpr  struct{ cond, then, other expr }
	logicExpr struct {
		op   string
		a, b expr
	}
	notExpr   struct{ of expr }
	arithExpr struct {
		op   string
		a, b expr
		line int
	}
	signExpr struct {
		minus bool
		of    expr
		line  int
	}
	compareExpr struct {
		first expr
		ops   []string
		rest  []expr
		line  int
	}
	attrExpr struct {
		of   expr
		name string
		line int
	}
	indexExpr struct {
		of, key expr
		line    int
	}
	sliceExpr struct {
		of   expr
		part [3]expr
		line int
	}
	callExpr struct {
		fn    expr
		args  []expr
		names []string
		named []expr
		line  int
	}
	filterExpr struct {
		of   expr
		name string
		call *callExpr
	}
	testExpr struct {
		of   expr
		name string
		call *callExpr
	}
)

// A RenderError is a template that fails on the values it is given.
type RenderError struct {
	Line   int // 0 if unknown
	Reason string
	Raised bool // by the template itself, with raise_exception
}

func (e *RenderError) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
}

// ErrLimit marks a template that asks for more than the package's bounds.
var ErrLimit = errors.New("the template asks for too much")

var errBreak, errContinue = errors.New("break"), errors.New("continue")

func failf(format string, args ...any) error {
	return &RenderError{Reason: fmt.Sprintf(format, args...)}
}

// at adds a line to an error that has none.
func at(line int, err error) error {
	var e *RenderError
	if errors.As(err, &e) && e.Line == 0 {
		e.Line = line
	}
	return err
}

// scope holds variables. Loops and macros open one; conditions do not.
type scope struct {
	vars  map[string]any
	outer *scope
}

func (s *scope) child() *scope { return &scope{map[string]any{}, s} }

func (s *scope) lookup(name string) (any, bool) {
	for ; s != nil; s = s.outer {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	v, ok := globals[name]
	return v, ok
}

// run is one rendering: its output and what it has used up.
type run struct {
	out   []byte
	steps int
	bytes int
	calls int
}

func (r *run) step(n int) error {
	if r.steps += n; r.steps > maxSteps {
		return fmt.Errorf("%w: more than %d steps", ErrLimit, maxSteps)
	}
	return nil
}

// grow accounts for a new value of n bytes; memory given up is not counted back.
func (r *run) grow(n int) error {
	if r.bytes += n; n > maxText || r.bytes > maxMemory {
		return fmt.Errorf("%w: a value or the output is larger than %d bytes", ErrLimit, maxText)
	}
	return r.step(n >> 10)
}

func (r *run) items(n int) error {
	if n > maxItems {
		return fmt.Errorf("%w: a list of more than %d items", ErrLimit, maxItems)
	}
	return r.grow(16 * n)
}

func (r *run) write(s string) error {
	if len(r.out)+len(s) > maxText {
		return fmt.Errorf("%w: more than %d bytes of output", ErrLimit, maxText)
	}
	r.out = append(r.out, s...)
	return r.step(1 + len(s)>>10)
}

// capture renders a body to a string.
func (r *run) capture(body []stmt, s *scope) (string, error) {
	saved := r.out
	r.out = nil
	err := r.body(body, s)
	text := string(r.out)
	r.out = saved
	if err == nil {
		err = r.grow(len(text))
	}
	return text, err
}

func (r *run) body(body []stmt, s *scope) error {
	for _, st := range body {
		if err := r.step(1); err != nil {
			return err
		}
		if err := st.exec(r, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) eval(e expr, s *scope) (any, error) {
	if err := r.step(1); err != nil {
		return nil, err
	}
	return e.eval(r, s)
}

func (st *textStmt) exec(r *run, _ *scope) error  { return r.write(st.text) }
func (st *groupStmt) exec(r *run, s *scope) error { return r.body(st.body, s) }

func (st *printStmt) exec(r *run, s *scope) error {
	v, err := r.eval(st.of, s)
	if err != nil {
		return at(st.line, err)
	}
	text, err := r.str(v)
	if err != nil {
		return at(st.line, err)
	}
	return r.write(text)
}

func (st *ifStmt) exec(r *run, s *scope) error {
	v, err := r.eval(st.cond, s)
	if err != nil {
		return err
	}
	if truth(v) {
		return r.body(st.then, s)
	}
	return r.body(st.other, s)
}

func (st *jumpStmt) exec(*run, *scope) error {
	if st.out {
		return errBreak
	}
	return errContinue
}

func (st *forStmt) exec(r *run, s *scope) error {
	v, err := r.eval(st.over, s)
	if err != nil {
		return at(st.line, err)
	}
	items, err := r.iterate(v)
	if err != nil {
		return at(st.line, err)
	}
	if st.only != nil {
		var kept []any
		for _, v := range items {
			inner := s.child()
			if err := assign(inner, st.target, v); err != nil {
				return at(st.line, err)
			}
			ok, err := r.eval(st.only, inner)
			if err != nil {
				return at(st.line, err)
			}
			if truth(ok) {
				kept = append(kept, v)
			}
		}
		items = kept
	}
	if len(items) == 0 {
		return r.body(st.empty, s.child())
	}
	for i, v := range items {
		if err := r.step(1); err != nil {
			return err
		}
		inner := s.child()
		inner.vars["loop"] = &loop{items, i}
		if err := assign(inner, st.target, v); err != nil {
			return at(st.line, err)
		}
		switch err := r.body(st.body, inner); err {
		case nil, errContinue:
		case errBreak:
			return nil
		default:
			return err
		}
	}
	return nil
}

// assign binds one name to a value, or several to the items of one.
func assign(s *scope, target []string, v any) error {
	if len(target) == 1 {
		s.vars[target[0]] = v
		return nil
	}
	items, ok := sequence(v)
	if !ok {
		return failf("cannot unpack %s", typeName(v))
	}
	if len(items) != len(target) {
		return failf("want %d values to unpack, have %d", len(target), len(items))
	}
	for i, name := range target {
		s.vars[name] = items[i]
	}
	return nil
}

func (st *setStmt) exec(r *run, s *scope) error {
	var v any
	var err error
	if st.value != nil {
		v, err = r.eval(st.value, s)
	} else {
		v, err = r.capture(st.body, s.child())
	}
	if err != nil {
		return at(st.line, err)
	}
	if st.attr == "" {
		return at(st.line, assign(s, st.target, v))
	}
	target, _ := s.lookup(st.target[0])
	ns, ok := target.(*namespace)
	if !ok {
		return at(st.line, failf("cannot assign attribute on non-namespace object %s", st.target[0]))
	}
	if err := r.items(1); err != nil {
		return err
	}
	ns.set(st.attr, v)
	return nil
}

func (st *macroStmt) exec(_ *run, s *scope) error {
	s.vars[st.name] = &macro{st, s}
	return nil
}

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
