package token

import (
	"slices"
	"strconv"
)

// config is what tokenizer_config.json says that matters here.
type config struct {
	class        string
	special      map[string]Added // bos_token …, by role
	absent       map[string]bool  // roles declared as null
	additional   []Added
	decoder      []Added // added_tokens_decoder, or added_tokens.json, by ascending id
	decoderFile  string
	hasDecoder   bool
	prefixSpace  bool
	chatTemplate string
	cleanUp      bool
}

// specialRoles in the order in which transformers adds them.
var specialRoles = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// roles lists the declared special tokens, without repetitions.
func (c *config) roles() []Added {
	var out []Added
	for _, role := range specialRoles {
		if a, ok := c.special[role]; ok {
			out = append(out, a)
		}
	}
	out = append(out, c.additional...)
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(a Added) bool {
		again := seen[a.Content]
		seen[a.Content] = true
		return again
	})
}

func parseConfig(text string) (config, error) {
	c := config{special: map[string]Added{}, absent: map[string]bool{}, decoderFile: "tokenizer_config.json"}
	s := newScanner(text)
	s.object(func(key string) {
		switch {
		case key == "tokenizer_class" && !s.null():
			c.class = s.str()
		case key == "chat_template" && !s.null():
			c.chatTemplate = s.chatTemplate()
		case key == "add_prefix_space":
			c.prefixSpace = s.boolean()
		case key == "clean_up_tokenization_spaces":
			c.cleanUp = s.boolean()
		case key == "split_special_tokens":
			if s.boolean() {
				s.fail("special tokens as ordinary text are not supported")
			}
		case key == "added_tokens_decoder":
			c.hasDecoder = true
			s.object(func(key string) {
				id, err := strconv.ParseInt(key, 10, 64)
				if err != nil {
					s.fail("want an id as key")
				}
				a := s.added()
				a.ID = id
				c.decoder = append(c.decoder, a)
			})
		default:
			c.specialField(s, key)
		}
	})
	slices.SortStableFunc(c.decoder, func(a, b Added) int { return int(max(-1, min(1, a.ID-b.ID))) })
	return c, s.end()
}

// specialField reads a member that may declare special tokens.
func (c *config) specialField(s *scanner, key string) {
	switch {
	case key == "additional_special_tokens" && !s.null():
		s.array(func(i int) {
			s.at(i, func() { c.addAdditional(s.added()) })
		})
	case key == "extra_special_tokens" && s.peek() == '{':
		s.object(func(string) { c.addAdditional(s.added()) })
	case !slices.Contains(specialRoles, key):
		s.skip()
	case s.null():
		c.absent[key] = true
		delete(c.special, key)
	default:
		c.special[key] = s.added()
	}
}

func (c *config) addAdditional(a Added) {
	for _, have := range c.additional {
		if have.Content == a.Content {
			return
		}
	}
	c.additional = append(c.additional, a)
}

// classDefaults declares the special tokens that a class has unless the file
// says otherwise.
func (c *config) classDefaults() {
	var roles []string
	switch c.class {
	case "Qwen2Tokenizer", "Qwen2TokenizerFast":
		roles = []string{"eos_token", "unk_token", "pad_token"}
	case "GPT2Tokenizer", "GPT2TokenizerFast":
		roles = []string{"bos_token", "eos_token", "unk_token"}
	}
	for _, role := range roles {
		if _, ok := c.special[role]; !ok && !c.absent[role] {
			c.special[role] = Added{Content: "<|endoftext|>", Special: true}
		}
	}
}

func (c *config) parseSpecialMap(text string) error {
	if c.special == nil {
		c.special, c.absent = map[string]Added{}, map[string]bool{}
	}
	s := newScanner(text)
	s.object(func(key string) { c.specialField(s, key) })
	return s.end()
}

// parseAddedTokens reads added_tokens.json, a map from token to id.
func (c *config) parseAddedTokens(text string) error {
	special := map[string]bool{}
	for _, a := range c.roles() {
		special[a.Content] = true
	}
	s := newScanner(text)
	s.object(func(key string) {
		a := Added{ID: s.integer(), Content: key, Special: special[key], Normalized: !special[key]}
		c.decoder = append(c.decoder, a)
	})
	slices.SortStableFunc(c.decoder, func(a, b Added) int { return int(max(-1, min(1, a.ID-b.ID))) })
	return s.end()
}

// chatTemplate reads a template, or of several named ones the default.
func (s *scanner) chatTemplate() (template string) {
	if s.peek() != '[' {
		return s.str()
	}
	s.array(func(i int) {
		s.at(i, func() {
			var name, text string
			s.object(func(key string) {
				switch key {
				case "name":
					name = s.str()
				case "template":
					text = s.str()
				default:
					s.skip()
				}
			})
			if name == "default" {
				template = text
			}
		})
	})
	return template
}

// added reads an added token: its content alone, which makes it special, or an
// object with its flags.
func (s *scanner) added() Added {
	if s.peek() == '"' {
		return Added{Content: s.str(), Special: true}
	}
	var a Added
	normalized, seen := false, map[string]bool{}
	s.object(func(key string) {
		if seen[key] {
			s.fail("repeated key")
		}
		seen[key] = true
		switch key {
		case "id":
			a.ID = s.integer()
		case "content":
			a.Content = s.str()
		case "special":
			a.Special = s.boolean()
		case "normalized":
			normalized = true
			a.Normalized = s.boolean()
		case "single_word":
			a.SingleWord = s.boolean()
		case "lstrip":
			a.LStrip = s.boolean()
		case "rstrip":
			a.RStrip = s.boolean()
		default:
			s.skip()
		}
	})
	if !normalized {
		a.Normalized = !a.Special
	}
	if s.err == nil && a.Content == "" {
		s.fail("added token without content")
	}
	return a
}
