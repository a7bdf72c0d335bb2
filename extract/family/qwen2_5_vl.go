package family

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"swaprun/extract/nn"
	"swaprun/extract/onnx"
	"swaprun/extract/safetensors"
	"swaprun/extract/token"
	"swaprun/extract/vision"
)

func init() { Register(qwen25VL{}) }

// qwen25VL is Qwen2.5-VL as transformers 4.57.6 computes it (models/qwen2_5_vl), fed by qwen-vl-utils 0.0.14 and loaded
// with torch_dtype=bfloat16: weights are rounded to bfloat16, the arithmetic after that is float32.
type qwen25VL struct{}

func (qwen25VL) Name() string { return "qwen2_5_vl" }

func (qwen25VL) Matches(dir string) bool { return modelType(dir) == "qwen2_5_vl" }

func (qwen25VL) Present(dir string) error { return safetensors.Present(dir) }

// modelType is the model_type of a directory's config.json, "" when there is none.
func modelType(dir string) string {
	raw, err := readFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return ""
	}
	var c struct {
		ModelType string `json:"model_type"`
	}
	if json.Unmarshal(raw, &c) != nil {
		return ""
	}
	return c.ModelType
}

// The bounds of qwen_vl_utils.fetch_image; those of preprocessor_config.json do not act on the image.
const (
	fetchMinPixels = 4 * 28 * 28
	fetchMaxPixels = 16384 * 28 * 28
)

// visionEps is the epsilon of the tower's norms, whatever the config says of the text's.
const visionEps = 1e-6

type qwen25Config struct {
	Text        qwen2Config
	Section     []int // frequencies a position axis takes
	Vision      qwen25VisionConfig
	Tied        bool
	ImageToken  int64
	VideoToken  int64
	VisionStart int64
}

// qwen25Rope stands beside the keys of qwen2Config.
type qwen25Rope struct {
	RopeScaling struct {
		Section []int `json:"mrope_section"`
	} `json:"rope_scaling"`
}

type qwen25VisionConfig struct {
	Depth         int64   `json:"depth"`
	HiddenSize    int64   `json:"hidden_size"`
	Heads         int64   `json:"num_heads"`
	Intermediate  int64   `json:"intermediate_size"`
	InChans       *int64  `json:"in_chans"`
	InChannels    *int64  `json:"in_channels"`
	Out           int64   `json:"out_hidden_size"`
	Patch         int64   `json:"patch_size"`
	Temporal      int64   `json:"temporal_patch_size"`
	Merge         int64   `json:"spatial_merge_size"`
	Window        int64   `json:"window_size"`
	FullAttention []int64 `json:"fullatt_block_indexes"`
	Act           string  `json:"hidden_act"`
}

// readQwen25Config takes both forms: flat, as released, and nested under text_config, as newer libraries save it.
func readQwen25Config(path string) (*qwen25Config, error) {
	var top struct {
		ModelType   string             `json:"model_type"`
		Nested      *json.RawMessage   `json:"text_config"`
		Vision      qwen25VisionConfig `json:"vision_config"`
		ImageToken  int64              `json:"image_token_id"`
		VideoToken  int64              `json:"video_token_id"`
		VisionStart int64              `json:"vision_start_token_id"`
	}
	if err := readConfig(path, &top); err != nil {
		return nil, err
	}
	if top.ModelType != "qwen2_5_vl" {
		return nil, &ConfigError{Path: path, Key: "model_type", Reason: fmt.Sprintf("is %q, expected qwen2_5_vl", top.ModelType)}
	}
	c := &qwen25Config{Vision: top.Vision, ImageToken: top.ImageToken, VideoToken: top.VideoToken, VisionStart: top.VisionStart}
	at, read := "", func(into any) error { return readConfig(path, into) }
	if top.Nested != nil {
		at, read = "text_config", func(into any) error { return decodeConfig(path, "text_config", *top.Nested, into) }
	}
	var rope qwen25Rope
	if err := cmp.Or(read(&c.Text), read(&rope)); err != nil {
		return nil, err
	}
	c.Section = rope.RopeScaling.Section
	// Only the config that describes the text counts, and a missing key means untied.
	c.Tied = c.Text.tied()
	return c, c.check(path, at)
}

