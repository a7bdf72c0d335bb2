package token

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// goldenCase is a prompt as a reference implementation tokenised it; see
// tools/vectors/prompts.py.
type goldenCase struct {
	Question  string
	Prompt    string
	IDs       []int64
	Generated []int64
	Answer    string
}

// Tokenizers of the sets in prompts.json.
var goldenDirs = map[string]string{
	"qwen2_5_vl/base": "../family/testdata/qwen2_5_vl/base/checkpoint",
	"qwen3_vl/base":   "testdata/qwen3_vl/base/checkpoint",
	"molmo/o-hf":      "testdata/molmo/o-hf/checkpoint",
	"molmo/d-hf":      "testdata/molmo/d-hf/checkpoint",
	"nvila/lite":      "testdata/nvila/lite/checkpoint/llm",
	"nvila/roborefer": "testdata/nvila/roborefer/checkpoint/llm",
}

func readJSON(t testing.TB, file string, v any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func load(t testing.TB, dir string) *Tokenizer {
	t.Helper()
	tok, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func goldenCases(t testing.TB) map[string][]goldenCase {
	t.Helper()
	var sets map[string][]goldenCase
	readJSON(t, "testdata/prompts.json", &sets)
	if len(sets) != len(goldenDirs) {
		t.Fatalf("%d sets, want %d", len(sets), len(goldenDirs))
	}
	return sets
}

// check compares ids and answers of one set.
func check(t *testing.T, tok *Tokenizer, cases []goldenCase) {
	t.Helper()
	for _, c := range cases {
		if diff := cmp.Diff(c.IDs, tok.Encode(c.Prompt)); diff != "" {
			t.Errorf("Encode(%q) (-want +got):\n%s", c.Prompt, diff)
		}
		if got := Strip(tok.Decode(c.Generated, true)); got != c.Answer {
			t.Errorf("Decode(%v) = %q, want %q", c.Generated, got, c.Answer)
		}
	}
}

func TestGoldenPrompts(t *testing.T) {
	for name, cases := range goldenCases(t) {
		t.Run(name, func(t *testing.T) { check(t, load(t, goldenDirs[name]), cases) })
	}
}

// The same without tokenizer.json, as transformers converts vocab.json and
// merges.txt. (nvila/lite has no tokenizer.json to begin with.)
func TestGoldenPromptsWithoutTokenizerJSON(t *testing.T) {
	const name = "qwen2_5_vl/base"
	files := fstest.MapFS{}
	for _, file := range []string{"vocab.json", "merges.txt", "tokenizer_config.json"} {
		raw, err := os.ReadFile(filepath.Join(goldenDirs[name], file))
		if err != nil {
			t.Fatal(err)
		}
		files[file] = &fstest.MapFile{Data: raw}
	}
	slow, err := LoadFS(files)
	if err != nil {
		t.Fatal(err)
	}
	check(t, slow, goldenCases(t)[name])
	if fast := load(t, goldenDirs[name]); fast.Digest() != slow.Digest() {
		t.Error("digests of the two forms of one tokenizer differ")
	}
}

// Molmo's native layout names the language model's own tokenizer; the image
// tokens come after it.
func TestNativeMolmo(t *testing.T) {
	tok := load(t, "testdata/molmo/o-native/tokenizer")
	want := int64(379) // as in the same model's Hugging Face layout
	for i, content := range []string{"<im_start>", "<im_end>", "<im_patch>", "<im_col>", "<|image|>"} {
		id, err := tok.AddToken(content, true)
		if err != nil {
			t.Fatal(err)
		}
		if id != want+int64(i) {
			t.Errorf("%s has id %d, want %d", content, id, want+int64(i))
		}
	}
	check(t, tok, goldenCases(t)["molmo/o-hf"])
}

// NVILA adds its media tokens on loading, if they are missing.
func TestAddToken(t *testing.T) {
	tok := load(t, goldenDirs["nvila/lite"])
	before, n := tok.Digest(), tok.Len()
	for _, content := range []string{"<vila/sentinel>", "<image>", "<vila/video>"} {
		want, ok := tok.ID(content)
		if !ok {
			t.Fatalf("no %s", content)
		}
		if id, err := tok.AddToken(content, true); id != want || err != nil {
			t.Errorf("AddToken(%s) = %d, %v, want %d", content, id, err, want)
		}
	}
	if tok.Len() != n || tok.Digest() != before {
		t.Error("adding tokens that are there changed the tokenizer")
	}
	id, err := tok.AddToken("<new>", true)
	if err != nil || id != 428 || tok.Len() != n+1 || tok.Digest() == before {
		t.Errorf("AddToken(<new>) = %d, %v; %d tokens", id, err, tok.Len())
	}
	if got := tok.Encode("<new>"); !slices.Equal(got, []int64{428}) {
		t.Errorf("Encode(<new>) = %v", got)
	}
}

func TestRoles(t *testing.T) {
	for name, want := range map[string][3]int64{ // bos, eos, pad; -1 for none
		"qwen2_5_vl/base": {-1, 458, 456},
		"qwen3_vl/base":   {-1, 458, 456},
		"molmo/o-hf":      {371, 371, 378},
		"molmo/d-hf":      {-1, 366, 366},
		"nvila/lite":      {423, 422, 424},
		"nvila/roborefer": {423, 422, 424},
	} {
		tok := load(t, goldenDirs[name])
		for i, role := range []func() (int64, bool){tok.BOS, tok.EOS, tok.PAD} {
			id, ok := role()
			if !ok {
				id = -1
			}
			if id != want[i] {
				t.Errorf("%s: token %d is %d, want %d", name, i, id, want[i])
			}
		}
	}
}

// inflate writes the reduced Qwen2 vocabulary as a full one: ids that it lacks
// get names that no merge makes. See tools/vectors/qwen2_tokenizer.py for why
// that gives the ids of the real one.
func inflate(t testing.TB) fs.FS {
	t.Helper()
	var reduced struct {
		Size   int
		Vocab  map[string]int
		Merges []string
		Added  []struct {
			ID      int    `json:"id"`
			Content string `json:"content"`
			Special bool   `json:"special"`
		} `json:"added_tokens"`
	}
	readJSON(t, "testdata/qwen2.json", &reduced)
	have := make([]bool, reduced.Size)
	for _, id := range reduced.Vocab {
		have[id] = true
	}
	for id, ok := range have {
		if !ok {
			reduced.Vocab[fmt.Sprintf("(unused %d)", id)] = id
		}
	}
	doc := map[string]any{
		"added_tokens": reduced.Added,
		"normalizer":   map[string]any{"type": "NFC"},
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "Split", "pattern": map[string]any{"Regex": patternQwen2}, "behavior": "Isolated", "invert": false},
			map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
		}},
		"post_processor": nil,
		"decoder":        map[string]any{"type": "ByteLevel"},
		"model":          map[string]any{"type": "BPE", "vocab": reduced.Vocab, "merges": reduced.Merges},
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{"tokenizer.json": {Data: raw}}
}

