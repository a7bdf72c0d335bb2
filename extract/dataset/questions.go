package dataset

import (
	"fmt"
	"regexp"
	"strings"
)

// A Form is how questions ask for their answer.
type Form string

const (
	Words  Form = "words"  // "Answer with only one word."
	Choice Form = "choice" // "(A) left  (B) right  Answer with a single letter A or B."
)

// The templates of the released code. %[1]s is the first object, %[2]s the second.
var templates = map[string]string{
	"horizontal": "Is the %[1]s to the left or right of the %[2]s?",
	"vertical":   "Is the %[1]s above or below the %[2]s?",
	"distance":   "Compared to %[2]s, is %[1]s far or close from you?",
}

// wordTail ends a question that is answered by a word.
const wordTail = " Answer with only one word."

// letterTail ends a question that is answered by a letter.
func letterTail(letters map[string]string) string {
	var a, b string
	for word, letter := range letters {
		if letter == "a" {
			a = word
		} else {
			b = word
		}
	}
	return " (A) " + a + "  (B) " + b + "  Answer with a single letter A or B."
}

// ask builds the original question and its swap. category is the truth of the original. In
// multiple-choice form (A) is the canonical direction where even, the opposite where not: the released code alternates with
// the number of pairs accepted so far.
func ask(category, first, second string, form Form, even bool) (original, swapped Question) {
	axis := axisOf[category]
	tail := wordTail
	var letters map[string]string
	if form == Choice {
		a := canonicalOf[axis]
		if !even {
			a = oppositeOf[a]
		}
		b := oppositeOf[a]
		letters = map[string]string{a: "a", b: "b"}
		tail = letterTail(letters)
	}
	original = Question{Text: fmt.Sprintf(templates[axis], first, second) + tail, Answer: category, Letters: letters}
	swapped = Question{Text: fmt.Sprintf(templates[axis], second, first) + tail, Answer: oppositeOf[category], Letters: letters}
	return original, swapped
}

// objectPatterns find the two objects in a benchmark question, tried in this order; the first that matches
// anywhere decides. The closing "in" needs no word end, so "interact" satisfies the second and the third never
// decides, nor does the fifth: kept as they are released.
var objectPatterns = compilePatterns(
	`between\s+(.+?)\s+and\s+(.+?)\s+in`,
	`of\s+(.+?)\s+and\s+(.+?)\s+in`,
	`positions\s+of\s+(.+?)\s+and\s+(.+?)\s+interact`,
	`How\s+are\s+(.+?)\s+and\s+(.+?)\s+positioned`,
	`arrangement\s+of\s+(.+?)\s+and\s+(.+?)\s+in`,
)

// compilePatterns rewrites Python's meaning of a pattern into Go's: white space is Unicode's (with \v and \x1c–\x1f), and
// an i matches its Turkish forms when case is ignored.
func compilePatterns(patterns ...string) []*regexp.Regexp {
	const space = `[\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]`
	var out []*regexp.Regexp
	for _, p := range patterns {
		p = strings.ReplaceAll(p, "i", `[iİı]`)
		p = strings.ReplaceAll(p, `\s`, space)
		out = append(out, regexp.MustCompile(`(?i)`+p))
	}
	return out
}

// objectsOf returns the two objects a benchmark question names.
func objectsOf(question string) (first, second string, ok bool) {
	for _, p := range objectPatterns {
		if m := p.FindStringSubmatch(question); m != nil {
			return trimSpace(m[1]), trimSpace(m[2]), true
		}
	}
	return "", "", false
}

// isSpace is Python's str.isspace for one rune; unicode.IsSpace lacks \x1c–\x1f.
func isSpace(r rune) bool {
	switch {
	case '\t' <= r && r <= '\r', 0x1c <= r && r <= 0x20, r == 0x85, r == 0xa0, r == 0x1680, 0x2000 <= r && r <= 0x200a,
		r == 0x2028, r == 0x2029, r == 0x202f, r == 0x205f, r == 0x3000:
		return true
	}
	return false
}

func trimSpace(s string) string { return strings.TrimFunc(s, isSpace) }