func (c *qwen25Config) check(path, at string) error {
	t, v := &c.Text, &c.Vision
	wrong := func(key, format string, args ...any) error {
		return &ConfigError{Path: path, Key: key, Reason: fmt.Sprintf(format, args...)}
	}
	in := func(key string) string { return dotted(at, key) }
	if err := t.check(path, at); err != nil {
		return err
	}
	if err := checkLimits(path,
		limit{"vision_config.depth", v.Depth, 1, 1024},
		limit{"vision_config.hidden_size", v.HiddenSize, 8, 1 << 16},
		limit{"vision_config.num_heads", v.Heads, 1, 1024},
		limit{"vision_config.intermediate_size", v.Intermediate, 1, 1 << 20},
		limit{"vision_config.patch_size", v.Patch, 1, 256},
		limit{"vision_config.temporal_patch_size", v.Temporal, 1, 16},
		limit{"vision_config.spatial_merge_size", v.Merge, 1, 16},
		limit{"vision_config.window_size", v.Window, v.Patch * v.Merge, 1 << 14},
	); err != nil {
		return err
	}
	switch {
	case v.Act != "silu":
		return wrong("vision_config.hidden_act", "is %q, expected silu", v.Act)
	case v.HiddenSize%v.Heads != 0 || v.HiddenSize/v.Heads%4 != 0:
		return wrong("vision_config.num_heads", "%d heads in a width of %d: a head must be a multiple of 4 wide", v.Heads, v.HiddenSize)
	case v.Out != t.HiddenSize:
		return wrong("vision_config.out_hidden_size", "is %d, the text is %d wide", v.Out, t.HiddenSize)
	}
	chans := v.InChans
	if chans == nil {
		chans = v.InChannels
	}
	if chans == nil || *chans != 3 {
		return wrong("vision_config.in_chans", "missing or not 3")
	}
	section := c.Section
	if len(section) != 3 || slices.Min(section) < 0 || int64(section[0]+section[1]+section[2]) != t.HiddenSize/t.Heads/2 {
		return wrong(in("rope_scaling.mrope_section"), "is %v, expected three lengths that add up to half a head, %d", section, t.HiddenSize/t.Heads/2)
	}
	for _, i := range v.FullAttention {
		if i < 0 || i >= v.Depth {
			return wrong("vision_config.fullatt_block_indexes", "names block %d of %d", i, v.Depth)
		}
	}
	return nil
}

// qwenProcessor is what preprocessor_config.json says.
type qwenProcessor struct {
	Patch     int64     `json:"patch_size"`
	Temporal  int64     `json:"temporal_patch_size"`
	Merge     int64     `json:"merge_size"`
	Mean      []float64 `json:"image_mean"`
	Std       []float64 `json:"image_std"`
	Rescale   *float64  `json:"rescale_factor"`
	DoResize  *bool     `json:"do_resize"`
	DoRescale *bool     `json:"do_rescale"`
	DoNorm    *bool     `json:"do_normalize"`
	MinPixels *int64    `json:"min_pixels"`
	MaxPixels *int64    `json:"max_pixels"`
	Size      *qwenSize `json:"size"`
}

type qwenSize struct {
	Shortest *int64 `json:"shortest_edge"`
	Longest  *int64 `json:"longest_edge"`
}