func TestQwen2Cases(t *testing.T) {
	tok, err := LoadFS(inflate(t))
	if err != nil {
		t.Fatal(err)
	}
	checkQwen2(t, tok)
}

// fullQwen2 is a directory with Qwen2's real tokenizer.json, or vocab.json and
// merges.txt, and tokenizer_config.json. It is not in the repository: 2.5 MB.
const fullQwen2 = "SWAPRUN_QWEN_TOKENIZER"

func TestQwen2CasesFullVocabulary(t *testing.T) {
	dir := os.Getenv(fullQwen2)
	if dir == "" {
		t.Skipf("SKIPPED: set %s to a directory with Qwen2's tokenizer to test the whole vocabulary", fullQwen2)
	}
	tok := load(t, dir)
	checkQwen2(t, tok)
	if want := 151665; tok.Len() != want {
		t.Errorf("%d tokens, want %d", tok.Len(), want)
	}
}

func checkQwen2(t *testing.T, tok *Tokenizer) {
	t.Helper()
	var cases []struct {
		Text    *string
		IDs     []int64
		Decoded string
	}
	readJSON(t, "testdata/qwen2_cases.json", &cases)
	if len(cases) != 153 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		if c.Text != nil {
			if diff := cmp.Diff(c.IDs, append([]int64{}, tok.Encode(*c.Text)...)); diff != "" {
				t.Errorf("Encode(%q) (-want +got):\n%s", *c.Text, diff)
			}
		}
		if got := tok.Decode(c.IDs, true); got != c.Decoded {
			t.Errorf("Decode(%v) = %q, want %q", c.IDs, got, c.Decoded)
		}
	}
}

func TestGoldenTemplates(t *testing.T) {
	for name, cases := range goldenCases(t) {
		if strings.HasPrefix(name, "molmo") {
			continue // its processor builds the prompt itself
		}
		t.Run(name, func(t *testing.T) {
			tok := load(t, goldenDirs[name])
			source := tok.ChatTemplate()
			if strings.HasPrefix(name, "qwen") {
				var err error
				if source, _, err = ProcessorTemplate(goldenDirs[name]); err != nil {
					t.Fatal(err)
				}
			}
			template, err := ParseTemplate(source)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range cases {
				chat := Question(c.Question)
				if strings.HasPrefix(name, "nvila") {
					// Its code puts the image tokens into the text; what is tested here
					// is the frame around it.
					_, rest, _ := strings.Cut(c.Prompt, "<|im_start|>user\n")
					content := strings.TrimSuffix(rest, "<|im_end|>\n<|im_start|>assistant\n")
					chat = []Message{{Role: "user", Text: content}}
				}
				got, err := template.Render(chat, true, tok.Special())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.Prompt, got); diff != "" {
					t.Errorf("%q (-want +got):\n%s", c.Question, diff)
				}
			}
		})
	}
}
