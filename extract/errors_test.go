package extract

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"swaprun/extract/family"
	"swaprun/extract/nn"
	"swaprun/extract/safetensors"
)

// copyCheckpoint copies the tiny checkpoint for a test to damage.
func copyCheckpoint(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("family/testdata/qwen2_5_vl/base/checkpoint")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(raw), 0o666); err != nil {
		t.Fatal(err)
	}
}

func replace(old, new string) func([]byte) []byte {
	return func(raw []byte) []byte {
		if !bytes.Contains(raw, []byte(old)) {
			panic("nothing to replace: " + old)
		}
		return bytes.Replace(raw, []byte(old), []byte(new), 1)
	}
}

func TestCompileErrors(t *testing.T) {
	const shard1, shard2 = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
	truncate := func(raw []byte) []byte { return raw[:len(raw)/2] }
	for _, c := range []struct {
		name, file string
		change     func([]byte) []byte // nil removes the file
		want       []string            // all in the message
		is         any                 // a pointer for errors.As
	}{
		{"truncated shard", shard2, truncate, []string{shard2, "tensor ", "truncated"}, new(*safetensors.FormatError)},
		{"missing shard", shard1, nil, []string{shard1, "missing"}, nil},
		{"wrong shape", "config.json", replace(`"intermediate_size": 112`, `"intermediate_size": 120`),
			[]string{"model.layers.0.mlp.gate_proj.weight", "shape is [112, 64]", "asks for [120, 64]", "safetensors"}, new(*nn.BindError)},
		{"fewer blocks than tensors ask", "config.json", replace(`"num_hidden_layers": 4`, `"num_hidden_layers": 5`),
			[]string{"missing model.layers.4.input_layernorm.weight"}, new(*nn.BindError)},
		{"absurd size", "config.json", replace(`"num_hidden_layers": 4`, `"num_hidden_layers": 4000000000`),
			[]string{"config.json", "num_hidden_layers", "expected 1 to 1024"}, new(*family.ConfigError)},
		{"no rope_theta", "config.json", replace(`"rope_theta"`, `"rope_thetA"`), []string{"config.json: rope_theta: missing"}, new(*family.ConfigError)},
		{"text for a number", "config.json", replace(`"hidden_size": 64`, `"hidden_size": "64"`), []string{"config.json: hidden_size: is a JSON string"}, new(*family.ConfigError)},
		{"untied without a head", "config.json", replace(`"tie_word_embeddings": true`, `"tie_word_embeddings": false`), []string{"missing lm_head.weight"}, new(*nn.BindError)},
		{"no config", "config.json", nil, []string{"no checkpoint of a known family"}, nil},
		{"another family", "config.json", replace(`"qwen2_5_vl"`, `"llama"`), []string{"no checkpoint of a known family", "qwen2_5_vl"}, nil},
		{"no processor", "preprocessor_config.json", nil, []string{"preprocessor_config.json is missing"}, nil},
		{"tight bounds", "preprocessor_config.json", replace(`"max_pixels": 12845056`, `"max_pixels": 50176`), []string{"max_pixels", "50176", "second time"}, new(*family.ConfigError)},
		{"no template", "chat_template.json", nil, []string{"no chat template"}, nil},
		{"sampling we do not do", "generation_config.json", replace(`"do_sample": true`, `"num_beams": 4`), []string{"num_beams"}, new(*family.ConfigError)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyCheckpoint(t)
			path := filepath.Join(dir, c.file)
			if c.change == nil {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			} else {
				edit(t, path, c.change)
			}
			_, err := Compile(Source{Checkpoint: dir})
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
	if _, err := Compile(Source{Family: "qwen", Checkpoint: "."}); err == nil || !strings.Contains(err.Error(), "known are ") || !strings.Contains(err.Error(), "qwen2_5_vl") {
		t.Errorf("unknown family: %v", err)
	}
}

func TestHashWeights(t *testing.T) {
	dir := copyCheckpoint(t)
	p, err := Compile(Source{Checkpoint: dir})
	if err != nil {
		t.Fatal(err)
	}
	var last, total int64
	first, err := p.HashWeights(context.Background(), func(done, of int64) { last, total = done, of })
	if err != nil {
		t.Fatal(err)
	}
	if last != total || total != p.Info().WeightBytes {
		t.Errorf("progress ended at %d of %d, there are %d bytes", last, total, p.Info().WeightBytes)
	}
	w := p.Weights()[5]
	at := w.Offset + 2*7
	edit(t, w.Path, func(raw []byte) []byte { raw[at]++; return raw })
	second, err := p.HashWeights(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range first {
		if (first[i].SHA256 != second[i].SHA256) != (i == 5) {
			t.Errorf("tensor %s: digests equal %v", first[i].Name, first[i].SHA256 == second[i].SHA256)
		}
	}
	edit(t, w.Path, func(raw []byte) []byte { raw[at], raw[at+1] = 0xc0, 0x7f; return raw }) // a bfloat16 NaN
	_, err = p.HashWeights(context.Background(), nil)
	var fault *NonFiniteError
	if !errors.As(err, &fault) || fault.Tensor != w.Name || fault.Index != 7 {
		t.Errorf("NaN at index 7 of %s gave %v", w.Name, err)
	}
	edit(t, w.Path, func(raw []byte) []byte { return raw[:w.Offset+10] })
	if _, err = p.HashWeights(context.Background(), nil); err == nil || !strings.Contains(err.Error(), w.Path) {
		t.Errorf("a file cut short after compiling gave %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.HashWeights(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestFirstNonFinite(t *testing.T) {
	for _, dtype := range []safetensors.DType{safetensors.F32, safetensors.F16, safetensors.BF16} {
		size := int(dtype.Size())
		inf := map[safetensors.DType][]byte{safetensors.F32: {0, 0, 0x80, 0xff}, safetensors.F16: {0, 0x7c}, safetensors.BF16: {0x80, 0x7f}}[dtype]
		for n := range 40 {
			raw := bytes.Repeat([]byte{0xff, 0x3b, 0x7f, 0x7b}[:], 40)[:40*size] // large, and all bits below the exponent's last set
			if got := firstNonFinite(dtype, raw); got != -1 {
				t.Fatalf("%s: finite values, found index %d", dtype, got)
			}
			copy(raw[n*size:], inf)
			if got := firstNonFinite(dtype, raw); got != n {
				t.Fatalf("%s: infinity at %d found at %d", dtype, n, got)
			}
		}
	}
}

func TestQueryErrors(t *testing.T) {
	needRuntime(t)
	g := openGolden(t, "qwen2_5_vl", "base", "")
	m := open(t, g.compile(t), Options{Threads: 1})
	good := g.image(t, "tiny.png")
	for _, c := range []struct {
		name, question string
		image          []byte
		stage, want    string
	}{
		{"not an image", "Where?", []byte("not an image"), "image", "not an image"},
		{"half an image", "Where?", g.image(t, "room.jpg")[:2000], "image", ""},
		{"too long an image", "Where?", picture(2010, 10), "image", "200"},
		{"image token", "Is the <|image_pad|> left?", good, "prompt", "image token"},
		{"placeholder", "Is the <|placeholder|> left?", good, "prompt", "placeholder"},
		{"video", "Is <|vision_start|><|video_pad|> left?", good, "prompt", "video"},
	} {
		calls := 0
		err := m.Capture(context.Background(), c.image, []string{c.question}, func(_ int, capture *Capture, err error) {
			calls++
			var q *QueryError
			if capture != nil || !errors.As(err, &q) || q.Stage != c.stage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, %v", c.name, capture, err)
			}
		})
		if err != nil || calls != 1 {
			t.Errorf("%s: %d outcomes, error %v", c.name, calls, err)
		}
	}
	// Tokens that are ordinary on their own, and a refused question beside a good one.
	outcomes := map[int]error{}
	err := m.Capture(context.Background(), good, []string{"A <|video_pad|>?", "<|image_pad|>", "A <|vision_start|>?"}, func(i int, c *Capture, err error) {
		outcomes[i] = err
	})
	if err != nil || len(outcomes) != 3 || outcomes[0] != nil || outcomes[1] == nil || outcomes[2] != nil {
		t.Errorf("outcomes %v, error %v", outcomes, err)
	}
}

func TestStatesNotFinite(t *testing.T) {
	needRuntime(t)
	dir := copyCheckpoint(t)
	p, err := Compile(Source{Checkpoint: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range p.Weights() {
		if w.Name == "model.layers.2.mlp.down_proj.weight" {
			edit(t, w.Path, func(raw []byte) []byte {
				binary.LittleEndian.PutUint16(raw[w.Offset:], uint16(math.Float32bits(float32(math.NaN()))>>16))
				return raw
			})
		}
	}
	m := open(t, p, Options{Threads: 1})
	err = m.Capture(context.Background(), picture(56, 56), []string{"Where?"}, func(_ int, c *Capture, err error) {
		var q *QueryError
		if !errors.As(err, &q) || q.Stage != "states" || !strings.Contains(err.Error(), "block 2 ") {
			t.Errorf("got %v, %v", c, err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCaptureCancelled(t *testing.T) {
	needRuntime(t)
	g := openGolden(t, "qwen2_5_vl", "base", "")
	m := open(t, g.compile(t), Options{Threads: 1})
	ctx, cancel := context.WithCancel(context.Background())
	questions := []string{"One?", "Two?", "Three?", "Four?", "Five?", "Six?"} // more than are answered side by side
	got := 0
	err := m.Capture(ctx, g.image(t, "tiny.png"), questions, func(int, *Capture, error) {
		got++
		cancel()
	})
	if !errors.Is(err, context.Canceled) || got < 1 || got == len(questions) {
		t.Errorf("%d outcomes, error %v", got, err)
	}
	// The model is as good as before.
	if err := m.Capture(context.Background(), g.image(t, "tiny.png"), questions, func(i int, c *Capture, err error) {
		if err != nil {
			t.Errorf("question %d: %v", i, err)
		}
	}); err != nil {
		t.Error(err)
	}
}

// A checkpoint in the Hugging Face cache is a folder of links to blobs beside it.
func TestLinkedCheckpoint(t *testing.T) {
	needRuntime(t)
	base := copyCheckpoint(t)
	root := t.TempDir()
	blobs, snapshot := filepath.Join(root, "blobs"), filepath.Join(root, "snapshots", "main")
	for _, dir := range []string{blobs, snapshot} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Rename(filepath.Join(base, f.Name()), filepath.Join(blobs, "blob-"+f.Name())); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join("..", "..", "blobs", "blob-"+f.Name()), filepath.Join(snapshot, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Compile(Source{Checkpoint: snapshot})
	if err != nil {
		t.Fatal(err)
	}
	open(t, p, Options{Threads: 1})
}

func TestFingerprint(t *testing.T) {
	dir := copyCheckpoint(t)
	fingerprint := func() string {
		t.Helper()
		p, err := Compile(Source{Checkpoint: dir})
		if err != nil {
			t.Fatal(err)
		}
		return string(p.Fingerprint())
	}
	first := fingerprint()
	if strings.Contains(first, dir) {
		t.Error("the fingerprint holds a path")
	}
	if fingerprint() != first {
		t.Error("two compilations differ")
	}
	if p, err := Compile(Source{Checkpoint: "family/testdata/qwen2_5_vl/base/checkpoint"}); err != nil || string(p.Fingerprint()) != first {
		t.Errorf("the same checkpoint elsewhere differs: %v", err)
	}
	for _, c := range []struct{ file, old, new string }{
		{"config.json", `"rope_theta": 500.0`, `"rope_theta": 501.0`},
		{"config.json", `"rms_norm_eps": 1e-06`, `"rms_norm_eps": 1e-05`},
		{"generation_config.json", `1.05`, `1.06`},
		{"chat_template.json", `helpful`, `helpfull`},
		{"preprocessor_config.json", `0.48145466`, `0.48145467`},
		{"tokenizer.json", `|\\p{N}|`, `|\\p{N}{1,3}|`},
	} {
		path := filepath.Join(dir, c.file)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		edit(t, path, replace(c.old, c.new))
		if fingerprint() == first {
			t.Errorf("%s: %s for %s does not change the fingerprint", c.file, c.new, c.old)
		}
		edit(t, path, func([]byte) []byte { return raw })
	}
	// What cannot change a number does not change it either.
	edit(t, filepath.Join(dir, "config.json"), replace(`"transformers_version": "4.41.2"`, `"transformers_version": "9"`))
	if fingerprint() != first {
		t.Error("a version note changes the fingerprint")
	}
}
