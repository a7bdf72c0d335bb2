package token

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// nfc is Unicode's normal form C.
//
// x/text writes "stream-safe" text: after thirty combining marks in a row it
// inserts U+034F. The reference does not, so texts with such runs take the
// long way.
func nfc(s string) string {
	if norm.NFC.IsNormalString(s) && !crowded(s) {
		return s
	}
	if !crowded(s) {
		return norm.NFC.String(s)
	}
	return compose(decompose(s))
}

// crowded reports whether x/text might insert U+034F: a run of characters that
// could, decomposed, hold thirty marks in a row. No character decomposes into
// more than three marks, so ten suspicious ones are few enough.
func crowded(s string) bool {
	n := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			n = 0
			i++
			continue
		}
		p := norm.NFC.PropertiesString(s[i:])
		if p.CCC() == 0 && p.LeadCCC() == 0 && p.TrailCCC() == 0 && p.Decomposition() == nil {
			n = 0
		} else if n++; n >= 9 {
			return true
		}
		i += max(p.Size(), 1)
	}
	return false
}

type marked struct {
	r   rune
	ccc uint8
}

// decompose is the canonical decomposition with marks in canonical order.
func decompose(s string) []marked {
	out := make([]marked, 0, len(s))
	for _, r := range s {
		for _, d := range norm.NFD.String(string(r)) {
			out = append(out, marked{d, norm.NFD.PropertiesString(string(d)).CCC()})
		}
	}
	for i := 0; i < len(out); {
		j := i
		for j < len(out) && out[j].ccc != 0 {
			j++
		}
		slices.SortStableFunc(out[i:j], func(a, b marked) int { return int(a.ccc) - int(b.ccc) })
		i = j + 1
	}
	return out
}

// compose is the canonical composition algorithm (Unicode §3.11, D117).
func compose(in []marked) string {
	out := in[:0]
	starter, last := -1, uint8(0) // last: class of the character before, if kept
	for _, m := range in {
		if starter >= 0 && (len(out) == starter+1 || last != 0 && last < m.ccc) {
			if r, ok := primary(out[starter].r, m.r); ok {
				out[starter].r = r
				continue
			}
		}
		if m.ccc == 0 {
			starter = len(out)
		}
		last = m.ccc
		out = append(out, m)
	}
	text := make([]byte, 0, len(out)*2)
	for _, m := range out {
		text = utf8.AppendRune(text, m.r)
	}
	return string(text)
}

// primary is the primary composite of two characters, if there is one.
func primary(a, b rune) (rune, bool) {
	pair := string(a) + string(b)
	composed := norm.NFC.String(pair)
	r, n := utf8.DecodeRuneInString(composed)
	return r, composed != pair && n == len(composed)
}