func readQwen25Processor(path string, v *qwen25VisionConfig) (*vision.QwenParams, error) {
	var p qwenProcessor
	if err := readConfig(path, &p); err != nil {
		return nil, err
	}
	wrong := func(key, format string, args ...any) error {
		return &ConfigError{Path: path, Key: key, Reason: fmt.Sprintf(format, args...)}
	}
	for _, pair := range []struct {
		key       string
		got, want int64
	}{{"patch_size", p.Patch, v.Patch}, {"temporal_patch_size", p.Temporal, v.Temporal}, {"merge_size", p.Merge, v.Merge}} {
		if pair.got != pair.want {
			return nil, wrong(pair.key, "is %d, the checkpoint's vision_config says %d", pair.got, pair.want)
		}
	}
	if len(p.Mean) != 3 || len(p.Std) != 3 || slices.Min(p.Std) <= 0 {
		return nil, wrong("image_mean, image_std", "are %v and %v, expected three numbers each", p.Mean, p.Std)
	}
	for _, flag := range []struct {
		key string
		v   *bool
	}{{"do_rescale", p.DoRescale}, {"do_normalize", p.DoNorm}} {
		if flag.v != nil && !*flag.v {
			return nil, wrong(flag.key, "is false, expected true")
		}
	}
	if p.Rescale != nil && *p.Rescale != 1.0/255 {
		return nil, wrong("rescale_factor", "is %g, expected 1/255", *p.Rescale)
	}
	low, high := p.MinPixels, p.MaxPixels
	if p.Size != nil {
		if low == nil {
			low = p.Size.Shortest
		}
		if high == nil {
			high = p.Size.Longest
		}
	}
	if p.DoResize == nil || *p.DoResize {
		// The processor resizes once more, by its own bounds. It leaves the size alone unless they are the tighter ones.
		if low == nil || high == nil {
			return nil, wrong("min_pixels, max_pixels", "missing")
		}
		if *low > fetchMinPixels || *high < fetchMaxPixels {
			return nil, wrong("min_pixels, max_pixels", "are %d and %d: bounds within %d and %d would resize images a second time, which is not supported; take the processor from the base model",
				*low, *high, fetchMinPixels, fetchMaxPixels)
		}
	}
	return &vision.QwenParams{
		Patch: int(p.Patch), Temporal: int(p.Temporal), Merge: int(p.Merge),
		MinPixels: fetchMinPixels, MaxPixels: fetchMaxPixels,
		Mean: [3]float64(p.Mean), Std: [3]float64(p.Std),
	}, nil
}

// readGeneration reads generation_config.json of the checkpoint being run. Without the file, the end token is
// the config's and there is no penalty.
func readGeneration(dir string, fallback *ints, config string) (Decoding, string, error) {
	d := Decoding{MaxNew: MaxNew, Penalty: 1}
	path := filepath.Join(dir, "generation_config.json")
	if !exists(path) {
		if fallback == nil {
			return d, "", &ConfigError{Path: config, Key: "eos_token_id", Reason: "missing, and there is no generation_config.json"}
		}
		d.End = *fallback
		return d, "", nil
	}
	var g struct {
		EOS         ints     `json:"eos_token_id"`
		Penalty     *float64 `json:"repetition_penalty"`
		Beams       *int     `json:"num_beams"`
		NoRepeat    *int     `json:"no_repeat_ngram_size"`
		MinLength   *int     `json:"min_length"`
		MinNew      *int     `json:"min_new_tokens"`
		BadWords    *[]any   `json:"bad_words_ids"`
		Suppress    *[]any   `json:"suppress_tokens"`
		Begin       *[]any   `json:"begin_suppress_tokens"`
		ForcedBegin *any     `json:"forced_bos_token_id"`
		ForcedEnd   *any     `json:"forced_eos_token_id"`
		Bias        *any     `json:"sequence_bias"`
	}
	if err := readConfig(path, &g); err != nil {
		return d, "", err
	}
	over := func(v *int, limit int) bool { return v != nil && *v > limit }
	for _, k := range []struct {
		key string
		set bool
	}{
		{"num_beams", over(g.Beams, 1)}, {"no_repeat_ngram_size", over(g.NoRepeat, 0)}, {"min_length", over(g.MinLength, 0)},
		{"min_new_tokens", over(g.MinNew, 0)}, {"bad_words_ids", g.BadWords != nil}, {"suppress_tokens", g.Suppress != nil},
		{"begin_suppress_tokens", g.Begin != nil}, {"forced_bos_token_id", g.ForcedBegin != nil},
		{"forced_eos_token_id", g.ForcedEnd != nil}, {"sequence_bias", g.Bias != nil},
	} {
		if k.set {
			return d, "", &ConfigError{Path: path, Key: k.key, Reason: "changes greedy decoding in a way that is not supported"}
		}
	}
	d.End = g.EOS
	if g.Penalty != nil {
		if *g.Penalty <= 0 {
			return d, "", &ConfigError{Path: path, Key: "repetition_penalty", Reason: fmt.Sprintf("is %g, expected more than 0", *g.Penalty)}
		}
		d.Penalty = float32(*g.Penalty)
	}
	return d, path, nil
}

