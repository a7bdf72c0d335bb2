package jinja

import (
	"fmt"
	"slices"
)

// parser builds the tree, after jinja2/parser.py.
type parser struct {
	items []item
	pos   int
	depth int
	loops int
}

func parse(src string) ([]stmt, error) {
	if len(src) > maxSource {
		return nil, &SyntaxError{1, fmt.Sprintf("template of %d bytes is longer than %d", len(src), maxSource)}
	}
	items, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{items: items}
	body, err := p.body()
	if err != nil {
		return nil, err
	}
	if p.peek().kind != eof {
		return nil, p.errorf("unexpected %v", p.peek())
	}
	return body, nil
}

func (p *parser) peek() item { return p.items[p.pos] }

func (p *parser) next() item {
	t := p.items[p.pos]
	if t.kind != eof {
		p.pos++
	}
	return t
}

func (p *parser) is(k kind, val string) bool {
	t := p.peek()
	return t.kind == k && t.val == val
}

func (p *parser) skip(k kind, val string) bool {
	if p.is(k, val) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) errorf(format string, args ...any) error {
	return &SyntaxError{p.peek().line, fmt.Sprintf(format, args...)}
}

func (p *parser) expect(k kind, val string) error {
	if !p.skip(k, val) {
		return p.errorf("want %q, have %v", val, p.peek())
	}
	return nil
}

func (p *parser) expectName() (string, error) {
	if p.peek().kind != name {
		return "", p.errorf("want a name, have %v", p.peek())
	}
	return p.next().val, nil
}

func (p *parser) deeper() error {
	if p.depth++; p.depth > maxNested {
		return p.errorf("nested deeper than %d", maxNested)
	}
	return nil
}

// body reads statements until a block that begins with one of the ends, which
// it leaves after "{%"; without ends, until the template's end.
func (p *parser) body(ends ...string) ([]stmt, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var out []stmt
	for {
		switch t := p.next(); t.kind {
		case eof:
			if len(ends) > 0 {
				return nil, p.errorf("block without an end, want %v", ends)
			}
			return out, nil
		case data:
			out = append(out, &textStmt{t.val})
		case varBegin:
			e, err := p.tuple(true)
			if err != nil {
				return nil, err
			}
			if err := p.expect(varEnd, "}}"); err != nil {
				return nil, err
			}
			out = append(out, &printStmt{e, t.line})
		case blockBegin:
			if p.peek().kind == name && slices.Contains(ends, p.peek().val) {
				return out, nil
			}
			s, err := p.statement()
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		default:
			p.pos--
			return nil, p.errorf("unexpected %v", t)
		}
	}
}

// closed reads a body that ends with {% end %}.
func (p *parser) closed(end string) ([]stmt, error) {
	if err := p.expect(blockEnd, "%}"); err != nil {
		return nil, err
	}
	body, err := p.body(end)
	if err != nil {
		return nil, err
	}
	p.next()
	return body, p.expect(blockEnd, "%}")
}

func (p *parser) statement() (stmt, error) {
	tag, err := p.expectName()
	if err != nil {
		return nil, err
	}
	line := p.peek().line
	switch tag {
	case "if":
		return p.ifStmt()
	case "for":
		return p.forStmt(line)
	case "set":
		return p.setStmt(line)
	case "macro":
		return p.macroStmt()
	case "generation": // marks what the model wrote; rendered as it is
		body, err := p.closed("endgeneration")
		return &groupStmt{body}, err
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.errorf("%s outside of a loop", tag)
		}
		return &jumpStmt{tag == "break"}, p.expect(blockEnd, "%}")
	}
	return nil, p.errorf("tag %q is not supported", tag)
}

func (p *parser) ifStmt() (stmt, error) {
	cond, err := p.tuple(false)
	if err != nil {
		return nil, err
	}
	if err := p.expect(blockEnd, "%}"); err != nil {
		return nil, err
	}
	s := &ifStmt{cond: cond}
	if s.then, err = p.body("elif", "else", "endif"); err != nil {
		return nil, err
	}
	switch p.next().val {
	case "elif":
		if err := p.deeper(); err != nil {
			return nil, err
		}
		defer func() { p.depth-- }()
		rest, err := p.ifStmt()
		s.other = []stmt{rest}
		return s, err
	case "else":
		s.other, err = p.closed("endif")
		return s, err
	}
	return s, p.expect(blockEnd, "%}")
}

func (p *parser) forStmt(line int) (stmt, error) {
	s := &forStmt{line: line}
	var err error
	if s.target, err = p.target(); err != nil {
		return nil, err
	}
	if err := p.expect(name, "in"); err != nil {
		return nil, err
	}
	if s.over, err = p.tuple(false); err != nil {
		return nil, err
	}
	if p.skip(name, "if") {
		if s.only, err = p.expression(); err != nil {
			return nil, err
		}
	}
	if p.is(name, "recursive") {
		return nil, p.errorf("recursive loops are not supported")
	}
	if err := p.expect(blockEnd, "%}"); err != nil {
		return nil, err
	}
	p.loops++
	s.body, err = p.body("else", "endfor")
	p.loops--
	if err != nil {
		return nil, err
	}
	if p.next().val == "else" {
		s.empty, err = p.closed("endfor")
		return s, err
	}
	return s, p.expect(blockEnd, "%}")
}

func (p *parser) setStmt(line int) (stmt, error) {
	s := &setStmt{line: line}
	first, err := p.expectName()
	if err != nil {
		return nil, err
	}
	if p.skip(operator, ".") {
		if s.attr, err = p.expectName(); err != nil {
			return nil, err
		}
		s.target = []string{first}
	} else {
		p.pos--
		if s.target, err = p.target(); err != nil {
			return nil, err
		}
	}
	if p.skip(operator, "=") {
		if s.value, err = p.tuple(true); err != nil {
			return nil, err
		}
		return s, p.expect(blockEnd, "%}")
	}
	if p.is(operator, "|") {
		return nil, p.errorf("filters on a set block are not supported")
	}
	s.body, err = p.closed("endset")
	return s, err
}

// target reads one name or several with commas between them.
func (p *parser) target() ([]string, error) {
	paren := p.skip(operator, "(")
	var out []string
	for {
		n, err := p.expectName()
		if err != nil {
			return nil, err
		}
		switch n {
		case "true", "false", "none", "True", "False", "None":
			return nil, p.errorf("cannot assign to %s", n)
		}
		out = append(out, n)
		if !p.skip(operator, ",") {
			break
		}
	}
	if paren {
		return out, p.expect(operator, ")")
	}
	return out, nil
}

func (p *parser) macroStmt() (stmt, error) {
	n, err := p.expectName()
	if err != nil {
		return nil, err
	}
	s := &macroStmt{name: n}
	if err := p.expect(operator, "("); err != nil {
		return nil, err
	}
	for !p.skip(operator, ")") {
		if len(s.params) > 0 {
			if err := p.expect(operator, ","); err != nil {
				return nil, err
			}
		}
		var q param
		if q.name, err = p.expectName(); err != nil {
			return nil, err
		}
		if p.skip(operator, "=") {
			if q.def, err = p.expression(); err != nil {
				return nil, err
			}
		} else if len(s.params) > 0 && s.params[len(s.params)-1].def != nil {
			return nil, p.errorf("parameter %s without a default after one with", q.name)
		}
		s.params = append(s.params, q)
	}
	loops := p.loops
	p.loops = 0
	s.body, err = p.closed("endmacro")
	p.loops = loops
	return s, err
}
