package family

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"swaprun/extract/nn"
	"swaprun/extract/vision"
	"swaprun/ledger/npy"
)

type nvilaCase struct {
	ID       string `json:"id"`
	Image    string `json:"image"`
	Question string `json:"question"`
	Prompt   string `json:"prompt"`
	Tiles    int    `json:"tiles"`
	Tokens   int    `json:"prompt_tokens"`
	Images   int    `json:"image_tokens"`
	SHA256   struct {
		RGB    string `json:"decoded_image"`
		Tiles  string `json:"tiles"`
		Pixels string `json:"pixel_values_float16"`
	} `json:"sha256"`
}

func nvilaCheckpoint(set string) string {
	return filepath.Join("testdata", "nvila", set, "checkpoint")
}

func loadNVILA(t *testing.T, src Source) *nvilaModel {
	t.Helper()
	m, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return m.(*nvilaModel)
}

// halfBits is the float16 that v is. Pixels are normal numbers between −1 and 1, rounded already.
func halfBits(v float32) uint16 {
	b := math.Float32bits(v)
	if v == 0 {
		return uint16(b >> 16)
	}
	return uint16(b>>16&0x8000) | uint16((b>>23&0xff)-127+15)<<10 | uint16(b>>13&0x3ff)
}

func TestNVILAInputs(t *testing.T) {
	for _, set := range []string{"lite", "roborefer"} {
		m := loadNVILA(t, Source{Checkpoint: nvilaCheckpoint(set)})
		raw, err := os.ReadFile(filepath.Join("testdata", "nvila", set, "cases.json"))
		if err != nil {
			t.Fatal(err)
		}
		var cases []nvilaCase
		if err := json.Unmarshal(raw, &cases); err != nil {
			t.Fatal(err)
		}
		arrays, err := npy.Open(filepath.Join("testdata", "nvila", set, "expected.npz"), npy.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { arrays.Close() })
		seen := map[string]*Image{}
		for _, c := range cases {
			t.Run(set+"/"+c.ID, func(t *testing.T) {
				img := seen[c.Image]
				if img == nil {
					raw, err := os.ReadFile(filepath.Join("testdata", "nvila", set, "images", c.Image))
					if err != nil {
						t.Fatal(err)
					}
					if img, err = m.Image(raw); err != nil {
						t.Fatal(err)
					}
					seen[c.Image] = img
					rgb, err := vision.Decode(raw)
					if err != nil {
						t.Fatal(err)
					}
					if got := sha(rgb.Pix); got != c.SHA256.RGB {
						t.Errorf("decoded pixels differ: SHA-256 %s, reference %s", got, c.SHA256.RGB)
					}
					tiles, err := m.params.Tiles(rgb)
					if err != nil {
						t.Fatal(err)
					}
					var bytes []byte
					for _, tile := range tiles {
						bytes = append(bytes, tile.Pix...)
					}
					if got := sha(bytes); got != c.SHA256.Tiles {
						t.Errorf("tiles differ: SHA-256 %s, reference %s", got, c.SHA256.Tiles)
					}
					// Put the patches of the feed back where they were, [tiles, 3, 448, 448].
					const side, patch, image = 32, 14, 448
					feed := img.Feeds[0].Float
					le := make([]byte, 2*len(feed))
					for i, v := range feed {
						bits := halfBits(v)
						x, y, plane := i%patch, i/patch%patch, i/patch/patch%3
						at := i / (3 * patch * patch)
						to := ((at/side/side*3+plane)*image+at/side%side*patch+y)*image + at%side*patch + x
						le[2*to], le[2*to+1] = byte(bits), byte(bits>>8)
					}
					if got := sha(le); got != c.SHA256.Pixels {
						t.Errorf("pixel values differ: SHA-256 %s, reference %s", got, c.SHA256.Pixels)
					}
				}
				if img.Layout != c.Tiles || img.Tokens != c.Images {
					t.Errorf("%v tiles, %d image tokens; reference %d, %d", img.Layout, img.Tokens, c.Tiles, c.Images)
				}
				p, err := m.Prompt(img, c.Question)
				if err != nil {
					t.Fatal(err)
				}
				if p.Text != c.Prompt {
					t.Errorf("prompt %q, reference %q", p.Text, c.Prompt)
				}
				if diff := cmp.Diff(int64s(t, arrays, c.ID+"/input_ids"), m.tokens.Encode(p.Text)); diff != "" {
					t.Errorf("ids of the text (-reference +ours):\n%s", diff)
				}
				if diff := cmp.Diff(int64s(t, arrays, c.ID+"/fused_ids"), p.IDs); diff != "" {
					t.Errorf("input ids (-reference +ours):\n%s", diff)
				}
				if n := len(p.IDs); n != c.Tokens || len(p.Positions[0]) != n || p.Positions[0][n-1] != int64(n-1) || len(p.Cos) != (n+MaxNew)*len(m.frequencies) {
					t.Errorf("%d tokens, reference %d; positions %d, table of %d", n, c.Tokens, len(p.Positions[0]), len(p.Cos))
				}
				if d := m.Decoding(); d.Penalty != 1 || !slices.Equal(d.End, []int64{422, 420}) {
					t.Errorf("decoding %+v", d)
				}
			})
		}
	}
}

