package family

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"swaprun/extract/nn"
	"swaprun/extract/safetensors"
	"swaprun/extract/torch"
	"swaprun/ledger/npy"
)

const molmoData = "testdata/molmo"

func array[T npy.Element](t *testing.T, r *npy.Reader, name string) []T {
	t.Helper()
	a, err := r.Array(name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := npy.Values[T](a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Ids, positions of features, masks and rounded pixels, for both layouts and for either tokenizer of a native checkpoint.
func TestMolmoInputs(t *testing.T) {
	for _, c := range []struct{ set, processor string }{
		{"o-hf", "o-hf/checkpoint"}, {"o-native", "o-hf/checkpoint"}, {"o-native", "o-native/tokenizer"}, {"d-hf", "d-hf/checkpoint"},
	} {
		loaded, err := Load(Source{Checkpoint: filepath.Join(molmoData, c.set, "checkpoint"), Processor: filepath.Join(molmoData, c.processor)})
		if err != nil {
			t.Fatal(err)
		}
		m := loaded.(*molmoModel)
		raw, err := os.ReadFile(filepath.Join(molmoData, c.set, "cases.json"))
		if err != nil {
			t.Fatal(err)
		}
		var cases []struct{ ID, Image, Question string }
		if err := json.Unmarshal(raw, &cases); err != nil {
			t.Fatal(err)
		}
		arrays, err := npy.Open(filepath.Join(molmoData, c.set, "expected.npz"), npy.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer arrays.Close()
		images := map[string]*Image{}
		for _, q := range cases {
			t.Run(c.set+" by "+c.processor+"/"+q.ID, func(t *testing.T) {
				if images[q.Image] == nil {
					file, err := os.ReadFile(filepath.Join("..", "vision", "testdata", "pictures", "molmo-"+q.Image))
					if err != nil {
						t.Fatal(err)
					}
					if images[q.Image], err = m.Image(file); err != nil {
						t.Fatal(err)
					}
				}
				img := images[q.Image]
				p, err := m.Prompt(img, q.Question)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(array[int64](t, arrays, q.ID+"/input_ids"), p.IDs); diff != "" {
					t.Errorf("input ids (-reference +ours):\n%s", diff)
				}
				index, masks := array[int32](t, arrays, q.ID+"/image_input_idx"), array[float32](t, arrays, q.ID+"/image_masks")
				pixels, cells, padding := img.Feeds[0].Float, img.Feeds[1].Int, img.Feeds[2].Int
				features := 0
				for i, at := range index {
					if at < 0 {
						continue
					}
					features++
					crop, y, x := i/144, i%144/12, i%12
					k := p.Source[at] - 1
					for corner := range 4 {
						patch := (2*y+corner/2)*24 + 2*x + corner%2
						if got, want := cells[4*k+int64(corner)], int64(crop*577+1+patch); got != want {
							t.Fatalf("feature %d, corner %d: patch %d, reference %d", k, corner, got, want)
						}
						if got, want := padding[4*k+int64(corner)], padKind(masks[crop*576+patch]); got != want {
							t.Fatalf("feature %d, corner %d: padding %d, reference %d", k, corner, got, want)
						}
					}
				}
				if features != img.Features || slices.Max(p.Source) != int64(features) {
					t.Errorf("%d features, the prompt uses %d, the reference %d", img.Features, slices.Max(p.Source), features)
				}
				if c.set+"/"+q.ID != "o-hf/room" && c.set+"/"+q.ID != "d-hf/sign" {
					return
				}
				want := array[float32](t, arrays, q.ID+"/pixel_values_slice") // as the processor returns them
				for i, v := range want {
					want[i] = toBF16(v)
				}
				for i, patch := range []int{0, 25, 300, 575} {
					for crop := range len(want) / (4 * 588) {
						got := pixels[(crop*577+1+patch)*588:][:588]
						if !slices.Equal(want[(crop*4+i)*588:][:588], got) {
							t.Errorf("pixels of crop %d, patch %d differ from the reference's", crop, patch)
						}
					}
				}
			})
		}
	}
}

// molmoCopy copies a checkpoint for a test to change.
func molmoCopy(t *testing.T, set string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(molmoData, set, "checkpoint"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

func change(t *testing.T, path string, f func(string) string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := f(string(raw))
	if changed == string(raw) {
		t.Fatalf("%s was not changed", path)
	}
	if err := os.WriteFile(path, []byte(changed), 0o666); err != nil {
		t.Fatal(err)
	}
}

func swap(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

func TestMolmoErrors(t *testing.T) {
	half := func(s string) string { return s[:len(s)/2] }
	const shard = "model-00002-of-00002.safetensors"
	bomb := "\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n" +
		"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n"
	for _, c := range []struct {
		name, set, file string
		change          func(string) string // nil removes the file
		want            []string
		is              any // a pointer for errors.As
	}{
		{"blocks", "o-hf", "config.json", swap(`"num_hidden_layers": 3`, `"num_hidden_layers": 2000000000`), []string{"config.json: num_hidden_layers: is 2000000000", "expected 1 to 1024"}, new(*ConfigError)},
		{"width", "o-hf", "config.json", swap(`"hidden_size": 64`, `"hidden_size": 9000000000000000000`), []string{"hidden_size", "expected 8 to 65536"}, new(*ConfigError)},
		{"number too large", "o-hf", "config.json", swap(`"hidden_size": 64`, `"hidden_size": 1e400`), []string{"config.json"}, new(*ConfigError)},
		{"negative", "o-hf", "config.json", swap(`"embedding_size": 384`, `"embedding_size": -384`), []string{"embedding_size: is -384"}, new(*ConfigError)},
		{"embedding", "o-hf", "config.json", swap(`"embedding_size": 384`, `"embedding_size": 385`),
			[]string{"model.transformer.wte.embedding", "shape is [384, 64], the config asks for [385, 64]"}, new(*nn.BindError)},
		{"key missing", "o-hf", "config.json", swap(`"norm_after"`, `"norm_aftir"`), []string{"config.json: norm_after: missing"}, new(*ConfigError)},
		{"tied", "o-hf", "config.json", swap(`"weight_tying": false`, `"weight_tying": true`), []string{"weight_tying", "false"}, new(*ConfigError)},
		{"another norm", "o-hf", "config.json", swap(`"rms"`, `"default"`), []string{"layer_norm_type", "rms"}, new(*ConfigError)},
		{"clipped", "o-hf", "config.json", swap(`"clip_qkv": null`, `"clip_qkv": 8.0`), []string{"clip_qkv"}, new(*ConfigError)},
		{"odd ffn", "o-hf", "config.json", swap(`"intermediate_size": 192`, `"intermediate_size": 191`), []string{"intermediate_size", "halves"}, new(*ConfigError)},
		{"heads", "o-hf", "config.json", swap(`"num_attention_heads": 4`, `"num_attention_heads": 5`), []string{"5 heads in a width of 64"}, new(*ConfigError)},
		{"tap", "o-hf", "config.json", swap("    -2,\n    -5", "    -2,\n    -50"), []string{"vit_layers: names block -50 of 6"}, new(*ConfigError)},
		{"crop", "o-hf", "config.json", swap("      336,\n      336", "      336,\n      448"), []string{"image_default_input_size: is [336 448]"}, new(*ConfigError)},
		{"huge crop", "o-hf", "config.json", swap("      336,\n      336", "      336000000,\n      336000000"), []string{"image_default_input_size"}, new(*ConfigError)},
		{"positions", "o-hf", "config.json", swap(`"image_num_pos": 577`, `"image_num_pos": 578`), []string{"image_num_pos: is 578, a crop has 576"}, new(*ConfigError)},
		{"the released tower", "o-hf", "config.json", swap(`"vision_backbone"`, `"vision_backbon"`), []string{"resblocks.6.", "[577, 1024]"}, new(*nn.BindError)},
		{"shard cut", "o-hf", shard, half, []string{shard, "truncated"}, new(*safetensors.FormatError)},
		{"shard missing", "o-hf", shard, nil, []string{shard, "missing"}, nil},
		{"shard that lies", "o-hf", shard, swap(`"data_offsets":[0,`, `"data_offsets":[8,`), []string{shard, "tensor "}, new(*safetensors.FormatError)},
		{"no tokenizer", "o-hf", "tokenizer.json", nil, []string{"holds no tokenizer", "base model as the processor"}, nil},
		{"no image token", "o-hf", "tokenizer.json", func(s string) string { return strings.ReplaceAll(s, "<im_col>", "<im_cal>") }, []string{"tokenizer"}, nil},
		{"generation config", "o-hf", "generation_config.json", half, []string{"generation_config.json"}, new(*ConfigError)},

		{"native blocks", "o-native", "config.yaml", swap("n_layers: 3", "n_layers: 3000000000"), []string{"config.yaml: model.n_layers: is 3000000000"}, new(*ConfigError)},
		{"native width", "o-native", "config.yaml", swap("d_model: 64", "d_model: 128"), []string{"transformer.wte.embedding", "[384, 64]", "[384, 128]"}, new(*nn.BindError)},
		{"native text", "o-native", "config.yaml", swap("d_model: 64", "d_model: wide"), []string{"model.d_model: is a JSON string"}, new(*ConfigError)},
		{"native not a number", "o-native", "config.yaml", swap("rope_theta: 500000.0", "rope_theta: .nan"), []string{"config.yaml"}, new(*ConfigError)},
		{"native key missing", "o-native", "config.yaml", swap("vit_layers:", "vit_layer:"), []string{"config.yaml: model.vit_layers: missing"}, new(*ConfigError)},
		{"native prompt", "o-native", "config.yaml", swap("prompt_type: uber_model", "prompt_type: none"), []string{"model.prompt_type: is none, expected uber_model"}, new(*ConfigError)},
		{"native pooling", "o-native", "config.yaml", swap("image_pooling_2d: attention_meanq", "image_pooling_2d: stack"), []string{"image_pooling_2d: is stack"}, new(*ConfigError)},
		{"native activation", "o-native", "config.yaml", swap("quick_gelu", "gelu"), []string{"image_mlp_activations"}, new(*ConfigError)},
		{"native margins", "o-native", "config.yaml", swap("  - 4\n  - 4\n", "  - 4\n  - 2\n"), []string{"overlap_margins: is [4 2]"}, new(*ConfigError)},
		{"native softcapping", "o-native", "config.yaml", swap("  rope: true", "  final_logit_softcapping: 30.0\n  rope: true"), []string{"final_logit_softcapping: is 30"}, new(*ConfigError)},
		{"native crops", "o-native", "config.yaml", swap("max_crops: 12", "max_crops: 120000000"), []string{"max_crops"}, new(*ConfigError)},
		{"no YAML", "o-native", "config.yaml", func(string) string { return "model: [" }, []string{"config.yaml"}, new(*ConfigError)},
		{"YAML of references", "o-native", "config.yaml", func(s string) string { return s + bomb }, []string{"config.yaml"}, new(*ConfigError)},
		{"deep YAML", "o-native", "config.yaml", func(string) string { return "model: " + strings.Repeat("[", 200000) }, []string{"config.yaml"}, new(*ConfigError)},
		{"YAML key twice", "o-native", "config.yaml", swap("seed: 6198", "seed: 6198\nseed: 1"), []string{"config.yaml", "already defined"}, new(*ConfigError)},
		{"no model", "o-native", "config.yaml", swap("model:", "mudel:"), []string{"config.yaml: model: missing"}, new(*ConfigError)},
		{"no weights", "o-native", "model.pt", nil, []string{"model.pt is missing"}, nil},
		{"archive cut", "o-native", "model.pt", half, []string{"model.pt", "truncated"}, new(*torch.FormatError)},
		{"hostile pickle", "o-native", "model.pt", swap("ccollections\nOrderedDict\n", "cposix\nsystem\nccollections\n"), []string{"model.pt"}, new(*torch.FormatError)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := molmoCopy(t, c.set)
			path := filepath.Join(dir, c.file)
			if c.change == nil {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else {
				change(t, path, c.change)
			}
			src := Source{Family: "molmo", Checkpoint: dir, Processor: dir}
			if c.set == "o-native" {
				src.Processor = filepath.Join(molmoData, "o-native", "tokenizer")
			}
			start := time.Now()
			_, err := Load(src)
			if err == nil {
				t.Fatal("no error")
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %v", d)
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

// A native checkpoint names its tokenizer; a wrong one does not pass.
func TestMolmoNativeTokenizer(t *testing.T) {
	native := filepath.Join(molmoData, "o-native", "checkpoint")
	if _, err := Load(Source{Checkpoint: native}); err == nil || !strings.Contains(err.Error(), `names "allenai/dolma2-tokenizer"`) {
		t.Errorf("no tokenizer: %v", err)
	}
	small := filepath.Join("testdata", "qwen2_5_vl", "base", "checkpoint")
	if _, err := Load(Source{Checkpoint: native, Processor: small}); err == nil || !strings.Contains(err.Error(), "the config's vocab_size is 379") {
		t.Errorf("another model's tokenizer: %v", err)
	}
	// With the vocabulary three larger, three fillers come before the image tokens.
	dir := molmoCopy(t, "o-native")
	change(t, filepath.Join(dir, "config.yaml"), swap("vocab_size: 379", "vocab_size: 382"))
	m, err := Load(Source{Checkpoint: dir, Processor: filepath.Join(molmoData, "o-native", "tokenizer")})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.IDs("|<EXTRA_TOKENS_2>|<im_start><|image|>"); !slices.Equal(got, []int64{381, 382, 386}) {
		t.Errorf("ids %v", got)
	}
	file, err := os.ReadFile("../vision/testdata/pictures/molmo-room.jpg")
	if err != nil {
		t.Fatal(err)
	}
	img, err := m.Image(file)
	if err != nil {
		t.Fatal(err)
	}
	var refused *RefusedError
	if _, err := m.Prompt(img, "Where is <|image|>?"); !errors.As(err, &refused) {
		t.Errorf("a question with the image's place: %v", err)
	}
}

// Older configs say some things otherwise.
func TestMolmoLegacyConfig(t *testing.T) {
	processor := filepath.Join(molmoData, "o-native", "tokenizer")
	load := func(f func(string) string) *molmoModel {
		t.Helper()
		dir := molmoCopy(t, "o-native")
		if f != nil {
			change(t, filepath.Join(dir, "config.yaml"), f)
		}
		m, err := Load(Source{Checkpoint: dir, Processor: processor})
		if err != nil {
			t.Fatal(err)
		}
		return m.(*molmoModel)
	}
	plain := load(nil)
	old := load(func(s string) string {
		for _, r := range [][2]string{
			{"attention_meanq", "attention-meanq"}, {"  rope: true", "  rope: true\n  rope_impl: llama\n  alibi: false\n  alibi_bias_max: 8.0\n  use_cls_feature: false\n  attn_logit_softcapping: null"},
			{"  attention_type: sdpa", "  flash_attention: false"}, {"allenai/dolma2", "mm:hf-allenai/dolma2"},
			{"  pad_tokenizer: true\n", ""}, {"  use_position_ids: true\n", ""},
		} {
			if !strings.Contains(s, r[0]) {
				t.Fatalf("config.yaml lacks %q", r[0])
			}
			s = strings.Replace(s, r[0], r[1], 1)
		}
		return s
	})
	if diff := cmp.Diff(plain.config, old.config, cmp.AllowUnexported(molmoConfig{})); diff != "" {
		t.Errorf("the older form reads otherwise (-new +old):\n%s", diff)
	}
	for name, f := range map[string]func(string) string{
		"image_padding_mask": swap("  image_padding_embed: pad_and_partial_pad", "  image_padding_mask: false\n  image_padding_embed: pad_and_partial_pad"),
		"missing":            swap("  image_padding_embed: pad_and_partial_pad\n", ""),
	} {
		if m := load(f); m.config.PadEmbed || !slices.Contains(m.Unused(), "vision_backbone.pad_embed") {
			t.Errorf("%s: there is still an embedding of padding", name)
		}
	}
}

func TestMolmoNames(t *testing.T) {
	var tensors []safetensors.Tensor
	for _, name := range []string{
		"_fsdp_wrapped_module.transformer.wte.embedding", "transformer._fsdp_wrapped_module.block_groups.0._fsdp_wrapped_module.0.attn_out.weight",
		"transformer.block_groups.0.1.attn_out.weight", "transformer.block_groups.2.1.ff_proj.weight", "transformer.blocks.7.ff_out.weight",
	} {
		tensors = append(tensors, safetensors.Tensor{Name: name})
	}
	plainMolmoNames(tensors)
	var got []string
	for _, w := range tensors {
		got = append(got, w.Name)
	}
	want := []string{
		"transformer.wte.embedding", "transformer.blocks.0.attn_out.weight", "transformer.blocks.1.attn_out.weight",
		"transformer.blocks.5.ff_proj.weight", "transformer.blocks.7.ff_out.weight",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestToBF16(t *testing.T) {
	for _, c := range [][2]float32{{1, 1}, {1.00390625, 1}, {1.01171875, 1.015625}, {1.0039064, 1.0078125}, {-1.7922626, -1.7890625}, {0, 0}} {
		if got := toBF16(c[0]); got != c[1] {
			t.Errorf("%v becomes %v, want %v", c[0], got, c[1])
		}
	}
}
