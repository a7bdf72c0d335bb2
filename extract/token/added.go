package token

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Added token is matched in the text itself, before any splitting.
type Added struct {
	ID         int64
	Content    string
	Special    bool // dropped when decoding with skipSpecial
	Normalized bool // matched in the normalised text instead of the raw one
	SingleWord bool // only where no word character touches it
	LStrip     bool // takes the white space before it along
	RStrip     bool // takes the white space after it along
}

// maxAdded bounds the length of an added token in bytes, and so the work of
// looking for them at every position of a text.
const maxAdded = 1024

// addedTokens holds added tokens and finds them in texts.
type addedTokens struct {
	byID    map[int64]*Added
	byName  map[string]*Added
	largest int64 // id, -1 without tokens
	raw     *trie // Normalized == false
	normal  *trie // the others, by their normalised content
}

// add registers a token, as AddedVocabulary.add_tokens of tokenizers does: a
// token known already keeps its id and takes the new flags; a new one follows
// the largest added id, or the vocabulary. size is the number of tokens in the
// vocabulary and find looks a token up in it.
func (a *addedTokens) add(t Added, size int, find func(string) (int64, bool)) (int64, error) {
	if t.Content == "" {
		return 0, fmt.Errorf("added token without content")
	}
	if len(t.Content) > maxAdded {
		return 0, fmt.Errorf("added token %.20q… is longer than %d bytes", t.Content, maxAdded)
	}
	if a.byID == nil {
		a.byID, a.byName, a.largest = map[int64]*Added{}, map[string]*Added{}, -1
	}
	if old, ok := a.byName[t.Content]; ok {
		t.ID = old.ID
		t.Special = t.Special || old.Special // once special, always special
	} else if id, ok := find(t.Content); ok {
		t.ID = id
	} else {
		t.ID = max(a.largest+1, int64(size))
	}
	if t.ID >= maxID {
		return 0, fmt.Errorf("added token %q takes id %d, more than any vocabulary has", t.Content, t.ID)
	}
	a.byID[t.ID], a.byName[t.Content] = &t, &t
	a.largest = max(a.largest, t.ID)
	a.raw, a.normal = nil, nil
	return t.ID, nil
}

// index builds the tries, once all tokens are there.
func (a *addedTokens) index(normal func(string) string) {
	a.raw, a.normal = &trie{}, &trie{}
	for _, id := range a.ids() {
		t := a.byID[id]
		if t.Normalized {
			a.normal.insert(normal(t.Content), t)
		} else {
			a.raw.insert(t.Content, t)
		}
	}
}

// ids lists the ids in ascending order.
func (a *addedTokens) ids() []int64 {
	out := make([]int64, 0, len(a.byID))
	for id := range a.byID {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// trie finds, of all tokens that begin at a position, the longest.
type trie struct {
	next  map[byte]*trie
	token *Added
}

func (t *trie) insert(content string, token *Added) {
	for i := range len(content) {
		if t.next == nil {
			t.next = map[byte]*trie{}
		}
		n := t.next[content[i]]
		if n == nil {
			n = &trie{}
			t.next[content[i]] = n
		}
		t = n
	}
	t.token = token
}

func (t *trie) longest(text string) (token *Added, length int) {
	for i := range len(text) {
		if t = t.next[text[i]]; t == nil {
			break
		}
		if t.token != nil {
			token, length = t.token, i+1
		}
	}
	return token, length
}

// cut walks over text and calls token for every token found and rest for every
// non-empty stretch between them.
func (t *trie) cut(text string, token func(*Added), rest func(string)) {
	done := 0 // up to here text has been handed out
	if len(t.next) > 0 {
		for i := 0; i < len(text); {
			found, n := t.longest(text[i:])
			if found == nil {
				i++
				continue
			}
			start, end := i, i+n
			i = end // also when the match is discarded, as in the reference
			if found.SingleWord && (endsInWord(text[:start]) || beginsWithWord(text[end:])) {
				continue
			}
			if found.LStrip {
				start = max(len(strings.TrimRightFunc(text[:start], unicode.IsSpace)), done)
			}
			if found.RStrip {
				end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
			}
			if done < start {
				rest(text[done:start])
			}
			token(found)
			done = end
		}
	}
	if done < len(text) {
		rest(text[done:])
	}
}

func beginsWithWord(text string) bool {
	r, n := utf8.DecodeRuneInString(text)
	return n > 0 && isWord(r)
}

func endsInWord(text string) bool {
	r, n := utf8.DecodeLastRuneInString(text)
	return n > 0 && isWord(r)
}

// isWord is \w of Unicode Technical Standard 18, as Rust's regex has it.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc, unicode.Join_Control)
}
