package jinja

import (
	"slices"
	"strconv"
)

// tuple reads an expression, or several with commas between them. With full
// unset, the conditional expression "a if b" is left to the caller.
func (p *parser) tuple(full bool) (expr, error) {
	one := p.or
	if full {
		one = p.expression
	}
	e, err := one()
	if err != nil || !p.is(operator, ",") {
		return e, err
	}
	list := &listExpr{items: []expr{e}, tuple: true}
	for p.skip(operator, ",") {
		if t := p.peek(); t.kind == varEnd || t.kind == blockEnd || t.val == ")" && t.kind == operator {
			break
		}
		e, err := one()
		if err != nil {
			return nil, err
		}
		list.items = append(list.items, e)
	}
	return list, nil
}

// expression reads a conditional expression, the weakest operator.
func (p *parser) expression() (expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	e, err := p.or()
	for err == nil && p.skip(name, "if") {
		c := &condExpr{then: e}
		if c.cond, err = p.or(); err != nil {
			return nil, err
		}
		if p.skip(name, "else") {
			if c.other, err = p.expression(); err != nil {
				return nil, err
			}
		}
		e = c
	}
	return e, err
}

// chain reads operands joined by left-associative operators.
func (p *parser) chain(k kind, operand func() (expr, error), join func(op string, a, b expr, line int) expr, ops ...string) (expr, error) {
	e, err := operand()
	for n := 0; err == nil && p.peek().kind == k && slices.Contains(ops, p.peek().val); n++ {
		// The tree leans to the left, and evaluation recurses down it.
		if n >= 4*maxNested {
			return nil, p.errorf("more than %d operators in a row", 4*maxNested)
		}
		t := p.next()
		var right expr
		if right, err = operand(); err == nil {
			e = join(t.val, e, right, t.line)
		}
	}
	return e, err
}

func logic(op string, a, b expr, _ int) expr { return &logicExpr{op, a, b} }

func arith(op string, a, b expr, line int) expr {
	return &arithExpr{op, a, b, line}
}

func (p *parser) or() (expr, error) { return p.chain(name, p.and, logic, "or") }

func (p *parser) and() (expr, error) { return p.chain(name, p.not, logic, "and") }

func (p *parser) not() (expr, error) {
	if !p.skip(name, "not") {
		return p.compare()
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	e, err := p.not()
	return &notExpr{e}, err
}

func (p *parser) compare() (expr, error) {
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	c := &compareExpr{first: first, line: p.peek().line}
	for {
		t := p.peek()
		op := ""
		switch {
		case t.kind == operator && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.val):
			op = p.next().val
		case p.skip(name, "in"):
			op = "in"
		case p.is(name, "not") && p.items[p.pos+1].kind == name && p.items[p.pos+1].val == "in":
			p.pos += 2
			op = "not in"
		}
		if op == "" {
			break
		}
		e, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, e)
	}
	if len(c.ops) == 0 {
		return first, nil
	}
	return c, nil
}

func (p *parser) sum() (expr, error) { return p.chain(operator, p.concat, arith, "+", "-") }

func (p *parser) concat() (expr, error) { return p.chain(operator, p.product, arith, "~") }

func (p *parser) product() (expr, error) {
	return p.chain(operator, p.power, arith, "*", "/", "//", "%")
}

func (p *parser) power() (expr, error) {
	return p.chain(operator, func() (expr, error) { return p.unary(true) }, arith, "**")
}

func (p *parser) unary(filters bool) (expr, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var e expr
	var err error
	switch t := p.peek(); {
	case p.skip(operator, "-"), p.skip(operator, "+"):
		if e, err = p.unary(false); err == nil {
			e = &signExpr{t.val == "-", e, t.line}
		}
	default:
		e, err = p.primary()
	}
	if err == nil {
		e, err = p.postfix(e)
	}
	if err == nil && filters {
		e, err = p.filters(e)
	}
	return e, err
}

func (p *parser) primary() (expr, error) {
	switch t := p.next(); {
	case t.kind == name:
		switch t.val {
		case "true", "True":
			return &constExpr{true}, nil
		case "false", "False":
			return &constExpr{false}, nil
		case "none", "None":
			return &constExpr{nil}, nil
		}
		return &nameExpr{t.val}, nil
	case t.kind == text:
		s := t.val
		for p.peek().kind == text {
			s += p.next().val
		}
		return &constExpr{s}, nil
	case t.kind == integer:
		n, err := strconv.ParseInt(t.val, 10, 64)
		if err != nil {
			p.pos--
			return nil, p.errorf("number %.20s… is too large", t.val)
		}
		return &constExpr{n}, nil
	case t.kind == float:
		f, err := strconv.ParseFloat(t.val, 64)
		if err != nil {
			p.pos--
			return nil, p.errorf("number %.20s… is too large", t.val)
		}
		return &constExpr{f}, nil
	case t.kind == operator && t.val == "(":
		if p.skip(operator, ")") {
			return &listExpr{tuple: true}, nil
		}
		e, err := p.tuple(true)
		if err != nil {
			return nil, err
		}
		return e, p.expect(operator, ")")
	case t.kind == operator && t.val == "[":
		l := &listExpr{}
		return l, p.list("]", func() error {
			e, err := p.expression()
			l.items = append(l.items, e)
			return err
		})
	case t.kind == operator && t.val == "{":
		d := &dictExpr{line: t.line}
		return d, p.list("}", func() error {
			k, err := p.expression()
			if err != nil {
				return err
			}
			if err := p.expect(operator, ":"); err != nil {
				return err
			}
			v, err := p.expression()
			d.keys, d.values = append(d.keys, k), append(d.values, v)
			return err
		})
	default:
		if t.kind != eof {
			p.pos--
		}
		return nil, p.errorf("unexpected %v", t)
	}
}

