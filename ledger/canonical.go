package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	out, err := appendCanonical(nil, dec, 0)
	if err != nil {
		return nil, fmt.Errorf("json: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("json: something follows the value")
	}
	return out, nil
}

func appendCanonical(b []byte, dec *json.Decoder, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := tok.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendJSONString(b, v), nil
	case json.Number:
		n, err := canonicalNumber(v.String())
		return append(b, n...), err
	case json.Delim:
		if v == '[' {
			return appendCanonicalArray(b, dec, depth)
		}
		return appendCanonicalObject(b, dec, depth)
	}
	return nil, fmt.Errorf("unexpected %v", tok)
}

func appendCanonicalArray(b []byte, dec *json.Decoder, depth int) ([]byte, error) {
	b = append(b, '[')
	var err error
	for n := 0; dec.More(); n++ {
		if n > 0 {
			b = append(b, ',')
		}
		if b, err = appendCanonical(b, dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err = dec.Token()
	return append(b, ']'), err
}

func appendCanonicalObject(b []byte, dec *json.Decoder, depth int) ([]byte, error) {
	type member struct {
		name string
		text []byte
	}
	var members []member
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, ok := tok.(string)
		if !ok {
			return nil, fmt.Errorf("member name %v", tok)
		}
		text, err := appendCanonical(nil, dec, depth+1)
		if err != nil {
			return nil, err
		}
		members = append(members, member{name, text})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	slices.SortFunc(members, func(x, y member) int { return strings.Compare(x.name, y.name) })
	b = append(b, '{')
	for i, m := range members {
		if i > 0 {
			if m.name == members[i-1].name {
				return nil, fmt.Errorf("member %q twice", m.name)
			}
			b = append(b, ',')
		}
		b = append(append(appendJSONString(b, m.name), ':'), m.text...)
	}
	return append(b, '}'), nil
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
