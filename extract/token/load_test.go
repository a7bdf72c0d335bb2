package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// tiny is a tokenizer.json with the 256 bytes, "ab" and "abc".
func tiny(change func(doc, model map[string]any)) []byte {
	vocab := map[string]any{}
	for b, r := range letters {
		vocab[string(r)] = b
	}
	vocab["ab"], vocab["abc"] = 256, 257
	model := map[string]any{"type": "BPE", "vocab": vocab, "merges": []any{"a b", []any{"ab", "c"}}}
	doc := map[string]any{
		"added_tokens":  []any{map[string]any{"id": 258, "content": "<end>", "special": true, "normalized": false}},
		"normalizer":    nil,
		"pre_tokenizer": map[string]any{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
		"decoder":       map[string]any{"type": "ByteLevel"},
		"model":         model,
	}
	if change != nil {
		change(doc, model)
	}
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		panic(err)
	}
	return raw.Bytes()
}

func loadBytes(raw []byte) (*Tokenizer, error) {
	return LoadFS(fstest.MapFS{"tokenizer.json": {Data: raw}})
}

type object = map[string]any

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		want   string // in the error
		change func(doc, model map[string]any)
	}{
		{`$.model.type`, func(_, m object) { m["type"] = "Unigram" }},
		{`$.model: no vocab`, func(_, m object) { delete(m, "vocab") }},
		{`$.model: no merges`, func(_, m object) { delete(m, "merges") }},
		{`$.model: missing`, func(d, _ object) { delete(d, "model") }},
		{`empty vocabulary`, func(_, m object) { m["vocab"] = object{} }},
		{`$.model.vocab`, func(_, m object) { m["vocab"] = []any{[]any{"a", -1.5}} }},
		{`token "zz" has id -1`, func(_, m object) { m["vocab"].(object)["zz"] = -1 }},
		{`token "zz" has id 99999999`, func(_, m object) { m["vocab"].(object)["zz"] = 99999999 }},
		{`want a whole number`, func(_, m object) { m["vocab"].(object)["zz"] = 1.5 }},
		{`both have id 3`, func(_, m object) { m["vocab"].(object)["zz"] = 3 }},
		{`empty token`, func(_, m object) { m["vocab"].(object)[""] = 300 }},
		{`number 3: token "q" is not in the vocabulary`, func(_, m object) {
			delete(m["vocab"].(object), "q")
			m["merges"] = append(m["merges"].([]any), "a q")
		}},
		{`token "ac" is not in the vocabulary`, func(_, m object) { m["merges"] = []any{"a c"} }},
		{`merge 0: want two tokens`, func(_, m object) { m["merges"] = []any{"ab"} }},
		{`merge 0: want two tokens`, func(_, m object) { m["merges"] = []any{"a b c"} }},
		{`merge 0 has 3 tokens`, func(_, m object) { m["merges"] = []any{[]any{"a", "b", "c"}} }},
		{`merge 0 has 1 tokens`, func(_, m object) { m["merges"] = []any{[]any{"a"}} }},
		{`$.model.dropout: dropout is not supported`, func(_, m object) { m["dropout"] = 0.1 }},
		{`$.model.continuing_subword_prefix`, func(_, m object) { m["continuing_subword_prefix"] = "##" }},
		{`lacks byte 0x7A`, func(_, m object) { m["unk_token"] = "a"; delete(m["vocab"].(object), "z") }},
		{`lacks byte 0x7A`, func(_, m object) { m["byte_fallback"] = true; delete(m["vocab"].(object), "z") }},
		{`$.normalizer: normalizer "Lowercase"`, func(d, _ object) { d["normalizer"] = object{"type": "Lowercase"} }},
		{`$.normalizer.normalizers[1]`, func(d, _ object) {
			d["normalizer"] = object{"type": "Sequence", "normalizers": []any{object{"type": "NFC"}, object{"type": "NFKC"}}}
		}},
		{`$.pre_tokenizer: want`, func(d, _ object) { d["pre_tokenizer"] = nil }},
		{`pre-tokenizer "Whitespace"`, func(d, _ object) { d["pre_tokenizer"] = object{"type": "Whitespace"} }},
		{`$.pre_tokenizer.pretokenizers[0].pattern: "\\w+"`, func(d, _ object) { d["pre_tokenizer"] = splitting(object{"Regex": `\w+`}, "Isolated") }},
		{`$.pre_tokenizer.pretokenizers[0].pattern: want a Regex`, func(d, _ object) { d["pre_tokenizer"] = splitting(object{"String": " "}, "Isolated") }},
		{`$.pre_tokenizer.pretokenizers[0].behavior`, func(d, _ object) { d["pre_tokenizer"] = splitting(object{"Regex": patternQwen2}, "MergedWithNext") }},
		{`$.post_processor: post-processor "TemplateProcessing"`, func(d, _ object) { d["post_processor"] = object{"type": "TemplateProcessing"} }},
		{`$.decoder: want`, func(d, _ object) { d["decoder"] = nil }},
		{`$.decoder: want`, func(d, _ object) { d["decoder"] = object{"type": "Metaspace"} }},
		{`declared with id 300`, func(d, _ object) { d["added_tokens"] = []any{object{"id": 300, "content": "<x>"}} }},
		{`$.added_tokens[0]: added token without content`, func(d, _ object) { d["added_tokens"] = []any{object{"id": 258, "content": ""}} }},
		{`$.added_tokens[0]`, func(d, _ object) {
			d["added_tokens"] = []any{object{"id": 258, "content": strings.Repeat("x", maxAdded+1)}}
		}},
		{`$.added_tokens[0].special: want true or false`, func(d, _ object) { d["added_tokens"] = []any{object{"id": 258, "special": 1}} }},
	} {
		_, err := loadBytes(tiny(c.change))
		if err == nil {
			t.Errorf("no error, want %s", c.want)
		} else if !strings.Contains(message(err), c.want) || !strings.Contains(err.Error(), "tokenizer.json") {
			t.Errorf("error %q, want %q and the file", err, c.want)
		}
	}
}

