package jinja

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	eof kind = iota
	data
	blockBegin // {%
	blockEnd   // %}
	varBegin   // {{
	varEnd     // }}
	name
	text    // a string literal
	integer // digits only
	float
	operator
)

type item struct {
	kind kind
	val  string
	line int
}

func (t item) String() string {
	switch t.kind {
	case eof:
		return "the end of the template"
	case data:
		return "text"
	case text:
		return fmt.Sprintf("%.40q", t.val)
	}
	return fmt.Sprintf("%.40s", t.val)
}

// A SyntaxError is a template that cannot be parsed.
type SyntaxError struct {
	Line   int
	Reason string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

// lexer cuts a template into items. Its rules about white space are those of
// jinja2/lexer.py (Lexer.tokeniter): "-" in a tag takes all white space beside
// it; lstrip_blocks takes the white space before a block or comment that
// begins a line, unless "+" forbids; trim_blocks takes the line end after one.
type lexer struct {
	src       string
	pos       int
	line      int
	lineStart bool // the last tag took a line end with it, or none came yet
	items     []item
}

func lex(src string) ([]item, error) {
	src = strings.ReplaceAll(src, "\r\n", "\n")
	src = strings.ReplaceAll(src, "\r", "\n")
	src = strings.TrimSuffix(src, "\n") // keep_trailing_newline is off
	l := &lexer{src: src, line: 1, lineStart: true}
	for l.pos < len(l.src) {
		if err := l.root(); err != nil {
			return nil, err
		}
	}
	l.emit(eof, "")
	return l.items, nil
}

func (l *lexer) errorf(format string, args ...any) error {
	return &SyntaxError{l.line, fmt.Sprintf(format, args...)}
}

func (l *lexer) emit(k kind, val string) {
	l.items = append(l.items, item{k, val, l.line})
}

// take advances by n bytes and returns them.
func (l *lexer) take(n int) string {
	s := l.src[l.pos : l.pos+n]
	l.pos += n
	l.line += strings.Count(s, "\n")
	return s
}

// root reads text up to the next tag, and the tag.
func (l *lexer) root() error {
	rest := l.src[l.pos:]
	n := 0
	for {
		i := strings.IndexByte(rest[n:], '{')
		if i < 0 || n+i+1 >= len(rest) {
			l.emit(data, l.take(len(rest)))
			return nil
		}
		n += i
		if strings.IndexByte("{%#", rest[n+1]) >= 0 {
			break
		}
		n++
	}
	kind, sign := rest[n+1], byte(0)
	if n+2 < len(rest) && (rest[n+2] == '-' || rest[n+2] == '+') {
		sign = rest[n+2]
	}
	before := rest[:n]
	switch {
	case sign == '-':
		before = strings.TrimRightFunc(before, isSpace)
	case sign != '+' && kind != '{':
		at := strings.LastIndexByte(before, '\n') + 1
		if (at > 0 || l.lineStart) && strings.TrimFunc(before[at:], isSpace) == "" {
			before = before[:at]
		}
	}
	if before != "" {
		l.emit(data, before)
	}
	l.take(n + 2)
	if sign != 0 {
		l.take(1)
	}
	l.lineStart = false
	switch kind {
	case '#':
		return l.comment()
	case '{':
		l.emit(varBegin, "{{")
		return l.code("}}", varEnd)
	}
	if n := l.word("raw"); n > 0 {
		return l.raw(n)
	}
	l.emit(blockBegin, "{%")
	return l.code("%}", blockEnd)
}

// word returns the length of "NAME %}" at the current position, 0 if it is not
// there. The block's end is left to the caller.
func (l *lexer) word(w string) int {
	rest := l.src[l.pos:]
	s := strings.TrimLeftFunc(rest, isSpace)
	if !strings.HasPrefix(s, w) {
		return 0
	}
	s = strings.TrimLeftFunc(s[len(w):], isSpace)
	if strings.HasPrefix(s, "%}") || strings.HasPrefix(s, "-%}") {
		return len(rest) - len(s)
	}
	return 0
}

// closing takes the end of a tag, end being "%}", "}}" or "#}", with the white
// space that goes with it.
func (l *lexer) closing(end string) bool {
	rest := l.src[l.pos:]
	switch {
	case strings.HasPrefix(rest, "-"+end):
		n := len(rest) - len(strings.TrimLeftFunc(rest[3:], isSpace))
		l.lineStart = rest[n-1] == '\n'
		l.take(n)
	case end != "}}" && strings.HasPrefix(rest, "+"+end):
		l.take(3)
	case strings.HasPrefix(rest, end):
		l.take(2)
		if end != "}}" && strings.HasPrefix(l.src[l.pos:], "\n") {
			l.take(1)
			l.lineStart = true
		}
	default:
		return false
	}
	return true
}

func (l *lexer) comment() error {
	n := strings.Index(l.src[l.pos:], "#}")
	if n < 0 {
		return l.errorf("comment without an end")
	}
	if n > 0 && strings.IndexByte("+-", l.src[l.pos+n-1]) >= 0 {
		n--
	}
	l.take(n)
	l.closing("#}")
	return nil
}

// raw reads {% raw %} … {% endraw %}; n is the length of the rest of the tag.
func (l *lexer) raw(n int) error {
	l.take(n)
	// The begin tag of a raw block does not take a line end with it.
	if strings.HasPrefix(l.src[l.pos:], "-") {
		rest := l.src[l.pos+3:]
		l.take(3 + len(rest) - len(strings.TrimLeftFunc(rest, isSpace)))
	} else {
		l.take(2)
	}
	for i := l.pos; ; i++ {
		k := strings.Index(l.src[i:], "{%")
		if k < 0 {
			return l.errorf("raw block without an end")
		}
		i += k
		body := l.src[l.pos:i]
		probe := &lexer{src: l.src, pos: i + 2, line: l.line}
		sign := byte(0)
		if probe.pos < len(l.src) && strings.IndexByte("+-", l.src[probe.pos]) >= 0 {
			sign = l.src[probe.pos]
			probe.pos++
		}
		s := strings.TrimLeftFunc(l.src[probe.pos:], isSpace)
		if !strings.HasPrefix(s, "endraw") {
			continue
		}
		s = strings.TrimLeftFunc(s[len("endraw"):], isSpace)
		probe.pos = len(l.src) - len(s)
		if !probe.closing("%}") {
			continue
		}
		if sign == '-' {
			body = strings.TrimRightFunc(body, isSpace)
		} else if at := strings.LastIndexByte(body, '\n') + 1; sign != '+' && at > 0 && strings.TrimFunc(body[at:], isSpace) == "" {
			body = body[:at]
		}
		if body != "" {
			l.emit(data, body)
		}
		l.lineStart = probe.lineStart
		l.take(probe.pos - l.pos)
		return nil
	}
}

// operators, longest first.
var operators = []string{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"}

// code reads the inside of a tag up to its end.
func (l *lexer) code(end string, endKind kind) error {
	var open []byte // brackets waiting for their partner
	for {
		rest := l.src[l.pos:]
		if rest == "" {
			return l.errorf("tag without an end, want %q", end)
		}
		if len(open) == 0 {
			l.lineStart = false
			line := l.line
			if l.closing(end) {
				l.items = append(l.items, item{endKind, end, line})
				return nil
			}
		}
		r, _ := utf8.DecodeRuneInString(rest)
		switch {
		case isSpace(r):
			l.take(len(rest) - len(strings.TrimLeftFunc(rest, isSpace)))
		case '0' <= r && r <= '9':
			if err := l.number(rest); err != nil {
				return err
			}
		case r == '_' || unicode.IsLetter(r):
			n := strings.IndexFunc(rest, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
			if n < 0 {
				n = len(rest)
			}
			l.emit(name, rest[:n])
			l.take(n)
		case r == '\'' || r == '"':
			if err := l.literal(rest); err != nil {
				return err
			}
		default:
			op := ""
			for _, o := range operators {
				if strings.HasPrefix(rest, o) {
					op = o
					break
				}
			}
			switch op {
			case "":
				return l.errorf("unexpected %q", r)
			case "(", "[", "{":
				open = append(open, map[string]byte{"(": ')', "[": ']', "{": '}'}[op])
				if len(open) > maxNested {
					return l.errorf("brackets nested deeper than %d", maxNested)
				}
			case ")", "]", "}":
				if len(open) == 0 || open[len(open)-1] != op[0] {
					return l.errorf("unexpected %q", op)
				}
				open = open[:len(open)-1]
			}
			l.emit(operator, op)
			l.take(len(op))
		}
	}
}

func (l *lexer) number(rest string) error {
	digits := func(i int) int {
		for i < len(rest) && '0' <= rest[i] && rest[i] <= '9' {
			i++
		}
		return i
	}
	n, k := digits(0), integer
	if n+1 < len(rest) && rest[n] == '.' && digits(n+1) > n+1 {
		n, k = digits(n+1), float
	}
	if n < len(rest) && (rest[n] == 'e' || rest[n] == 'E') {
		m := n + 1
		if m < len(rest) && (rest[m] == '+' || rest[m] == '-') {
			m++
		}
		if digits(m) > m {
			n, k = digits(m), float
		}
	}
	if n < len(rest) && (rest[n] == '_' || unicode.IsLetter(rune(rest[n]))) || k == integer && n > 1 && rest[0] == '0' {
		return l.errorf("number %.20q is not supported", rest[:min(n+1, len(rest))])
	}
	l.emit(k, rest[:n])
	l.take(n)
	return nil
}

// literal reads a string with Python's escapes.
func (l *lexer) literal(rest string) error {
	var b strings.Builder
	for i := 1; i < len(rest); {
		switch c := rest[i]; {
		case c == rest[0]:
			l.emit(text, b.String())
			l.take(i + 1)
			return nil
		case c != '\\':
			b.WriteByte(c)
			i++
		default:
			out, n, err := escape(rest[i:])
			if err != nil {
				return l.errorf("%v", err)
			}
			b.WriteString(out)
			i += n
		}
	}
	return l.errorf("string without an end")
}

// escape reads one escape sequence of a Python string.
func escape(s string) (out string, n int, err error) {
	if len(s) < 2 {
		return "", 0, fmt.Errorf("string without an end")
	}
	digits := 0
	switch c := s[1]; c {
	case '\n':
		return "", 2, nil
	case '\\', '\'', '"':
		return s[1:2], 2, nil
	case 'a', 'b', 'f', 'n', 'r', 't', 'v':
		return string("\a\b\f\n\r\t\v"[strings.IndexByte("abfnrtv", c)]), 2, nil
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0', '1', '2', '3', '4', '5', '6', '7', 'N':
		return "", 0, fmt.Errorf("escape \\%c is not supported", c)
	default:
		return s[:1], 1, nil // a backslash that escapes nothing stays
	}
	if len(s) < 2+digits {
		return "", 0, fmt.Errorf("broken escape \\%c", s[1])
	}
	var r rune
	for _, c := range []byte(s[2 : 2+digits]) {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if c < '0' || d < 0 || r > unicode.MaxRune {
			return "", 0, fmt.Errorf("broken escape \\%c", s[1])
		}
		r = r<<4 | rune(d)
	}
	if !utf8.ValidRune(r) {
		return "", 0, fmt.Errorf("escape %s is not a character", s[:2+digits])
	}
	return string(r), 2 + digits, nil
}

// isSpace is Python's idea of white space.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1C <= r && r <= 0x1F }
