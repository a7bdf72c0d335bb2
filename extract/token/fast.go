package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mergeText is a merge as the file has it.
type mergeText struct{ left, right string }

// parseFast reads tokenizer.json. Members may come in any order.
func (t *Tokenizer) parseFast(text string) error {
	var (
		s      = newScanner(text)
		added  []Added
		vocab  vocabulary
		merges []mergeText
		seen   = map[string]bool{}
		parts  = map[string]component{}
	)
	s.object(func(key string) {
		if seen[key] {
			s.fail("repeated key")
		}
		seen[key] = true
		switch key {
		case "added_tokens":
			s.array(func(i int) {
				s.at(i, func() { added = append(added, s.added()) })
				if len(added) > maxTokens {
					s.fail("more than %d added tokens", maxTokens)
				}
			})
		case "normalizer", "pre_tokenizer", "post_processor", "decoder":
			parts[key] = s.component()
		case "model":
			vocab, merges = s.model(&t.model)
		default: // version; truncation and padding, which transformers resets
			s.skip()
		}
	})
	if err := s.end(); err != nil {
		return err
	}
	if !seen["model"] {
		return errors.New("$.model: missing")
	}
	if err := t.pipeline(parts); err != nil {
		return err
	}
	if err := t.model.build(vocab, merges, "$.model.merges, number ", false); err != nil {
		return err
	}
	for i, a := range added {
		id, err := t.add(a)
		if err != nil {
			return fmt.Errorf("$.added_tokens[%d]: %w", i, err)
		}
		if id != a.ID {
			return fmt.Errorf("$.added_tokens[%d]: %q is declared with id %d, but the tokenizers library would give it %d", i, a.Content, a.ID, id)
		}
	}
	return nil
}

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

// component is one stage of the pipeline in tokenizer.json.
type component struct {
	Type           string
	Normalizers    []component
	Pretokenizers  []component
	Processors     []component
	Decoders       []component
	Pattern        struct{ Regex, String *string }
	Behavior       string
	Invert         bool
	AddPrefixSpace bool  `json:"add_prefix_space"`
	UseRegex       *bool `json:"use_regex"`
}

// maxComponent bounds the text of a component in bytes.
const maxComponent = 1 << 20

func (s *scanner) component() (c component) {
	raw := s.raw()
	if s.err == nil && len(raw) > maxComponent {
		s.fail("longer than %d bytes", maxComponent)
	}
	if s.err == nil {
		if err := json.Unmarshal([]byte(raw), &c); err != nil {
			s.fail("%v", err)
		}
	}
	return c
}

// raw returns the text of the next value.
func (s *scanner) raw() string {
	s.space()
	start := s.pos
	s.skip()
	return s.text[start:s.pos]
}

// flat returns the stages of a component that may be a sequence.
func (c component) flat(path, list string, of func(component) []component) (stages []component, paths []string) {
	if c.Type != "Sequence" {
		if c.Type == "" {
			return nil, nil
		}
		return []component{c}, []string{path}
	}
	for i, stage := range of(c) {
		stages = append(stages, stage)
		paths = append(paths, path+"."+list+"["+strconv.Itoa(i)+"]")
	}
	return stages, paths
}

// pipeline takes over the stages around the model, refusing what it does not
// know: every one of them would change ids or texts.
func (t *Tokenizer) pipeline(parts map[string]component) error {
	stages, paths := parts["normalizer"].flat("$.normalizer", "normalizers", func(c component) []component { return c.Normalizers })
	for i, c := range stages {
		if c.Type != "NFC" {
			return fmt.Errorf("%s: normalizer %q is not supported, only NFC is", paths[i], c.Type)
		}
		t.normalize = true
	}
	if err := t.preTokenizer(parts["pre_tokenizer"]); err != nil {
		return err
	}
	stages, paths = parts["post_processor"].flat("$.post_processor", "processors", func(c component) []component { return c.Processors })
	for i, c := range stages {
		if c.Type != "ByteLevel" { // which moves offsets only
			return fmt.Errorf("%s: post-processor %q is not supported: it may add tokens", paths[i], c.Type)
		}
	}
	stages, _ = parts["decoder"].flat("$.decoder", "decoders", func(c component) []component { return c.Decoders })
	if len(stages) != 1 || stages[0].Type != "ByteLevel" {
		return errors.New("$.decoder: want a ByteLevel decoder")
	}
	return nil
}

func (t *Tokenizer) preTokenizer(c component) error {
	stages, paths := c.flat("$.pre_tokenizer", "pretokenizers", func(c component) []component { return c.Pretokenizers })
	if len(stages) == 0 {
		return errors.New("$.pre_tokenizer: want a Split and a ByteLevel stage, or ByteLevel alone")
	}
	last := stages[len(stages)-1]
	if last.Type != "ByteLevel" {
		return fmt.Errorf("%s: pre-tokenizer %q is not supported as the last stage, only ByteLevel is", paths[len(paths)-1], last.Type)
	}
	regex := last.UseRegex == nil || *last.UseRegex
	switch {
	case len(stages) == 1 && regex:
		t.split = splitGPT2
		t.prefixSpace = last.AddPrefixSpace
		if c.Type == "ByteLevel" {
			// transformers overrides the stage's own setting.
			t.prefixSpace = t.config.prefixSpace
		}
		return nil
	case len(stages) != 2 || regex || stages[0].Type != "Split":
		return errors.New("$.pre_tokenizer: want a Split and a ByteLevel stage without regex, or ByteLevel alone")
	case last.AddPrefixSpace:
		return fmt.Errorf("%s.add_prefix_space: a space before every word is not supported", paths[1])
	}
	split := stages[0]
	if split.Pattern.Regex == nil {
		return fmt.Errorf("%s.pattern: want a Regex", paths[0])
	}
	// The known patterns match every character, so nothing lies between
	// matches: to isolate them and to drop the rest comes to the same.
	if split.Behavior != "Isolated" && !(split.Behavior == "Removed" && split.Invert) {
		return fmt.Errorf("%s.behavior: %q with invert %t is not supported", paths[0], split.Behavior, split.Invert)
	}
	if t.split = splitterFor(*split.Pattern.Regex); t.split == nil {
		return fmt.Errorf("%s.pattern: %.200q is not supported, only the patterns of GPT-2, cl100k and Qwen2 are", paths[0], *split.Pattern.Regex)
	}
	return nil
}
