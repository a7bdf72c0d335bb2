package token

import (
	"strings"
	"unicode/utf8"
)

// letters is GPT-2's byte alphabet: a printable character for every byte, so
// that a vocabulary of byte strings can be written as text. Printable Latin-1
// stands for itself, the other 68 bytes for U+0100, U+0101 … in order.
var letters = func() (table [256]rune) {
	next := rune(256)
	for b := range table {
		switch {
		case '!' <= b && b <= '~', '¡' <= b && b <= '¬', '®' <= b && b <= 'ÿ':
			table[b] = rune(b)
		default:
			table[b] = next
			next++
		}
	}
	return table
}()

// unletter is the inverse of letters, 256 for characters outside the alphabet.
var unletter = func() (table [324]uint16) {
	for r := range table {
		table[r] = 256
	}
	for b, r := range letters {
		table[r] = uint16(b)
	}
	return table
}()

// spell writes bytes in the byte alphabet.
func spell(word string) string {
	var out strings.Builder
	for i := range len(word) {
		out.WriteRune(letters[word[i]])
	}
	return out.String()
}

// appendBytes appends the bytes that a token spells. A token with a character
// outside the alphabet, as added tokens may have, stands for its own UTF-8;
// this is ByteLevel's rule in tokenizers, and it holds for added tokens too.
func appendBytes(out []byte, token string) []byte {
	mark := len(out)
	for _, r := range token {
		if int(r) >= len(unletter) || unletter[r] > 255 {
			return append(out[:mark], token...)
		}
		out = append(out, byte(unletter[r]))
	}
	return out
}

// lossy decodes UTF-8, replacing every maximal invalid part by one U+FFFD: the
// rule of Unicode §3.9 (table 3-8), Rust's from_utf8_lossy and Python's
// errors="replace". Go's own conversion writes one U+FFFD per byte.
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = invalidPart(b)
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String()
}

// invalidPart is the length of the longest prefix of b that begins a valid
// sequence without completing it, at least 1. b must not start with a valid
// sequence.
func invalidPart(b []byte) int {
	lo, hi, want := byte(0x80), byte(0xBF), 0
	switch c := b[0]; {
	case 0xC2 <= c && c <= 0xDF:
		want = 1
	case c == 0xE0:
		lo, want = 0xA0, 2
	case c == 0xED:
		hi, want = 0x9F, 2
	case 0xE1 <= c && c <= 0xEF:
		want = 2
	case c == 0xF0:
		lo, want = 0x90, 3
	case c == 0xF4:
		hi, want = 0x8F, 3
	case 0xF1 <= c && c <= 0xF3:
		want = 3
	}
	n := 1
	for ; n <= want && n < len(b) && lo <= b[n] && b[n] <= hi; n++ {
		lo, hi = 0x80, 0xBF
	}
	return n
}
