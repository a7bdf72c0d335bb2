package jinja

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// toJSON is transformers' tojson: json.dumps without escaping HTML.
func toJSON(v any, a *args) (any, error) {
	ascii, _ := a.take(0, "ensure_ascii")
	indent := ""
	multi := false
	if v, ok := a.take(1, "indent"); ok && v != nil {
		n, ok := integral(v)
		if !ok || n > 32 {
			return nil, failf("indent %v is not supported", v)
		}
		indent, multi = strings.Repeat(" ", int(max(n, 0))), true
	}
	if v, ok := a.take(2, "separators"); ok && v != nil {
		return nil, failf("separators are not supported")
	}
	sorted, _ := a.take(3, "sort_keys")
	j := &jsonWriter{ascii: truth(ascii), multi: multi, indent: indent, sorted: truth(sorted)}
	if err := j.value(v, 0); err != nil {
		return nil, err
	}
	return j.b.String(), a.r.grow(j.b.Len())
}

type jsonWriter struct {
	b             strings.Builder
	ascii, sorted bool
	multi         bool
	indent        string
}

func (j *jsonWriter) value(v any, depth int) error {
	if depth > maxNested || j.b.Len() > maxText {
		return fmt.Errorf("%w: JSON too large or too deep", ErrLimit)
	}
	switch v := v.(type) {
	case nil:
		j.b.WriteString("null")
	case bool:
		j.b.WriteString(strconv.FormatBool(v))
	case int64:
		j.b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		switch {
		case math.IsNaN(v):
			j.b.WriteString("NaN")
		case math.IsInf(v, 1):
			j.b.WriteString("Infinity")
		case math.IsInf(v, -1):
			j.b.WriteString("-Infinity")
		default:
			j.b.WriteString(floatRepr(v))
		}
	case string:
		j.text(v)
	case []any:
		return j.list(v, depth)
	case Tuple:
		return j.list(v, depth)
	case *Dict:
		keys := v.keys
		if j.sorted {
			keys = slices.Sorted(slices.Values(keys))
		}
		return j.members("{", "}", len(keys), depth, func(i int) error {
			j.text(keys[i])
			j.b.WriteString(": ")
			return j.value(v.values[keys[i]], depth+1)
		})
	default:
		return failf("object of type %s is not JSON serializable", typeName(v))
	}
	return nil
}

func (j *jsonWriter) list(items []any, depth int) error {
	return j.members("[", "]", len(items), depth, func(i int) error { return j.value(items[i], depth+1) })
}

func (j *jsonWriter) members(open, end string, n, depth int, member func(i int) error) error {
	j.b.WriteString(open)
	for i := range n {
		switch {
		case i > 0 && j.multi:
			j.b.WriteString(",")
		case i > 0:
			j.b.WriteString(", ")
		}
		if j.multi {
			j.b.WriteString("\n" + strings.Repeat(j.indent, depth+1))
		}
		if err := member(i); err != nil {
			return err
		}
	}
	if j.multi && n > 0 {
		j.b.WriteString("\n" + strings.Repeat(j.indent, depth))
	}
	j.b.WriteString(end)
	return nil
}

func (j *jsonWriter) text(s string) {
	j.b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			j.b.WriteByte('\\')
			j.b.WriteRune(c)
		case c == '\n':
			j.b.WriteString(`\n`)
		case c == '\r':
			j.b.WriteString(`\r`)
		case c == '\t':
			j.b.WriteString(`\t`)
		case c == '\b':
			j.b.WriteString(`\b`)
		case c == '\f':
			j.b.WriteString(`\f`)
		case c < ' ', j.ascii && c > '~' && c < 0x10000:
			fmt.Fprintf(&j.b, `\u%04x`, c)
		case j.ascii && c > '~':
			c -= 0x10000
			fmt.Fprintf(&j.b, `\u%04x\u%04x`, 0xD800+c>>10, 0xDC00+c&0x3FF)
		default:
			j.b.WriteRune(c)
		}
	}
	j.b.WriteByte('"')
}
