package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
