package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a JSON document, so that a hostile one cannot
// exhaust the stack. Tokenizer files nest four deep.
const maxDepth = 64

// A JSONError says where in a document something is not as expected.
type JSONError struct {
	Path   string // such as $.model.merges[17]
	Offset int    // in bytes
	Reason string
}

func (e *JSONError) Error() string {
	return fmt.Sprintf("%s (byte %d): %s", e.Path, e.Offset, e.Reason)
}

// A scanner reads one JSON document front to back without building a tree.
//
// tokenizer.json holds 151,643 tokens and as many merges. encoding/json needs
// a second for it; reading it in one pass, with strings that point into the
// document, needs a tenth of that, and the position of every error is known.
//
// The first error sticks: later calls do nothing and return zero values, so
// callers check fail once at the end of every object or array.
type scanner struct {
	text string
	pos  int
	path []string
	err  error
}

func newScanner(doc string) *scanner {
	s := &scanner{text: doc}
	if !utf8.ValidString(doc) {
		for _, r := range doc {
			if r == utf8.RuneError && !strings.HasPrefix(doc[s.pos:], "\uFFFD") {
				break
			}
			s.pos += utf8.RuneLen(r)
		}
		s.fail("not UTF-8")
	}
	return s
}

func (s *scanner) fail(format string, args ...any) {
	if s.err != nil {
		return
	}
	path := "$" + strings.Join(s.path, "")
	if len(path) > 200 {
		path = strings.ToValidUTF8(path[:200], "") + "…"
	}
	s.err = &JSONError{path, s.pos, fmt.Sprintf(format, args...)}
}

func (s *scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// peek returns the first byte of the next value, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.err != nil || s.pos >= len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

func (s *scanner) expect(c byte) bool {
	if s.peek() == c {
		s.pos++
		return true
	}
	s.fail("want %q, have %s", string(c), s.here())
	return false
}

// here describes the next byte for an error.
func (s *scanner) here() string {
	if s.pos >= len(s.text) {
		return "the end of the file"
	}
	r, _ := utf8.DecodeRuneInString(s.text[s.pos:])
	return strconv.QuoteRune(r)
}

// object calls field for every member; field must consume the value.
func (s *scanner) object(field func(key string)) {
	if !s.enter('{') {
		return
	}
	for first := true; s.err == nil; first = false {
		if s.peek() == '}' {
			s.pos++
			return
		}
		if !first && !s.expect(',') {
			return
		}
		key := s.str()
		if !s.expect(':') {
			return
		}
		s.path = append(s.path, "."+key)
		field(key)
		s.path = s.path[:len(s.path)-1]
	}
}

// entries is object for the members of a large flat map: it keeps no path, and
// so does not pay for one.
func (s *scanner) entries(field func(key string)) {
	if !s.enter('{') {
		return
	}
	for first := true; s.err == nil; first = false {
		if s.peek() == '}' {
			s.pos++
			return
		}
		if !first && !s.expect(',') {
			return
		}
		key := s.str()
		if s.expect(':') {
			field(key)
		}
	}
}

// array calls item for every element; item must consume it.
func (s *scanner) array(item func(i int)) {
	if !s.enter('[') {
		return
	}
	for i := 0; s.err == nil; i++ {
		if s.peek() == ']' {
			s.pos++
			return
		}
		if i > 0 && !s.expect(',') {
			return
		}
		item(i)
	}
}

func (s *scanner) enter(c byte) bool {
	if len(s.path) >= maxDepth {
		s.fail("nested deeper than %d", maxDepth)
		return false
	}
	return s.expect(c)
}

// at runs f with a path element, for arrays whose elements deserve one.
func (s *scanner) at(i int, f func()) {
	s.path = append(s.path, "["+strconv.Itoa(i)+"]")
	f()
	s.path = s.path[:len(s.path)-1]
}

// str reads a string. Without escapes it shares the document's memory.
func (s *scanner) str() string {
	if s.peek() != '"' {
		s.fail("want a string, have %s", s.here())
		return ""
	}
	start := s.pos + 1
	for i := start; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.pos = i + 1
			return s.text[start:i]
		case c == '\\':
			return s.escaped(start, i)
		case c < ' ':
			s.pos = i
			s.fail("control character in a string")
			return ""
		}
	}
	s.pos = len(s.text)
	s.fail("string without an end")
	return ""
}

