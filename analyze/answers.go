package analyze

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// synonyms of the category words, as the released answer check knows them. One way only: "far" accepts
// "distant", nothing accepts "behind".
var synonyms = map[string][]string{
	"below": {"under", "beneath"},
	"close": {"near", "nearby"},
	"far":   {"distant"},
}

var opposite = map[string]string{
	"left": "right", "right": "left", "above": "below", "below": "above", "far": "close", "close": "far",
}

// CheckAnswer is the released check of a free-form answer against a category (left … close): right if the category's word or one of its
// synonyms occurs, and occurs before every word of the opposite. Words match anywhere, inside
// others too: "bright" is right, "closet" is close. letters gives the letters of the two categories in multiple-choice
// form ("a", "b"), nil in words: a bare letter (with . ) or , behind it) decides then, and "(a)" counts as a word.
// An unknown category is never right.
func CheckAnswer(answer, category string, letters map[string]string) bool {
	text := pythonLower(strings.TrimFunc(answer, pythonSpace))
	if text == "" || opposite[category] == "" {
		return false
	}
	want, other := wordsFor(category), wordsFor(opposite[category])
	if letters != nil {
		a, b := letters[category], letters[opposite[category]]
		for _, tail := range []string{"", ".", ")", ","} {
			switch text {
			case a + tail:
				return true
			case b + tail:
				return false
			}
		}
		want, other = append(want, "("+a+")"), append(other, "("+b+")")
	}
	at, before := earliest(text, want, strings.Index), earliest(text, other, strings.Index)
	return at >= 0 && (before < 0 || at < before)
}

// CheckAnswerWords is CheckAnswer with whole words only: a word counts where no letter or digit touches it, and a
// letter of the multiple-choice form may stand alone anywhere before the first word, as in "Answer: B.".
func CheckAnswerWords(answer, category string, letters map[string]string) bool {
	text := pythonLower(strings.TrimFunc(answer, pythonSpace))
	if text == "" || opposite[category] == "" {
		return false
	}
	want, other := wordsFor(category), wordsFor(opposite[category])
	at, before := earliest(text, want, indexWord), earliest(text, other, indexWord)
	if letters != nil && at < 0 && before < 0 {
		// An article is no letter: "a" counts where it is bracketed, ends the text, or punctuation follows.
		at, before = indexLetter(text, letters[category]), indexLetter(text, letters[opposite[category]])
	}
	return at >= 0 && (before < 0 || at < before)
}

// A Disagreement is an answer that the released check and the whole-word check judge differently.
type Disagreement struct {
	Pair     string `json:"pair"`
	Question string `json:"question"` // "original" or "swapped"
	Expected string `json:"expected"`
	Answer   string `json:"answer"`
	Released bool   `json:"released"`
	Words    bool   `json:"words"`
}

// CompareChecks judges one answer both ways; ok reports that they agree.
func CompareChecks(pair, question, answer, category string, letters map[string]string) (d Disagreement, ok bool) {
	d = Disagreement{
		Pair: pair, Question: question, Expected: category, Answer: answer,
		Released: CheckAnswer(answer, category, letters), Words: CheckAnswerWords(answer, category, letters),
	}
	return d, d.Released == d.Words
}

func (d Disagreement) String() string {
	return fmt.Sprintf("pair %s %s: %q against %s: released %t, whole words %t", d.Pair, d.Question, d.Answer, d.Expected, d.Released, d.Words)
}

func wordsFor(category string) []string {
	return append([]string{category}, synonyms[category]...)
}

// earliest returns the first byte offset at which index finds one of words, or -1.
func earliest(text string, words []string, index func(text, word string) int) int {
	first := -1
	for _, w := range words {
		if i := index(text, w); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	return first
}

// indexWord finds word where neither a letter nor a digit touches it.
func indexWord(text, word string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return -1
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(word):])
		if !inWord(before) && !inWord(after) { // RuneError, at either end, is in no word
			return i
		}
		from = i + len(word)
	}
}

func indexLetter(text, letter string) int {
	if letter == "" {
		return -1
	}
	for from := 0; ; {
		i := indexWord(text[from:], letter)
		if i < 0 {
			return -1
		}
		i += from
		rest := text[i+len(letter):]
		// indexWord looked no further back than from, where the last hit ended.
		if rest == "" || strings.ContainsAny(rest[:1], ".,:;)]") {
			return i
		}
		from = i + len(letter)
	}
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// pythonSpace is Python's str.isspace, which unlike unicode.IsSpace includes \x1c–\x1f.
func pythonSpace(r rune) bool {
	return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f
}

// pythonLower is Python's str.lower as far as it can matter here: full Unicode lower case, in which İ becomes i
// with a dot above, so that "RİGHT" holds no "right".
func pythonLower(s string) string {
	return strings.ToLower(strings.ReplaceAll(s, "İ", "i\u0307"))
}
