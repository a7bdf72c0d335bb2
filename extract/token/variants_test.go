package token

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// variantCase is [text, ids, decoded, decoded without special tokens].
type variantCase struct {
	text, decoded, plain string
	ids                  []int64
}

func (c *variantCase) UnmarshalJSON(raw []byte) error {
	return json.Unmarshal(raw, &[]any{&c.text, &c.ids, &c.decoded, &c.plain})
}

type variants struct {
	Pipelines []struct {
		Name         string
		Patch, Model map[string]any
		Cases        []variantCase
	}
	Directories []struct {
		Name    string
		Files   map[string]json.RawMessage
		Cases   []variantCase
		Length  int
		Special map[string]*int64
	}
}

// patched is a JSON file with some members replaced.
func patched(t *testing.T, file string, patch, model map[string]any) []byte {
	t.Helper()
	doc := map[string]any{}
	readJSON(t, file, &doc)
	for key, v := range patch {
		doc[key] = v
	}
	inner, _ := doc["model"].(map[string]any)
	for key, v := range model {
		inner[key] = v
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func checkVariant(t *testing.T, tok *Tokenizer, cases []variantCase) {
	t.Helper()
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.ids, tok.Encode(c.text)); diff != "" {
			t.Errorf("Encode(%q) (-want +got):\n%s", c.text, diff)
		}
		if got := tok.Decode(c.ids, false); got != c.decoded {
			t.Errorf("Decode(%v) = %q, want %q", c.ids, got, c.decoded)
		}
		if got := tok.Decode(c.ids, true); got != c.plain {
			t.Errorf("Decode(%v) without special tokens = %q, want %q", c.ids, got, c.plain)
		}
	}
}

// Every option of tokenizer.json that is supported, against the tokenizers
// library, on texts thrown together at random; see
// tools/vectors/tokenizer_files.py.
func TestPipelines(t *testing.T) {
	var v variants
	readJSON(t, "testdata/variants.json", &v)
	for _, p := range v.Pipelines {
		t.Run(p.Name, func(t *testing.T) {
			raw := patched(t, "testdata/molmo/d-hf/checkpoint/tokenizer.json", p.Patch, p.Model)
			tok, err := LoadFS(fstest.MapFS{"tokenizer.json": {Data: raw}})
			if err != nil {
				t.Fatal(err)
			}
			checkVariant(t, tok, p.Cases)
		})
	}
}

// Every combination of files, against AutoTokenizer of transformers.
func TestDirectories(t *testing.T) {
	var v variants
	readJSON(t, "testdata/variants.json", &v)
	for _, d := range v.Directories {
		t.Run(d.Name, func(t *testing.T) {
			files := fstest.MapFS{}
			for name, raw := range d.Files {
				var from struct {
					From  string
					Patch map[string]any
				}
				if err := json.Unmarshal(raw, &from); err == nil && from.From != "" {
					if raw, err = os.ReadFile(filepath.Join("testdata", from.From)); err != nil {
						t.Fatal(err)
					}
					if from.Patch != nil {
						raw = patched(t, filepath.Join("testdata", from.From), from.Patch, nil)
					}
				}
				files[name] = &fstest.MapFile{Data: raw}
			}
			tok, err := LoadFS(files)
			if err != nil {
				t.Fatal(err)
			}
			checkVariant(t, tok, d.Cases)
			if tok.Len() != d.Length {
				t.Errorf("%d tokens, want %d", tok.Len(), d.Length)
			}
			for role, f := range map[string]func() (int64, bool){"bos_token": tok.BOS, "eos_token": tok.EOS, "pad_token": tok.PAD} {
				id, ok := f()
				got := "none"
				if ok {
					got = fmt.Sprint(id)
				}
				want := "none"
				if d.Special[role] != nil {
					want = fmt.Sprint(*d.Special[role])
				}
				if got != want {
					t.Errorf("%s is %s, want %s", role, got, want)
				}
			}
		})
	}
}
