package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
)

// pyFloat writes a float as Python's repr does: the shortest digits that read back the same (bits = 64, or 32 for
// numpy's float32), scientific below 1e-4 and from 1e16 on with an exponent of at least two digits, ".0" on whole numbers.
func pyFloat(v float64, bits int) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	case v == 0:
		if math.Signbit(v) {
			return "-0.0"
		}
		return "0.0"
	}
	if a := math.Abs(v); a < 1e-4 || a >= 1e16 {
		return strconv.FormatFloat(v, 'e', -1, bits) // Go's exponent has two digits as well
	}
	s := strconv.FormatFloat(v, 'f', -1, bits)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// jsonFloat is pyFloat with the words of Python's json module.
func jsonFloat(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return pyFloat(v, 64)
}

// csvFloat is pyFloat as pandas writes it: a missing value is an empty cell.
func csvFloat(v float64, bits int) string {
	if math.IsNaN(v) {
		return ""
	}
	return pyFloat(v, bits)
}

// jsonString quotes as Python's json.dump: ASCII only, surrogate pairs beyond the basic plane.
func jsonString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r >= 0x20 && r < 0x7f:
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// csvCell quotes as pandas: only where a comma, a quote or a line end demands it.
func csvCell(s string) string {
	if strings.ContainsAny(s, ",\"\r\n") {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// pyBool is a Python bool in CSV text.
func pyBool(v bool) string {
	if v {
		return "True"
	}
	return "False"
}

// A field is one key of a JSON object with its value, already in JSON.
type field struct{ key, value string }

// jsonObject writes json.dump(…, indent=2) of a dict at the given depth: insertion order, no final newline.
func jsonObject(fields []field, depth int) string {
	if len(fields) == 0 {
		return "{}"
	}
	pad := strings.Repeat("  ", depth+1)
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n" + pad + jsonString(f.key) + ": " + f.value)
	}
	b.WriteString("\n" + strings.Repeat("  ", depth) + "}")
	return b.String()
}