// The network. Field tags are the names in memory; qwen25Names turns them into those of files.

type qwen25Net struct {
	Text   qwen2Text   `weight:"language_model"`
	Vision qwen25Tower `weight:"visual"`
	Head   *nn.Linear  `weight:"lm_head"` // nil when the embedding table is the head
}

type qwen25Tower struct {
	Patch  nn.Linear           `weight:"patch_embed.proj"`
	Blocks []qwen25VisionBlock `weight:"blocks"`
	Merger qwen25Merger        `weight:"merger"`
}

type qwen25VisionBlock struct {
	Norm1 nn.RMSNorm  `weight:"norm1"`
	QKV   nn.Linear   `weight:"attn.qkv"`
	Proj  nn.Linear   `weight:"attn.proj"`
	Norm2 nn.RMSNorm  `weight:"norm2"`
	MLP   nn.GatedMLP `weight:"mlp"`
}

type qwen25Merger struct {
	Norm nn.RMSNorm `weight:"ln_q"`
	FC1  nn.Linear  `weight:"mlp.0"`
	FC2  nn.Linear  `weight:"mlp.2"`
}

// qwen25Names: released files say model.* and visual.*, newer ones model.language_model.* and model.visual.*, and both
// may be mixed.
func qwen25Names(name string) []string {
	if rest, ok := strings.CutPrefix(name, "language_model."); ok {
		return []string{"model." + rest, "model.language_model." + rest}
	}
	if strings.HasPrefix(name, "visual.") {
		return []string{name, "model." + name}
	}
	return []string{name}
}

func newQwen25Net(c *qwen25Config) *qwen25Net {
	t, v := &c.Text, &c.Vision
	net := &qwen25Net{Text: newQwen2Text(t)}
	if !c.Tied {
		net.Head = &nn.Linear{In: t.HiddenSize, Out: t.Vocab}
	}
	w, unit := v.HiddenSize, v.HiddenSize*v.Merge*v.Merge
	net.Vision.Patch = nn.Linear{In: 3 * v.Temporal * v.Patch * v.Patch, Out: w, Stored: []int64{w, 3, v.Temporal, v.Patch, v.Patch}}
	for range v.Depth {
		net.Vision.Blocks = append(net.Vision.Blocks, qwen25VisionBlock{
			Norm1: nn.RMSNorm{Dim: w, Eps: visionEps},
			QKV:   nn.Linear{In: w, Out: 3 * w, Biased: true},
			Proj:  nn.Linear{In: w, Out: w, Biased: true},
			Norm2: nn.RMSNorm{Dim: w, Eps: visionEps},
			MLP:   nn.NewGatedMLP(w, v.Intermediate, true),
		})
	}
	net.Vision.Merger = qwen25Merger{
		Norm: nn.RMSNorm{Dim: w, Eps: visionEps},
		FC1:  nn.Linear{In: unit, Out: unit, Biased: true},
		FC2:  nn.Linear{In: unit, Out: v.Out, Biased: true},
	}
	return net
}