func TestNVILAMessage(t *testing.T) {
	for _, c := range []struct{ question, want string }{
		{"Where?", "<image>\n<image>\nWhere?"},
		{"  Where?\n ", "<image>\n<image>\n  Where?"},
		{"", "<image>\n<image>"},
		{"  A <image> here ", "<image>\n<image>\nA  here"},
		{" <vila/video>A", "<image>\n<image>\nA"},
		{"<ima<image>ge>", "<image>\n<image>\n<image>\n<image>"},
	} {
		if got := nvilaMessage(c.question, 2); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.question, got, c.want)
		}
	}
}

func copyNVILA(t *testing.T, to, set string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(nvilaCheckpoint(set))); err != nil {
		t.Fatal(err)
	}
}

func TestNVILAErrors(t *testing.T) {
	for _, c := range []struct {
		name, file, old, new string // old "" removes the file
		want                 []string
		is                   any
	}{
		{"no tower", "vision_tower", "", "", []string{"vision_tower", "config.json is missing"}, nil},
		{"no projector", "mm_projector", "", "", []string{"mm_projector", "config.json is missing"}, nil},
		{"no language model", "llm/config.json", "", "", []string{"llm", "config.json is missing"}, nil},
		{"no weights", "mm_projector/model.safetensors", "", "", []string{"mm_projector", "model.safetensors"}, nil},
		{"no processor", "vision_tower/preprocessor_config.json", "", "", []string{"preprocessor_config.json is missing"}, nil},
		{"no tokenizer config", "llm/tokenizer_config.json", "", "", []string{"llm/tokenizer_config.json is missing", "llm/llm/tokenizer_config.json"}, nil},
		{"no vocabulary", "llm/vocab.json", "", "", []string{"vocab.json"}, nil},
		{"no template", "llm/tokenizer_config.json", `"chat_template"`, `"cat_template"`, []string{"tokenizer_config.json: chat_template: missing"}, new(*ConfigError)},
		{"another backbone", "llm/config.json", `"model_type": "qwen2"`, `"model_type": "gemma2"`, []string{"llm/config.json: model_type", "gemma2", "expected qwen2"}, new(*ConfigError)},
		{"scaled positions", "llm/config.json", `"rope_scaling": null`, `"rope_scaling": {"type": "mrope"}`, []string{"llm/config.json: rope_scaling"}, new(*ConfigError)},
		{"text for a number", "llm/config.json", `"hidden_size": 64`, `"hidden_size": "64"`, []string{"llm/config.json: hidden_size: is a JSON string"}, new(*ConfigError)},
		{"more blocks than weights", "llm/config.json", `"num_hidden_layers": 3`, `"num_hidden_layers": 4`, []string{"llm does not hold", "missing model.layers.3.input_layernorm.weight"}, new(*nn.BindError)},
		{"more rows than weights", "llm/config.json", `"vocab_size": 425`, `"vocab_size": 430`, []string{"model.embed_tokens.weight", "shape is [425, 64]", "asks for [430, 64]"}, new(*nn.BindError)},
		{"another tower", "vision_tower/config.json", `"siglip_vision_model"`, `"clip_vision_model"`, []string{"vision_tower/config.json: model_type", "clip_vision_model", "siglip_vision_model"}, new(*ConfigError)},
		{"another activation", "vision_tower/config.json", `"hidden_act": "gelu_pytorch_tanh"`, `"hidden_act": "gelu"`, []string{"hidden_act", `"gelu"`}, new(*ConfigError)},
		{"absurd image", "vision_tower/config.json", `"image_size": 448`, `"image_size": 448000000`, []string{"image_size", "expected 1 to"}, new(*ConfigError)},
		{"absurd patches", "vision_tower/config.json", `"patch_size": 14`, `"patch_size": 1`, []string{"patch_size", "expected 4 to 448"}, new(*ConfigError)},
		{"another projector", "mm_projector/config.json", `mlp_downsample_3x3_fix`, `mlp_downsample`, []string{"mm_projector_type", `"mlp_downsample"`, "mlp_downsample_3x3_fix"}, new(*ConfigError)},
		{"another mean", "vision_tower/preprocessor_config.json", "0.5", "0.4", []string{"image_mean", "[0.4 0.5 0.5]", "expected [0.5 0.5 0.5]"}, new(*ConfigError)},
		{"another size", "vision_tower/preprocessor_config.json", `"height": 448`, `"height": 384`, []string{"size", "384", "448"}, new(*ConfigError)},
		{"no tiles", "config.json", `"image_aspect_ratio": "dynamic"`, `"image_aspect_ratio": "pad"`, []string{"image_aspect_ratio", `"pad"`, "expected dynamic"}, new(*ConfigError)},
		{"no tap", "config.json", `"mm_vision_select_layer": -2`, `"mm_vision_select_layer": null`, []string{"config.json: mm_vision_select_layer: missing"}, new(*ConfigError)},
		{"tap too deep", "config.json", `"mm_vision_select_layer": -2`, `"mm_vision_select_layer": -5`, []string{"mm_vision_select_layer", "-5", "3 blocks"}, new(*ConfigError)},
		{"first patch dropped", "config.json", `"cls_patch"`, `"patch"`, []string{"mm_vision_select_feature", "expected cls_patch"}, new(*ConfigError)},
		{"another encoder", "config.json", `"fps": 0.0`, `"image_encoder": "{\"_target_\": \"llava.Other\"}"`, []string{"image_encoder", "llava.Other", "BasicImageEncoder"}, new(*ConfigError)},
		{"encoder that is not JSON", "config.json", `"fps": 0.0`, `"image_encoder": "{"`, []string{"config.json: image_encoder"}, new(*ConfigError)},
		{"a part elsewhere", "config.json", `"mm_projector_cfg": {`, `"mm_projector_cfg": "somewhere", "x": {`, []string{"mm_projector_cfg", "somewhere", "expected an object"}, new(*ConfigError)},
		{"no end", "llm/generation_config.json", `"eos_token_id"`, `"eos"`, []string{"generation_config.json: eos_token_id: missing"}, new(*ConfigError)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			copyNVILA(t, dir, "lite")
			path := filepath.Join(dir, c.file)
			if c.old == "" {
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
			} else {
				raw, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				text := strings.Replace(string(raw), c.old, c.new, 1)
				if text == string(raw) {
					t.Fatalf("nothing to replace: %s", c.old)
				}
				if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Load(Source{Checkpoint: dir})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if c.is != nil && !errors.As(err, c.is) {
				t.Errorf("error %v is not a %T", err, c.is)
			}
		})
	}
}

