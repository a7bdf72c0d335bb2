package token

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"swaprun/extract/token/jinja"
)

// A Template is a chat template. It may be rendered concurrently.
type Template struct {
	Source string
	parsed *jinja.Template
}

// ParseTemplate parses the Jinja source of a chat template.
func ParseTemplate(source string) (*Template, error) {
	parsed, err := jinja.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return &Template{source, parsed}, nil
}

// Message is one turn of a chat. Its content is Parts, or Text without parts;
// templates tell a list of parts from a plain string.
type Message struct {
	Role  string
	Text  string
	Parts []Part
}

// Part is a piece of a message: an image, or text.
type Part struct {
	Type string // "image" or "text"
	Text string // of a text
}

// Question is the chat of a query: an image, then the question about it.
func Question(text string) []Message {
	return []Message{{Role: "user", Parts: []Part{{Type: "image"}, {Type: "text", Text: text}}}}
}

// QuestionAlone is the chat of a query without an image.
func QuestionAlone(text string) []Message {
	return []Message{{Role: "user", Parts: []Part{{Type: "text", Text: text}}}}
}

// Render renders a chat as transformers' apply_chat_template does. generation
// asks for the opening of the model's turn. special holds what the tokenizer
// declares (bos_token …, see [Tokenizer.Special]); nil means nothing.
func (t *Template) Render(messages []Message, generation bool, special map[string]string) (string, error) {
	chat := make([]any, len(messages))
	for i, m := range messages {
		var content any = m.Text
		if m.Parts != nil {
			parts := make([]any, len(m.Parts))
			for k, p := range m.Parts {
				d := jinja.NewDict("type", p.Type)
				if p.Type == "text" {
					d.Set("text", p.Text)
				}
				parts[k] = d
			}
			content = parts
		}
		chat[i] = jinja.NewDict("role", m.Role, "content", content)
	}
	vars := map[string]any{}
	for role, token := range special {
		vars[role] = token
	}
	vars["messages"], vars["add_generation_prompt"] = chat, generation
	vars["tools"], vars["documents"] = nil, nil
	text, err := t.parsed.Render(vars)
	if err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	return text, nil
}

// ErrNoTemplate means that a directory has no chat template of its own.
var ErrNoTemplate = errors.New("no chat template")

// ProcessorTemplate finds the chat template of a processor's directory and the
// name of its file: chat_template.json, else chat_template.jinja. The template
// inside tokenizer_config.json ([Tokenizer.ChatTemplate]) is the tokenizer's;
// no processor reads it. Without either file the error is ErrNoTemplate.
func ProcessorTemplate(dir string) (source, file string, err error) {
	return processorTemplate(os.DirFS(dir))
}

func processorTemplate(fsys fs.FS) (source, file string, err error) {
	file = "chat_template.json"
	text, ok, err := readFile(fsys, file)
	if err != nil {
		return "", "", err
	}
	if ok {
		s := newScanner(text)
		found := false
		s.object(func(key string) {
			if key == "chat_template" {
				source, found = s.chatTemplate(), true
			} else {
				s.skip()
			}
		})
		if err := s.end(); err != nil {
			return "", "", fmt.Errorf("%s: %w", file, err)
		}
		if !found {
			return "", "", fmt.Errorf("%s: no chat_template in it", file)
		}
		return source, file, nil
	}
	file = "chat_template.jinja"
	source, ok, err = readFile(fsys, file)
	if err != nil {
		return "", "", err
	}
	if !ok {
		return "", "", fmt.Errorf("%w: neither chat_template.json nor chat_template.jinja is there", ErrNoTemplate)
	}
	return source, file, nil
}