// vision builds the tower. Patches come in window order; windows of attention are padded to windowPatches and stacked.
//
//	pixels  float32 [patches, 3·temporal·patch²]
//	cos, sin float32 [patches, head/2]
//	rows    int64 [1, patches]               0, 1, 2 …
//	pack    int64 [windows, windowPatches]   the patch in every place of a window; 0 where there is none
//	lengths int32 [windows]                  places taken
//	unpack  int64 [1, patches]               every patch's place among all windows' places
//	order   int64 [units]                    the merged unit, in window order, that is next in raster order
func (n *qwen25Tower) vision(g *nn.Graph, c *qwen25VisionConfig) {
	patches, windows := onnx.Sym("patches"), onnx.Sym("windows")
	head := c.HiddenSize / c.Heads
	places := c.windowPatches()
	pixels := g.Input("pixels", onnx.Float32, patches, onnx.N(n.Patch.In))
	v := &qwen25VisionInputs{
		cos:     g.Input("cos", onnx.Float32, patches, onnx.N(head/2)),
		sin:     g.Input("sin", onnx.Float32, patches, onnx.N(head/2)),
		rows:    g.Input("rows", onnx.Int64, onnx.N(1), patches),
		pack:    g.Input("pack", onnx.Int64, windows, onnx.N(places)),
		lengths: g.Input("lengths", onnx.Int32, windows),
		unpack:  g.Input("unpack", onnx.Int64, onnx.N(1), patches),
	}
	order := g.Input("order", onnx.Int64, onnx.Sym("units"))

	h := n.Patch.Forward(g, pixels)
	h = g.Reshape(h, onnx.N(1), patches, onnx.N(c.HiddenSize))
	for i := range n.Blocks {
		h = n.Blocks[i].forward(g, v, h, c.Heads, slices.Contains(c.FullAttention, int64(i)))
	}
	m := &n.Merger
	x := m.Norm.Forward(g, h)
	x = g.Reshape(x, onnx.Sym("units"), onnx.N(m.FC1.In))
	x = m.FC2.Forward(g, g.Gelu(m.FC1.Forward(g, x)))
	x = g.Gather(x, order, 0)
	g.Output("features", nn.WithZeroRow(g, x))
}

type qwen25VisionInputs struct{ cos, sin, rows, pack, lengths, unpack onnx.Value }

func (b *qwen25VisionBlock) forward(g *nn.Graph, v *qwen25VisionInputs, h onnx.Value, heads int64, full bool) onnx.Value {
	x := b.Norm1.Forward(g, h)
	w := b.QKV.In
	q := g.Rotary(b.QKV.ForwardRows(g, x, 0, w), v.rows, v.cos, v.sin)
	k := g.Rotary(b.QKV.ForwardRows(g, x, w, 2*w), v.rows, v.cos, v.sin)
	val := b.QKV.ForwardRows(g, x, 2*w, 3*w)
	var a onnx.Value
	if full {
		a = g.MultiHeadAttention(q, k, val, onnx.Value{}, heads)
	} else {
		pack := func(x onnx.Value) onnx.Value {
			return g.Gather(g.Reshape(x, x.Dim(1), x.Dim(2)), v.pack, 0)
		}
		a = g.MultiHeadAttention(pack(q), pack(k), pack(val), v.lengths, heads)
		a = g.Gather(g.Reshape(a, onnx.Sym("places"), a.Dim(2)), v.unpack, 0)
	}
	h = g.Add(h, b.Proj.Forward(g, a))
	return g.Add(h, b.MLP.Forward(g, b.Norm2.Forward(g, h)))
}

// windowUnits is the side of a window in merged units, windowPatches its area in patches.
func (c *qwen25VisionConfig) windowUnits() int64 { return c.Window / c.Merge / c.Patch }
func (c *qwen25VisionConfig) windowPatches() int64 {
	side := c.windowUnits() * c.Merge
	return side * side
}

