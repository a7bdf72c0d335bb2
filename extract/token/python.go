package token

import "unicode"

// isPythonSpace is Python's str.isspace for one character: Unicode's
// White_Space and the separators U+001C … U+001F.
func isPythonSpace(r rune) bool {
	return unicode.IsSpace(r) || 0x1C <= r && r <= 0x1F
}