var errEscape = errors.New("broken escape sequence in a string")

func (s *scanner) escaped(start, i int) string {
	out := make([]byte, 0, i-start+16)
	out = append(out, s.text[start:i]...)
	for i < len(s.text) {
		switch c := s.text[i]; {
		case c == '"':
			s.pos = i + 1
			return string(out)
		case c < ' ':
			s.pos = i
			s.fail("control character in a string")
			return ""
		case c != '\\':
			out = append(out, c)
			i++
		default:
			r, n, err := unescape(s.text[i:])
			if err != nil {
				s.pos = i
				s.fail("%v", err)
				return ""
			}
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	s.pos = len(s.text)
	s.fail("string without an end")
	return ""
}

// unescape reads one escape sequence: its rune and its length. Half a
// surrogate pair is refused: it is no character, and Rust's reader refuses it.
func unescape(t string) (rune, int, error) {
	if len(t) < 2 {
		return 0, 0, errEscape
	}
	switch t[1] {
	case '"', '\\', '/':
		return rune(t[1]), 2, nil
	case 'b':
		return '\b', 2, nil
	case 'f':
		return '\f', 2, nil
	case 'n':
		return '\n', 2, nil
	case 'r':
		return '\r', 2, nil
	case 't':
		return '\t', 2, nil
	case 'u':
		hi, ok := hex4(t[2:])
		if !ok {
			return 0, 0, errEscape
		}
		if !utf16.IsSurrogate(hi) {
			return hi, 6, nil
		}
		if len(t) >= 12 && t[6] == '\\' && t[7] == 'u' {
			if lo, ok := hex4(t[8:]); ok {
				if r := utf16.DecodeRune(hi, lo); r != utf8.RuneError {
					return r, 12, nil
				}
			}
		}
		return 0, 0, errors.New("half a surrogate pair in a string")
	}
	return 0, 0, errEscape
}

func hex4(t string) (rune, bool) {
	if len(t) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(t[:4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// integer reads a whole number that fits an int64.
func (s *scanner) integer() int64 {
	s.space()
	start := s.pos
	for s.pos < len(s.text) && strings.IndexByte("+-.0123456789eE", s.text[s.pos]) >= 0 {
		s.pos++
	}
	lit := s.text[start:s.pos]
	digits := strings.TrimPrefix(lit, "-")
	n, err := strconv.ParseInt(lit, 10, 64)
	if err != nil || digits == "" || digits[0] == '+' || len(digits) > 1 && digits[0] == '0' {
		s.pos = start
		s.fail("want a whole number, have %s", s.here())
		return 0
	}
	return n
}

// boolean reads true or false; null counts as false, as in transformers.
func (s *scanner) boolean() bool {
	switch {
	case s.word("true"):
		return true
	case s.word("false"), s.word("null"):
		return false
	}
	s.fail("want true or false, have %s", s.here())
	return false
}

// null reports and consumes a null.
func (s *scanner) null() bool { return s.word("null") }

func (s *scanner) word(w string) bool {
	if s.peek() != 0 && strings.HasPrefix(s.text[s.pos:], w) {
		s.pos += len(w)
		return true
	}
	return false
}

// skip consumes a value of any kind, checking its syntax.
func (s *scanner) skip() {
	switch c := s.peek(); {
	case c == '{':
		s.object(func(string) { s.skip() })
	case c == '[':
		s.array(func(i int) { s.at(i, s.skip) })
	case c == '"':
		s.str()
	case c == '-' || '0' <= c && c <= '9':
		start := s.pos
		for s.pos < len(s.text) && strings.IndexByte("+-.0123456789eE", s.text[s.pos]) >= 0 {
			s.pos++
		}
		if !json.Valid([]byte(s.text[start:s.pos])) {
			s.pos = start
			s.fail("want a number, have %s", s.here())
		}
	default:
		if !s.word("true") && !s.word("false") && !s.word("null") {
			s.fail("want a value, have %s", s.here())
		}
	}
}

// end checks that nothing but white space is left.
func (s *scanner) end() error {
	if s.err == nil && s.peek() != 0 {
		s.fail("text after the document")
	}
	if s.err == nil && s.pos < len(s.text) {
		s.fail("text after the document") // a NUL byte, which peek takes for the end
	}
	return s.err
}
