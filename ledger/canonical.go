package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of JSON and of lists, so that no input can exhaust the stack.
const maxDepth = 100

// canonicalJSON rewrites JSON so that documents that mean the same have the same bytes: no white space, object
// members sorted by name, one spelling per string and number. Numbers keep their value: an integer of any length
// stays exact, anything else is the shortest decimal of its float64. Members that occur twice are an error.
func canonicalJSON(raw []byte) ([]byte, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("json: not UTF-8")
	}
	if err := json.Unmarshal(raw, new(json.RawMessage)); err != nil {
		return nil, fmt.Errorf("json: %w", err)
	}
	c := &canonicalizer{raw: raw, out: make([]byte, 0, len(raw))}
	if err := c.value(0); err != nil {
		return nil, fmt.Errorf("json: %w", err)
	}
	return c.out, nil
}

// A canonicalizer rewrites JSON that is known to be valid.
type canonicalizer struct {
	raw     []byte // what is left to read
	out     []byte
	members []memberSpan // of the objects being read, outermost first
}

// A memberSpan says where in out a member of an object lies, from its name to its end.
type memberSpan struct {
	name       string
	start, end int
}

// next is the next byte that is not white space, which it skips.
func (c *canonicalizer) next() byte {
	for {
		switch b := c.raw[0]; b {
		case ' ', '\t', '\n', '\r':
			c.raw = c.raw[1:]
		default:
			return b
		}
	}
}

func (c *canonicalizer) value(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch c.next() {
	case '{':
		return c.object(depth)
	case '[':
		return c.array(depth)
	case '"':
		c.text()
		return nil
	case 't', 'f', 'n':
		c.out = append(c.out, c.take()...)
		return nil
	}
	n, err := canonicalNumber(string(c.take()))
	c.out = append(c.out, n...)
	return err
}

// take reads a number or a literal.
func (c *canonicalizer) take() []byte {
	n := bytes.IndexAny(c.raw, ",]} \t\n\r")
	if n < 0 {
		n = len(c.raw)
	}
	t := c.raw[:n]
	c.raw = c.raw[n:]
	return t
}

// text reads a string, writes it, and returns what it says.
func (c *canonicalizer) text() string {
	n := 1
	plain := true
	for ; c.raw[n] != '"'; n++ {
		if c.raw[n] == '\\' {
			plain = false
			n++
		}
	}
	quoted := c.raw[:n+1]
	c.raw = c.raw[n+1:]
	if plain { // it has no other spelling
		c.out = append(c.out, quoted...)
		return string(quoted[1:n])
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // valid
	c.out = appendJSONString(c.out, s)
	return s
}

func (c *canonicalizer) array(depth int) error {
	c.raw = c.raw[1:]
	c.out = append(c.out, '[')
	for first := true; c.next() != ']'; first = false {
		if !first {
			c.raw = c.raw[1:] // the comma
			c.out = append(c.out, ',')
		}
		if err := c.value(depth + 1); err != nil {
			return err
		}
	}
	c.raw = c.raw[1:]
	c.out = append(c.out, ']')
	return nil
}

func (c *canonicalizer) object(depth int) error {
	c.raw = c.raw[1:]
	c.out = append(c.out, '{')
	begin, outer := len(c.out), len(c.members)
	for c.next() != '}' {
		if len(c.members) > outer {
			c.raw = c.raw[1:] // the comma
			c.out = append(c.out, ',')
			c.next()
		}
		m := memberSpan{start: len(c.out)}
		m.name = c.text()
		c.next()
		c.raw = c.raw[1:] // the colon
		c.out = append(c.out, ':')
		if err := c.value(depth + 1); err != nil {
			return err
		}
		m.end = len(c.out)
		c.members = append(c.members, m)
	}
	c.raw = c.raw[1:]
	members := c.members[outer:]
	c.members = c.members[:outer]
	byName := func(x, y memberSpan) int { return strings.Compare(x.name, y.name) }
	if !slices.IsSortedFunc(members, byName) {
		slices.SortFunc(members, byName)
		was := bytes.Clone(c.out[begin:])
		c.out = c.out[:begin]
		for i, m := range members {
			if i > 0 {
				c.out = append(c.out, ',')
			}
			c.out = append(c.out, was[m.start-begin:m.end-begin]...)
		}
	}
	for i := range members[:max(len(members)-1, 0)] {
		if members[i].name == members[i+1].name {
			return fmt.Errorf("member %q twice", members[i].name)
		}
	}
	c.out = append(c.out, '}')
	return nil
}

// appendJSONString writes a string with the fewest escapes JSON allows.
func appendJSONString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s { // an unpaired surrogate was already read as U+FFFD
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20:
			b = append(b, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// canonicalNumber spells a JSON number: 1.0, 1e0 and 1 alike.
func canonicalNumber(s string) (string, error) {
	if !strings.ContainsAny(s, ".eE") {
		if s == "-0" {
			return "0", nil
		}
		return s, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return "", fmt.Errorf("number %.40s is beyond float64", s)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.FormatInt(int64(f), 10), nil
	}
	return strconv.FormatFloat(f, 'g', -1, 64), nil
}