// qwen25Model is a loaded checkpoint.
type qwen25Model struct {
	config   *qwen25Config
	params   *vision.QwenParams
	tokens   *token.Tokenizer
	template *token.Template
	decoding Decoding
	graphs   Graphs
	weights  []safetensors.Tensor
	unused   []string
	files    []File

	frequencies       []float32 // text, per pair of channels
	axis              []int     // text, the position axis of every frequency
	visionFrequencies []float32
}

func (f qwen25VL) Load(src Source) (Model, error) {
	path := filepath.Join(src.Checkpoint, "config.json")
	config, err := readQwen25Config(path)
	if err != nil {
		return nil, err
	}
	m := &qwen25Model{config: config, files: []File{{"config", path}}}
	processor := filepath.Join(src.Processor, "preprocessor_config.json")
	if m.params, err = readQwen25Processor(processor, &config.Vision); err != nil {
		return nil, err
	}
	m.files = append(m.files, File{"image processor", processor})
	var generation string
	if m.decoding, generation, err = readGeneration(src.Checkpoint, config.Text.EOS, path); err != nil {
		return nil, err
	}
	m.decoding.MaxNew = src.maxNew()
	if generation != "" {
		m.files = append(m.files, File{"generation config", generation})
	}
	if m.tokens, err = token.Load(src.Processor); err != nil {
		return nil, fmt.Errorf("tokenizer of %s: %w", src.Processor, err)
	}
	for _, name := range m.tokens.Files() {
		m.files = append(m.files, File{"tokenizer", filepath.Join(src.Processor, name)})
	}
	source, template, err := token.ProcessorTemplate(src.Processor)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.Processor, err)
	}
	if m.template, err = token.ParseTemplate(source); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(src.Processor, template), err)
	}
	m.files = append(m.files, File{"chat template", filepath.Join(src.Processor, template)})

	set, err := safetensors.OpenDir(src.Checkpoint)
	if err != nil {
		return nil, err
	}
	for _, name := range set.Files() {
		m.files = append(m.files, File{"weights", name})
	}
	net := newQwen25Net(config)
	if m.unused, err = nn.Bind(net, set, src.Checkpoint, qwen25Names); err != nil {
		return nil, err
	}
	m.build(net, src.rounding(nn.ToBF16))
	m.weights = usedWeights(m.graphs, set)
	return m, nil
}

func (m *qwen25Model) build(net *qwen25Net, round nn.Rounding) {
	t, v := &m.config.Text, &m.config.Vision
	tower := nn.NewGraph("vision", round)
	net.Vision.vision(tower, v)
	text := nn.NewGraph("text", round)
	net.Text.text(text, t.shape())
	head := nn.NewGraph("head", round)
	out := net.Head
	if out == nil {
		out = &nn.Linear{In: t.HiddenSize, Out: t.Vocab, Weight: net.Text.Embed.Tensor}
	}
	readout := nn.Head(head, &net.Text.Norm, out)
	m.graphs = Graphs{Vision: tower.Builder, Text: text.Builder, Head: head.Builder, Readout: readout}

	dim := int(t.HiddenSize / t.Heads)
	m.frequencies = nn.Frequencies(t.RopeTheta, dim)
	for axis, n := range m.config.Section {
		for range n {
			m.axis = append(m.axis, axis)
		}
	}
	m.visionFrequencies = nn.Frequencies(10000, int(v.HiddenSize/v.Heads/2))
}

func (m *qwen25Model) Info() Info {
	t := &m.config.Text
	return Info{
		Family: qwen25VL{}.Name(), Blocks: int(t.Blocks), Width: int(t.HiddenSize), Vocab: int(t.Vocab),
		KVHeads: int(t.KVHeads), HeadDim: int(t.headDim()),
	}
}