// Where files may lie, and what takes the place of those that are not there.
func TestNVILALayouts(t *testing.T) {
	dir := t.TempDir()
	copyNVILA(t, filepath.Join(dir, "model"), "lite")
	inner := filepath.Join(dir, "model")
	m := loadNVILA(t, Source{Checkpoint: dir})
	if got := m.Info(); got.Family != "nvila" || got.Blocks != 3 || got.Vocab != 425 {
		t.Errorf("in a subdirectory called model: %+v", got)
	}
	for _, w := range m.Weights() {
		if strings.Contains(w.Name, "encoder.layers.2") || strings.Contains(w.Name, "post_layernorm") {
			t.Errorf("%s lies above the tower's tap and is used", w.Name)
		}
	}
	if !slices.Contains(m.Unused(), "vision_tower/vision_model.post_layernorm.weight") {
		t.Errorf("unused: %v", m.Unused())
	}

	// Without a generation config the language model's own end token counts.
	if err := os.Remove(filepath.Join(inner, "llm", "generation_config.json")); err != nil {
		t.Fatal(err)
	}
	if got := loadNVILA(t, Source{Checkpoint: dir}).Decoding().End; !slices.Equal(got, []int64{422}) {
		t.Errorf("end tokens %v, expected [422]", got)
	}

	// The tokenizer one directory deeper.
	deeper := filepath.Join(inner, "llm", "llm")
	if err := os.Mkdir(deeper, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json"} {
		if err := os.Rename(filepath.Join(inner, "llm", name), filepath.Join(deeper, name)); err != nil {
			t.Fatal(err)
		}
	}
	loadNVILA(t, Source{Checkpoint: dir})

	// A fine-tune that lacks them takes them from the declared base.
	if err := os.RemoveAll(deeper); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(inner, "vision_tower", "preprocessor_config.json")); err != nil {
		t.Fatal(err)
	}
	m = loadNVILA(t, Source{Checkpoint: dir, Processor: nvilaCheckpoint("lite")})
	if m.tokens.Len() != 428 || m.image != 426 {
		t.Errorf("%d tokens, image %d; expected 428, 426", m.tokens.Len(), m.image)
	}
}

