package token

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxFile bounds a tokenizer file. The largest published tokenizer.json has
// 35 MB.
const maxFile = 64 << 20

// Load reads the tokenizer of a Hugging Face directory: tokenizer.json, or
// without it vocab.json and merges.txt; and beside either, where present,
// tokenizer_config.json, and with nothing declared in it added_tokens.json and
// special_tokens_map.json. This is what AutoTokenizer.from_pretrained does.
func Load(dir string) (*Tokenizer, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("load tokenizer: %s is not a directory", dir)
	}
	t, err := LoadFS(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return t, nil
}

// LoadFS is Load for the files at the root of a file system.
func LoadFS(fsys fs.FS) (*Tokenizer, error) {
	l := loader{fsys: fsys, t: &Tokenizer{}}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	return l.t, nil
}

type loader struct {
	fsys fs.FS
	t    *Tokenizer
}

// read returns a file's text; ok is false if there is none.
func (l *loader) read(name string) (text string, ok bool, err error) {
	text, ok, err = readFile(l.fsys, name)
	if ok {
		l.t.files = append(l.t.files, name)
	}
	return text, ok, err
}

// readFile returns a file's text; ok is false if there is none.
func readFile(fsys fs.FS, name string) (text string, ok bool, err error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", false, err
	}
	if !info.Mode().IsRegular() {
		return "", false, fmt.Errorf("%s is not a regular file", name)
	}
	if info.Size() > maxFile {
		return "", false, fmt.Errorf("%s has %d bytes, more than the %d that any tokenizer needs", name, info.Size(), maxFile)
	}
	var b strings.Builder
	b.Grow(int(info.Size()))
	// The file may still grow, or be one whose size the system does not know.
	if _, err := io.Copy(&b, io.LimitReader(f, maxFile+1)); err != nil {
		return "", false, fmt.Errorf("%s: %w", name, err)
	}
	if b.Len() > maxFile {
		return "", false, fmt.Errorf("%s has more than the %d bytes that any tokenizer needs", name, maxFile)
	}
	return b.String(), true, nil
}

func (l *loader) load() error {
	text, ok, err := l.read("tokenizer_config.json")
	if err != nil {
		return err
	}
	if ok {
		if l.t.config, err = parseConfig(text); err != nil {
			return fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	text, fast, err := l.read("tokenizer.json")
	if err != nil {
		return err
	}
	if fast {
		if err := l.t.parseFast(text); err != nil {
			return fmt.Errorf("tokenizer.json: %w", err)
		}
	} else if err := l.slow(); err != nil {
		return err
	}
	return l.addDeclared()
}

// addDeclared adds what tokenizer_config.json and the two older files declare
// and the tokenizer lacks, as PreTrainedTokenizerFast.__init__ does.
func (l *loader) addDeclared() error {
	c := &l.t.config
	c.classDefaults()
	if !c.hasDecoder {
		if err := l.legacy(); err != nil {
			return err
		}
	}
	roles := c.roles()
	special := map[string]bool{}
	for _, a := range roles {
		special[a.Content] = true
	}
	for _, a := range c.decoder {
		a.Special = a.Special || special[a.Content]
		id, err := l.t.add(a)
		if err != nil {
			return fmt.Errorf("%s: %w", c.decoderFile, err)
		}
		if id != a.ID {
			return fmt.Errorf("%s: added token %q is declared with id %d, but the tokenizers library would give it %d", c.decoderFile, a.Content, a.ID, id)
		}
	}
	for _, a := range roles {
		if _, ok := l.t.added.byName[a.Content]; ok {
			continue
		}
		a.Special = true
		if _, err := l.t.add(a); err != nil {
			return fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	l.t.added.index(l.t.normal)
	return nil
}

// legacy reads the two files that transformers consults when
// tokenizer_config.json has no added_tokens_decoder. One bug of 4.57.6 is not
// followed: with both files and additional tokens in the map, it takes the last
// token of added_tokens.json for the role of the last additional one.
func (l *loader) legacy() error {
	c := &l.t.config
	text, ok, err := l.read("special_tokens_map.json")
	if err != nil {
		return err
	}
	if ok {
		if err := c.parseSpecialMap(text); err != nil {
			return fmt.Errorf("special_tokens_map.json: %w", err)
		}
	}
	text, ok, err = l.read("added_tokens.json")
	if err != nil || !ok {
		return err
	}
	c.decoderFile = "added_tokens.json"
	if err := c.parseAddedTokens(text); err != nil {
		return fmt.Errorf("added_tokens.json: %w", err)
	}
	return nil
}

// slow reads vocab.json and merges.txt and sets up what transformers converts
// them to.
func (l *loader) slow() error {
	t := l.t
	text, ok, err := l.read("vocab.json")
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("no tokenizer.json, and no vocab.json either")
	}
	s := newScanner(text)
	vocab := s.vocab()
	if err := s.end(); err != nil {
		return fmt.Errorf("vocab.json: %w", err)
	}
	text, ok, err = l.read("merges.txt")
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("no tokenizer.json, and vocab.json without merges.txt")
	}
	class := strings.TrimSuffix(t.config.class, "Fast")
	switch class {
	case "Qwen2Tokenizer":
		t.normalize, t.split = true, splitQwen2
	case "GPT2Tokenizer":
		t.split, t.prefixSpace = splitGPT2, t.config.prefixSpace
	case "":
		return errors.New("no tokenizer.json, and tokenizer_config.json does not name a tokenizer_class")
	default:
		return fmt.Errorf("tokenizer_config.json: tokenizer_class %q without a tokenizer.json is not supported, only Qwen2Tokenizer and GPT2Tokenizer are", t.config.class)
	}
	merges, err := mergeLines(text, class == "GPT2Tokenizer")
	if err != nil {
		return fmt.Errorf("merges.txt: %w", err)
	}
	// The converter numbers distinct merges in the order of their first line.
	if err := t.model.build(vocab, merges, "merges.txt, merge ", true); err != nil {
		return fmt.Errorf("vocab.json: %w", err)
	}
	return nil
}

// mergeLines reads merges.txt. GPT2Tokenizer drops the first line whatever it
// says, Qwen2Tokenizer only a version.
func mergeLines(text string, dropFirst bool) ([]mergeText, error) {
	out := make([]mergeText, 0, min(len(text)/8, maxMerges))
	for number := 1; text != ""; number++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		line = Strip(line)
		if line == "" || number == 1 && (dropFirst || strings.HasPrefix(line, "#version:")) {
			continue
		}
		left, right, ok := strings.Cut(line, " ")
		if right = Strip(right); !ok || strings.Contains(right, " ") {
			return nil, fmt.Errorf("line %d: want two tokens, have %.40q", number, line)
		}
		if len(out) >= maxMerges {
			return nil, fmt.Errorf("more than %d merges", maxMerges)
		}
		out = append(out, mergeText{left, right})
	}
	return out, nil
}