// list reads elements with commas between them up to the closing bracket.
func (p *parser) list(end string, element func() error) error {
	for n := 0; !p.skip(operator, end); n++ {
		if n > 0 {
			if err := p.expect(operator, ","); err != nil {
				return err
			}
			if p.skip(operator, end) { // a comma may end the list
				return nil
			}
		}
		if err := element(); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) postfix(e expr) (expr, error) {
	for n := 0; ; n++ {
		if n >= maxNested {
			return nil, p.errorf("more than %d subscripts in a row", maxNested)
		}
		t := p.peek()
		if t.kind != operator {
			return e, nil
		}
		var err error
		switch t.val {
		case ".":
			p.next()
			switch a := p.next(); a.kind {
			case name:
				e = &attrExpr{e, a.val, t.line}
			case integer:
				i, perr := strconv.ParseInt(a.val, 10, 64)
				if perr != nil {
					return nil, p.errorf("number too large")
				}
				e = &indexExpr{e, &constExpr{i}, t.line}
			default:
				p.pos--
				return nil, p.errorf("want a name or a number, have %v", a)
			}
		case "[":
			p.next()
			e, err = p.subscript(e, t.line)
		case "(":
			e, err = p.call(e)
		default:
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) subscript(e expr, line int) (expr, error) {
	var part [3]expr
	colons := 0
	for !p.is(operator, "]") {
		if p.skip(operator, ":") {
			if colons++; colons > 2 {
				return nil, p.errorf("unexpected ':'")
			}
			continue
		}
		if part[colons] != nil {
			return nil, p.errorf("want ']', have %v", p.peek())
		}
		var err error
		if part[colons], err = p.expression(); err != nil {
			return nil, err
		}
	}
	p.next()
	if colons == 0 {
		if part[0] == nil {
			return nil, p.errorf("empty subscript")
		}
		return &indexExpr{e, part[0], line}, nil
	}
	return &sliceExpr{e, part, line}, nil
}

func (p *parser) call(f expr) (*callExpr, error) {
	c := &callExpr{fn: f, line: p.peek().line}
	if err := p.expect(operator, "("); err != nil {
		return nil, err
	}
	return c, p.list(")", func() error {
		if p.is(operator, "*") || p.is(operator, "**") {
			return p.errorf("unpacking arguments is not supported")
		}
		if t := p.peek(); t.kind == name && p.items[p.pos+1].kind == operator && p.items[p.pos+1].val == "=" {
			p.pos += 2
			if slices.Contains(c.names, t.val) {
				return p.errorf("argument %s given twice", t.val)
			}
			e, err := p.expression()
			c.names, c.named = append(c.names, t.val), append(c.named, e)
			return err
		}
		if len(c.names) > 0 {
			return p.errorf("argument without a name after one with")
		}
		e, err := p.expression()
		c.args = append(c.args, e)
		return err
	})
}

func (p *parser) filters(e expr) (expr, error) {
	for n := 0; ; n++ {
		if n >= maxNested {
			return nil, p.errorf("more than %d filters in a row", maxNested)
		}
		t := p.peek()
		var err error
		switch {
		case p.skip(operator, "|"):
			f := &filterExpr{of: e, call: &callExpr{line: t.line}}
			if f.name, err = p.expectName(); err != nil {
				return nil, err
			}
			if p.is(operator, "(") {
				f.call, err = p.call(nil)
			}
			e = f
		case p.skip(name, "is"):
			e, err = p.test(e, t.line)
		case p.is(operator, "("):
			e, err = p.call(e)
		default:
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) test(e expr, line int) (expr, error) {
	negated := p.skip(name, "not")
	f := &testExpr{of: e, call: &callExpr{line: line}}
	var err error
	if f.name, err = p.expectName(); err != nil {
		return nil, err
	}
	switch t := p.peek(); {
	case p.is(operator, "("):
		f.call, err = p.call(nil)
	case p.is(name, "is"):
		return nil, p.errorf("tests cannot be chained with is")
	case t.kind == text || t.kind == integer || t.kind == float,
		t.kind == operator && (t.val == "[" || t.val == "{"),
		t.kind == name && !slices.Contains([]string{"else", "or", "and", "if", "in", "not"}, t.val):
		// One argument may stand without parentheses. jinja2 would try the
		// last three as names too, and then fail.
		var arg expr
		if arg, err = p.primary(); err == nil {
			arg, err = p.postfix(arg)
		}
		f.call.args = []expr{arg}
	}
	if err != nil {
		return nil, err
	}
	if negated {
		return &notExpr{f}, nil
	}
	return f, nil
}
