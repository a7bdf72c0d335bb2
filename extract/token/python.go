package token

import (
	"strings"
	"unicode"
)

// Strip removes white space at both ends as Python's str.strip does. That
// includes the separators U+001C … U+001F, which strings.TrimSpace keeps.
func Strip(s string) string { return strings.TrimFunc(s, isPythonSpace) }

// isPythonSpace is Python's str.isspace for one character: Unicode's
// White_Space and the separators U+001C … U+001F.
func isPythonSpace(r rune) bool {
	return unicode.IsSpace(r) || 0x1C <= r && r <= 0x1F
}

// cleanUp is transformers' clean_up_tokenization: it removes spaces around
// punctuation, one kind after another.
func cleanUp(s string) string {
	for _, old := range []string{" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"} {
		s = strings.ReplaceAll(s, old, strings.TrimSpace(old))
	}
	return s
}
