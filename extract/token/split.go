package token

import (
	"unicode"
	"unicode/utf8"
)

// A splitter cuts a text into the words that byte-pair merging never crosses.
//
// The patterns of byte-level BPE tokenizers need a look-ahead, which Go's
// regexp refuses, and only three are in use; so each is matched by hand, in
// one pass, trying the branches in the order in which they are written. That
// is exact (a backtracking engine commits to the first branch that matches
// too) and cannot be made slow by a hostile text. Other patterns are refused.
type splitter struct {
	name    string
	pattern string
	next    func(text string) int // length of the word at the start of text, which is not empty
}

// Patterns as they stand in tokenizer.json.
const (
	patternQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternCL100K = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternGPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
)

var (
	splitQwen2  = &splitter{"qwen2", patternQwen2, func(t string) int { return nextCL100K(t, 1) }}
	splitCL100K = &splitter{"cl100k", patternCL100K, func(t string) int { return nextCL100K(t, 3) }}
	splitGPT2   = &splitter{"gpt2", patternGPT2, nextGPT2}
)

// splitterFor finds the matcher of a pattern, nil if there is none.
func splitterFor(pattern string) *splitter {
	for _, s := range []*splitter{splitQwen2, splitCL100K, splitGPT2} {
		if s.pattern == pattern {
			return s
		}
	}
	return nil
}

// class is what the patterns tell characters apart by.
type class uint8

const (
	other   class = iota // neither of the following
	letter               // \p{L}
	number               // \p{N}
	space                // \s, Unicode's White_Space, except:
	newline              // \r and \n
)

var asciiClass = func() (table [utf8.RuneSelf]class) {
	for r := range rune(utf8.RuneSelf) {
		table[r] = classOf(r)
	}
	table['\r'], table['\n'] = newline, newline
	return table
}()

func classOf(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	case unicode.Is(newLetters, r):
		return letter
	case unicode.Is(newNumbers, r):
		return number
	}
	return other
}

// first returns the class and length of the first character, length 0 at the end.
func first(t string) (class, int) {
	if t == "" {
		return other, 0
	}
	if t[0] < utf8.RuneSelf {
		return asciiClass[t[0]], 1
	}
	r, n := utf8.DecodeRuneInString(t)
	return classOf(r), n
}

// run returns the length of the longest prefix of t made of class c.
func run(t string, c class) int {
	i := 0
	for {
		k, n := first(t[i:])
		if n == 0 || k != c {
			return i
		}
		i += n
	}
}

// nextCL100K matches cl100k's pattern with at most digits numbers a word.
func nextCL100K(t string, digits int) int {
	if t[0] == '\'' {
		if n := contraction(t, true); n > 0 {
			return n
		}
	}
	c, n := first(t)
	switch c {
	case letter:
		return run(t, letter)
	case number:
		i := n
		for k := 1; k < digits; k++ {
			c, n := first(t[i:])
			if n == 0 || c != number {
				break
			}
			i += n
		}
		return i
	case space, other:
		// [^\r\n\p{L}\p{N}]?\p{L}+ takes one foreign character before letters.
		if m := run(t[n:], letter); m > 0 {
			return n + m
		}
	}
	lead := 0
	if t[0] == ' ' {
		lead = 1
	}
	if m := run(t[lead:], other); m > 0 {
		return lead + m + run(t[lead+m:], newline)
	}
	return white(t, true)
}

// nextGPT2 matches GPT-2's pattern.
func nextGPT2(t string) int {
	if t[0] == '\'' {
		if n := contraction(t, false); n > 0 {
			return n
		}
	}
	lead := 0
	if t[0] == ' ' {
		lead = 1
	}
	if c, n := first(t[lead:]); n > 0 && c != space && c != newline {
		return lead + run(t[lead:], c)
	}
	return white(t, false)
}

// white matches the white space branches, \s*[\r\n]+ (if lines is set),
// \s+(?!\S) and \s+. Greedy \s* followed by [\r\n]+ ends after the last line
// end of the run. The look-ahead gives up one character when a word follows,
// so that the word can begin with it.
func white(t string, lines bool) int {
	end, last, lineEnd := 0, 0, 0
	for {
		c, n := first(t[end:])
		if n == 0 || c != space && c != newline {
			break
		}
		last, end = end, end+n
		if c == newline {
			lineEnd = end
		}
	}
	switch {
	case lines && lineEnd > 0:
		return lineEnd
	case end < len(t) && last > 0:
		return last
	}
	return end
}

// contraction matches 's, 't, 're, 've, 'm, 'll and 'd. Ignoring case, ſ
// (U+017F, long s) is an s too, as in the engine that the reference uses.
func contraction(t string, fold bool) int {
	lower := func(i int) byte {
		if i >= len(t) {
			return 0
		}
		c := t[i]
		if fold && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}
	switch a, b := lower(1), lower(2); {
	case a == 's', a == 't', a == 'm', a == 'd':
		return 2
	case a == 'r' && b == 'e', a == 'v' && b == 'e', a == 'l' && b == 'l':
		return 3
	case fold && len(t) >= 3 && t[1:3] == "ſ":
		return 3
	}
	return 0
}