// Tokens llava adds on loading, in its order.
func TestNVILAMissingTokens(t *testing.T) {
	dir := t.TempDir()
	copyNVILA(t, dir, "lite")
	path := filepath.Join(dir, "llm", "tokenizer_config.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	decoder := config["added_tokens_decoder"].(map[string]any)
	for _, id := range []string{"425", "426", "427"} {
		delete(decoder, id)
	}
	if raw, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	m := loadNVILA(t, Source{Checkpoint: dir})
	if m.image != 426 || m.video != 427 || m.tokens.Len() != 428 {
		t.Errorf("image %d, video %d of %d tokens; expected 426, 427 of 428", m.image, m.video, m.tokens.Len())
	}
	whole := loadNVILA(t, Source{Checkpoint: nvilaCheckpoint("lite")})
	if m.tokens.Digest() != whole.tokens.Digest() {
		t.Error("a tokenizer with the tokens and one they were added to differ")
	}
}

func TestNVILAPrompts(t *testing.T) {
	m := loadNVILA(t, Source{Checkpoint: nvilaCheckpoint("lite")})
	img := m.layOut(make([]float32, 3*448*448), 1)
	for _, c := range []struct{ question, want string }{
		{"<ima<image>ge>", "2 places for images"},
		{"<vila/vid<vila/video>eo>", "video"},
	} {
		_, err := m.Prompt(img, c.question)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Stage != "prompt" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.question, err)
		}
	}
	// A token without a row takes the feature after the last one, and looks up a row that exists.
	p, err := m.Prompt(img, "A <vila/sentinel>")
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(p.IDs, 425)
	if at < 0 || p.Source[at] != 122 || p.Rows[at] != 0 || img.Features != 122 || img.Tokens != 121 {
		t.Errorf("sentinel at %d: source %d, row %d; %d features for %d tokens", at, p.Source[at], p.Rows[at], img.Features, img.Tokens)
	}
	for i, row := range p.Rows {
		if row >= 425 || p.Source[i] == 0 && row != p.IDs[i] {
			t.Errorf("position %d looks up row %d for token %d", i, row, p.IDs[i])
		}
	}
}