func (m *qwen25Model) Graphs() Graphs                { return m.graphs }
func (m *qwen25Model) Files() []File                 { return m.files }
func (m *qwen25Model) Weights() []safetensors.Tensor { return m.weights }
func (m *qwen25Model) Unused() []string              { return m.unused }
func (m *qwen25Model) Decoding() Decoding            { return m.decoding }

func (m *qwen25Model) Settings() any {
	return map[string]any{
		"rope_theta": m.config.Text.RopeTheta, "mrope_section": m.config.Section,
		"image_token": m.config.ImageToken, "video_token": m.config.VideoToken, "vision_start_token": m.config.VisionStart,
		"window_size": m.config.Vision.Window, "image": m.params, "tokenizer": digest(m.tokens.Digest()), "special_tokens": m.tokens.Special(),
		"chat_template": m.template.Source, "decoding": m.decoding,
	}
}

func (m *qwen25Model) Text(ids []int64) string { return token.Strip(m.tokens.Decode(ids, true)) }
func (m *qwen25Model) Token(id int64) string   { return m.tokens.Decode([]int64{id}, false) }
func (m *qwen25Model) IDs(text string) []int64 { return m.tokens.Encode(text) }

func (m *qwen25Model) Image(file []byte) (*Image, error) {
	rgb, err := vision.Decode(file)
	if err != nil {
		return nil, &RefusedError{Stage: "image", Err: err}
	}
	pixels, grid, err := m.params.Process(rgb)
	if err != nil {
		return nil, &RefusedError{Stage: "image", Err: err}
	}
	return m.layOut(pixels, grid), nil
}

// layOut brings patches into window order and computes everything that depends on the image's size.
func (m *qwen25Model) layOut(pixels []float32, grid vision.Grid) *Image {
	v := &m.config.Vision
	merge := int(v.Merge)
	rows, cols := grid.H/merge, grid.W/merge // in merged units
	order, lengths := windows(rows, cols, int(v.windowUnits()))
	unit := merge * merge
	n := rows * cols * unit
	width := len(pixels) / n

	img := &Image{Features: rows * cols, Tokens: rows * cols, Layout: [2]int{rows, cols}}
	sorted := make([]float32, 0, len(pixels))
	var cos, sin []float32
	for _, u := range order {
		sorted = append(sorted, pixels[int(u)*unit*width:(int(u)+1)*unit*width]...)
		for p := range unit {
			// A patch's angles: its row's, then its column's, in the whole grid.
			y := int64(int(u)/cols*merge + p/merge)
			x := int64(int(u)%cols*merge + p%merge)
			for _, f := range m.visionFrequencies {
				cos, sin = nn.Angle(cos, sin, y, f)
			}
			for _, f := range m.visionFrequencies {
				cos, sin = nn.Angle(cos, sin, x, f)
			}
		}
	}
	places := int(v.windowPatches())
	pack := make([]int64, len(lengths)*places)
	unpack := make([]int64, n)
	patch := int64(0)
	taken := make([]int32, len(lengths))
	for w, units := range lengths {
		taken[w] = int32(units * unit)
		for i := range units * unit {
			pack[w*places+i] = patch
			unpack[patch] = int64(w*places + i)
			patch++
		}
	}
	sequence := make([]int64, n)
	for i := range sequence {
		sequence[i] = int64(i)
	}
	half := int64(len(m.visionFrequencies) * 2)
	img.Feeds = []Tensor{
		{Name: "pixels", Shape: []int64{int64(n), int64(width)}, Float: sorted},
		{Name: "cos", Shape: []int64{int64(n), half}, Float: cos},
		{Name: "sin", Shape: []int64{int64(n), half}, Float: sin},
		{Name: "rows", Shape: []int64{1, int64(n)}, Int: sequence},
		{Name: "pack", Shape: []int64{int64(len(lengths)), int64(places)}, Int: pack},
		{Name: "lengths", Shape: []int64{int64(len(lengths))}, Int32: taken},
		{Name: "unpack", Shape: []int64{1, int64(n)}, Int: unpack},
		{Name: "order", Shape: []int64{int64(rows * cols)}, Int: nn.Inverse(order)},
	}
	return img
}

