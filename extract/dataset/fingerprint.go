package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Fingerprint is the SHA-256, in hex, of [[index as text, category, original, swapped], …] in the order given, as
// Python's json.dumps(…, ensure_ascii=False) writes it. Two programs with the same fingerprint ask the same questions in the same order.
func Fingerprint(pairs []Pair) string {
	h := sha256.New()
	h.Write([]byte("["))
	for i, p := range pairs {
		if i > 0 {
			h.Write([]byte(", "))
		}
		fmt.Fprintf(h, "[%s, %s, %s, %s]", pythonJSON(indexText(p.Index)), pythonJSON(p.Category),
			pythonJSON(p.Original.Text), pythonJSON(p.Swapped.Text))
	}
	h.Write([]byte("]"))
	return hex.EncodeToString(h.Sum(nil))
}

// indexText is Python's str of an index.
func indexText(index json.RawMessage) string {
	switch s := string(index); {
	case s == "null" || s == "":
		return "nan"
	case s == "true":
		return "True"
	case s == "false":
		return "False"
	case s[0] == '"':
		var text string
		if json.Unmarshal(index, &text) == nil {
			return text
		}
	}
	return string(index)
}

// pythonJSON is json.dumps(s, ensure_ascii=False): only quotes, backslashes and control characters are escaped.
func pythonJSON(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\f':
			b.WriteString(`\f`)
		case '\b':
			b.WriteString(`\b`)
		default:
			if r < 0x20 {
				fmt.Fprintf(&b, `\u%04x`, r)
				continue
			}
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
