package jinja

import (
	"errors"
	"fmt"
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