// windows lists the merged units of a rows×cols grid window by window (windows and the units inside them in raster
// order), and the number of units of every window. Windows at the right and bottom edge are smaller.
// Source: Qwen2_5_VisionTransformerPretrainedModel.get_window_index.
func windows(rows, cols, side int) (order []int64, lengths []int) {
	for top := 0; top < rows; top += side {
		for left := 0; left < cols; left += side {
			bottom, right := min(top+side, rows), min(left+side, cols)
			for y := top; y < bottom; y++ {
				for x := left; x < right; x++ {
					order = append(order, int64(y*cols+x))
				}
			}
			lengths = append(lengths, (bottom-top)*(right-left))
		}
	}
	return order, lengths
}

func (m *qwen25Model) Prompt(img *Image, question string) (*Prompt, error) {
	if strings.Contains(question, "<|placeholder|>") {
		return nil, refuse("prompt", "the question contains <|placeholder|>, which the processor uses itself")
	}
	chat := token.Question(question)
	if img == nil {
		chat = token.QuestionAlone(question)
	}
	text, err := m.template.Render(chat, true, m.tokens.Special())
	if err != nil {
		return nil, &RefusedError{Stage: "prompt", Err: err}
	}
	ids := m.tokens.Encode(text)
	at := slices.Index(ids, m.config.ImageToken)
	switch {
	case img == nil && at >= 0:
		return nil, refuse("prompt", "the question spells out the image token, and there is no image")
	case img != nil && at < 0:
		return nil, refuse("prompt", "the chat template leaves no place for the image")
	case img != nil && slices.Contains(ids[at+1:], m.config.ImageToken):
		return nil, refuse("prompt", "the question spells out the image token, and there is no second image")
	}
	for i, id := range ids[1:] {
		if id == m.config.VideoToken && ids[i] == m.config.VisionStart {
			return nil, refuse("prompt", "the question spells out the beginning of a video, and there is none")
		}
	}
	if i := slices.IndexFunc(ids, func(id int64) bool { return id >= m.config.Text.Vocab }); i >= 0 {
		return nil, refuse("prompt", "token %d is outside the model's vocabulary of %d", ids[i], m.config.Text.Vocab)
	}

	var grid [2]int
	if img != nil {
		grid = img.Layout.([2]int)
	}
	p := &Prompt{Text: text, Positions: make([][]int64, 3)}
	place := func(id, source, t, y, x int64) {
		p.IDs = append(p.IDs, id)
		p.Source = append(p.Source, source)
		p.Positions[0] = append(p.Positions[0], t)
		p.Positions[1] = append(p.Positions[1], y)
		p.Positions[2] = append(p.Positions[2], x)
	}
	next := int64(0)
	for i, id := range ids {
		if i != at {
			place(id, 0, next, next, next)
			next++
			continue
		}
		for u := range img.Tokens {
			y, x := int64(u/grid[1]), int64(u%grid[1])
			place(id, int64(1+u), next, next+y, next+x)
		}
		next += int64(max(grid[0], grid[1])) // the image advances the text by its longer side only
	}
	for i := range p.IDs {
		p.Cos, p.Sin = m.angles(p.Cos, p.Sin, p.Positions[0][i], p.Positions[1][i], p.Positions[2][i])
	}
	for i := range int64(m.decoding.MaxNew) {
		p.Cos, p.Sin = m.angles(p.Cos, p.Sin, next+i, next+i, next+i)
	}
	return p, nil
}

// angles appends a row of the rotary tables: every frequency takes the position of its axis.
func (m *qwen25Model) angles(cos, sin []float32, positions ...int64) (c, s []float32) {
	for i, f := range m.frequencies {
		cos, sin = nn.Angle(cos, sin, positions[m.axis[i]], f)
	}
	return cos, sin
}
