package jinja

func (st *textStmt) exec(r *run, _ *scope) error { return r.write(st.text) }

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