var offset = regexp.MustCompile(` \(byte \d+\)`)

// message is an error's text without offsets.
func message(err error) string { return offset.ReplaceAllString(err.Error(), "") }

func splitting(pattern object, behavior string) object {
	return object{"type": "Sequence", "pretokenizers": []any{
		object{"type": "Split", "pattern": pattern, "behavior": behavior, "invert": false},
		object{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
	}}
}

func TestRefusedSyntax(t *testing.T) {
	good := string(tiny(nil))
	if _, err := loadBytes([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"empty":             "",
		"a list":            "[]",
		"cut short":         good[:len(good)-3],
		"something after":   good + "{}",
		"a zero byte after": good + "\x00",
		"not UTF-8":         strings.Replace(good, "<end>", "<\xff>", 1),
		"half a surrogate":  strings.Replace(good, "<end>", `<\ud800>`, 1),
		"a bare escape":     strings.Replace(good, "<end>", `<\x41>`, 1),
		"a control":         strings.Replace(good, "<end>", "<\n>", 1),
		"a comma too many":  strings.Replace(good, `"id":258`, `"id":258,`, 1),
		"twice the model":   strings.Replace(good, `"normalizer":null`, `"model":{}`, 1),
		"twice a token":     strings.Replace(good, `"ab":256`, `"ab":256,"ab":300`, 1),
		"a leading zero":    strings.Replace(good, `"ab":256`, `"ab":0256`, 1),
		"deep":              strings.Replace(good, `"normalizer":null`, `"version":`+strings.Repeat("[", 100000)+strings.Repeat("]", 100000), 1),
		"deep objects":      strings.Replace(good, `"normalizer":null`, `"version":`+strings.Repeat(`{"a":`, 100000)+"1"+strings.Repeat("}", 100000), 1),
		"a huge key":        `{"` + strings.Repeat("k", 1<<20) + `":?}`,
	} {
		_, err := loadBytes([]byte(raw))
		var at *JSONError
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if len(err.Error()) > 1000 {
			t.Errorf("%s: error of %d bytes", name, len(err.Error()))
		} else if !errors.As(err, &at) && name != "twice a token" {
			t.Errorf("%s: error without a position: %v", name, err)
		}
	}
}

func TestRefusedDirectories(t *testing.T) {
	vocab := string(must(json.Marshal(tinyVocab())))
	qwen := `{"tokenizer_class": "Qwen2Tokenizer"}`
	for _, c := range []struct {
		want  string
		files map[string]string
	}{
		{"no tokenizer.json, and no vocab.json", nil},
		{"vocab.json without merges.txt", map[string]string{"vocab.json": vocab}},
		{"does not name a tokenizer_class", map[string]string{"vocab.json": vocab, "merges.txt": "a b"}},
		{`tokenizer_class "LlamaTokenizer"`, map[string]string{"vocab.json": vocab, "merges.txt": "a b", "tokenizer_config.json": `{"tokenizer_class": "LlamaTokenizer"}`}},
		{"merges.txt: line 2: want two tokens", map[string]string{"vocab.json": vocab, "merges.txt": "#version: 0.2\na\n", "tokenizer_config.json": qwen}},
		{"merges.txt, merge 1: token \"qq\"", map[string]string{"vocab.json": vocab, "merges.txt": "qq b", "tokenizer_config.json": qwen}},
		{"tokenizer_config.json: $.tokenizer_class", map[string]string{"tokenizer_config.json": `{"tokenizer_class": 1}`}},
		{"$.split_special_tokens", map[string]string{"tokenizer_config.json": `{"split_special_tokens": true}`}},
		{"$.added_tokens_decoder.x: want an id", map[string]string{"tokenizer_config.json": `{"added_tokens_decoder": {"x": {"content": "y"}}}`}},
		{"declared with id 9", map[string]string{"tokenizer.json": string(tiny(nil)), "tokenizer_config.json": `{"added_tokens_decoder": {"9": {"content": "y"}}}`}},
		{"special_tokens_map.json: $.eos_token", map[string]string{"tokenizer.json": string(tiny(nil)), "special_tokens_map.json": `{"eos_token": 3}`}},
		{"added_tokens.json: $.x", map[string]string{"tokenizer.json": string(tiny(nil)), "added_tokens.json": `{"x": "y"}`}},
	} {
		files := fstest.MapFS{}
		for name, text := range c.files {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if _, err := LoadFS(files); err == nil || !strings.Contains(message(err), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func tinyVocab() object {
	vocab := object{"ab": 256}
	for b, r := range letters {
		vocab[string(r)] = b
	}
	return vocab
}

func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

// A file that claims to be enormous is not read.
func TestHugeFile(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 40); err != nil {
		t.Skip("no sparse files here")
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v", err)
	}
}

// The digest depends on what a file says, not on how it says it.
func TestDigestIsCanonical(t *testing.T) {
	want := mustLoad(t, tiny(nil)).Digest()
	same := tiny(func(d, m object) {
		d["version"], d["truncation"], d["normalizer"] = "1.0", object{"max_length": 3}, object{"type": "Sequence", "normalizers": []any{}}
		m["merges"] = []any{[]any{"a", "b"}, "ab c"}
		d["pre_tokenizer"] = object{"type": "ByteLevel", "trim_offsets": true}
	})
	if mustLoad(t, same).Digest() != want {
		t.Error("the same content gives another digest")
	}
	indented, err := json.MarshalIndent(json.RawMessage(same), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if mustLoad(t, indented).Digest() != want {
		t.Error("indenting gives another digest")
	}
	for i, change := range []func(d, m object){
		func(d, m object) { d["normalizer"] = object{"type": "NFC"} },
		func(d, m object) { m["ignore_merges"] = true },
		func(d, m object) { m["merges"] = []any{"a b"} },
		func(d, m object) { m["vocab"].(object)["x y"] = 258; d["added_tokens"] = []any{} },
		func(d, m object) { d["added_tokens"] = []any{} },
		func(d, m object) { d["added_tokens"].([]any)[0].(object)["special"] = false },
		func(d, m object) { d["added_tokens"].([]any)[0].(object)["lstrip"] = true },
		func(d, m object) { d["pre_tokenizer"] = splitting(object{"Regex": patternQwen2}, "Isolated") },
	} {
		if mustLoad(t, tiny(change)).Digest() == want {
			t.Errorf("change %d leaves the digest as it is", i)
		}
	}
}

func mustLoad(t *testing.T, raw []byte) *Tokenizer {
	t.Helper()
	tok, err := loadBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// Whatever a file holds, loading ends with a tokenizer or an error.
func FuzzLoad(f *testing.F) {
	f.Add(tiny(nil), []byte(`{"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<end>"}`), []byte("{}"))
	f.Add([]byte("{}"), []byte(`{"added_tokens_decoder": {"258": {"content": "<end>", "special": true}}}`), []byte(`{"<x>": 258}`))
	f.Add(tiny(func(d, m object) { d["normalizer"] = object{"type": "NFC"} }), []byte(`{"additional_special_tokens": ["a", {"content": "b"}]}`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, tokenizer, config, added []byte) {
		tok, err := LoadFS(fstest.MapFS{"tokenizer.json": {Data: tokenizer}, "tokenizer_config.json": {Data: config}, "added_tokens.json": {Data: added}})
		if err != nil {
			return
		}
		tok.Digest()
		tok.Decode(tok.Encode("ab c <end>é"), false)
	})
}

// Reading a value and skipping it must agree on where it ends, and so must
// encoding/json.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{`{"a": [1, -2.5e3, "x\u00e9\n", null, true, {}]}`, `[[[]]]`, `"\ud83d\ude00"`, `01`, `{"a":1,}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		s := newScanner(doc)
		s.skip()
		err := s.end()
		if err == nil && !json.Valid([]byte(doc)) {
			t.Errorf("%q passes, but is not JSON", doc)
		}
		if strings.HasPrefix(doc, `"`) && err == nil {
			var want string
			if err := json.Unmarshal([]byte(doc), &want); err != nil {
				t.Fatal(err)
			}
			if got := newScanner(doc).str(); got != want {
				t.Errorf("%s is %q, want %q", doc, got, want)
			}
		}
	})
}

func ExampleTokenizer_Encode() {
	tok, err := loadBytes(tiny(nil))
	if err != nil {
		panic(err)
	}
	ids := tok.Encode("abcab<end>")
	fmt.Println(ids, tok.Decode(ids, true))
	// Output: [257 256 258] abcab
}
