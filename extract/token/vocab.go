package token

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// vocabulary maps tokens to ids, as the file has it.
type vocabulary struct {
	tokens []string
	ids    []int32
}

// vocab reads a map from token to id.
func (s *scanner) vocab() (v vocabulary) {
	// Some forty bytes a token, so that the slices need not grow and be copied.
	n := min((len(s.text)-s.pos)/40, maxTokens)
	v = vocabulary{make([]string, 0, n), make([]int32, 0, n)}
	s.entries(func(key string) {
		id := s.integer()
		switch {
		case s.err != nil:
		case id < 0 || id >= maxID:
			s.fail("token %.40q has id %d, want one from 0 to %d", key, id, maxID-1)
		case key == "":
			s.fail("empty token")
		case len(v.tokens) >= maxTokens:
			s.fail("more than %d tokens", maxTokens)
		default:
			v.tokens, v.ids = append(v.tokens, key), append(v.ids, int32(id))
		}
	})
	return v
}

func (s *scanner) model(m *bpe) (vocab vocabulary, merges []mergeText) {
	kind, seen := "BPE", map[string]bool{}
	s.object(func(key string) {
		if seen[key] {
			s.fail("repeated key")
		}
		seen[key] = true
		switch key {
		case "type":
			if kind = s.str(); kind != "BPE" {
				s.fail("model %q is not supported, only BPE is", kind)
			}
		case "vocab":
			if s.peek() != '{' {
				s.fail("want a BPE vocabulary, an object from token to id")
				return
			}
			vocab = s.vocab()
		case "merges":
			merges = s.merges()
		case "ignore_merges":
			m.whole = s.boolean()
		case "byte_fallback":
			m.fallback = s.boolean()
		case "unk_token":
			if !s.null() {
				m.unknown = s.str()
			}
		case "continuing_subword_prefix", "end_of_word_suffix":
			if !s.null() && s.str() != "" {
				s.fail("word affixes are not supported")
			}
		case "dropout":
			if !s.null() {
				if raw := s.raw(); raw != "0" && raw != "0.0" {
					s.fail("dropout is not supported")
				}
			}
		default:
			s.skip()
		}
	})
	for _, key := range []string{"vocab", "merges"} {
		if s.err == nil && !seen[key] {
			s.fail("no %s", key)
		}
	}
	return vocab, merges
}

// merges reads merges written as "a b" or as ["a", "b"].
func (s *scanner) merges() (out []mergeText) {
	out = make([]mergeText, 0, min((len(s.text)-s.pos)/20, maxMerges))
	s.array(func(i int) {
		var m mergeText
		if s.peek() == '[' {
			n := 0
			s.array(func(k int) {
				if n++; k == 0 {
					m.left = s.str()
				} else {
					m.right = s.str()
				}
			})
			if n != 2 {
				s.fail("merge %d has %d tokens, want 2", i, n)
			}
		} else {
			both, ok := s.str(), false
			if m.left, m.right, ok = strings.Cut(both, " "); !ok || strings.Contains(m.right, " ") {
				s.fail("merge %d: want two tokens with a space between them, have %.40q", i, both)
			}
		}
		if len(out) >= maxMerges {
			s.fail("more than %d merges", maxMerges)
			return
		}
		out = append(out, m)
	})
	return out
}

// build fills the tables. where names a merge in errors, before its number. Of
// repeated merges the first or the last counts.
func (m *bpe) build(v vocabulary, merges []mergeText, where string, firstCounts bool) error {
	if len(v.tokens) == 0 {
		return errors.New("empty vocabulary")
	}
	m.tokens = make([]string, int(slices.Max(v.ids))+1)
	m.count, m.names = len(v.tokens), newNames(m.tokens, len(v.tokens))
	for i, token := range v.tokens {
		id := v.ids[i]
		if other := m.tokens[id]; other != "" {
			return fmt.Errorf("tokens %.40q and %.40q both have id %d", other, token, id)
		}
		if m.tokens[id] = token; !m.names.add(id) {
			return fmt.Errorf("token %.40q occurs twice in the vocabulary", token)
		}
	}
	for b, r := range letters {
		id, ok := m.id(string(r))
		if !ok {
			if id = -1; m.unknown != "" || m.fallback {
				return fmt.Errorf("the vocabulary lacks byte 0x%02X (%q), and unknown tokens are not supported", b, r)
			}
		}
		m.start[b] = id
	}
	m.merges, m.made, m.ranks = make([]pair, 0, len(merges)), make([]int32, 0, len(merges)), newPairs(len(merges))
	var (
		both []byte
		next int32 // after the last token made
	)
	for i, text := range merges {
		left, okLeft := m.id(text.left)
		right, okRight := m.id(text.right)
		id := m.names.joined(text.left, text.right, next, &both)
		next = id + 1
		switch {
		case !okLeft:
			return fmt.Errorf("%s%d: token %.40q is not in the vocabulary", where, i+1, text.left)
		case !okRight:
			return fmt.Errorf("%s%d: token %.40q is not in the vocabulary", where, i+1, text.right)
		case id < 0:
			return fmt.Errorf("%s%d: token %.40q is not in the vocabulary", where, i+1, both)
		}
		if have, _ := m.ranks.find(left, right); have >= 0 && firstCounts {
			continue
		}
		m.ranks.set(left, right, int32(len(m.merges)))
		m.merges, m.made = append(m.merges, pair{left, right}), append(m.made, id)
	}
	return nil
}
