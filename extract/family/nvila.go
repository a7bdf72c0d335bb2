package family

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"swaprun/extract/nn"
	"swaprun/extract/onnx"
	"swaprun/extract/safetensors"
	"swaprun/extract/token"
	"swaprun/extract/vision"
)

func init() { Register(nvila{}) }

// nvila is NVILA-Lite and RoboRefer as NVlabs/VILA computes them (llava, transformers 4.46.0): a SigLIP tower, a
// projector that joins nine patches, a Qwen2 language model. llava.load makes all weights float16, so they are
// rounded to it; the arithmetic after that is float32.
type nvila struct{}

func (nvila) Name() string { return "nvila" }

func (nvila) Matches(dir string) bool { return modelType(nvilaRoot(dir)) == nvilaModelType }

func (nvila) Present(dir string) error {
	for _, part := range nvilaParts {
		if err := safetensors.Present(filepath.Join(nvilaRoot(dir), part)); err != nil {
			return err
		}
	}
	return nil
}

const nvilaModelType = "llava_llama"

// nvilaRoot is the directory with the parts: llava/entry.py prefers a subdirectory called model.
func nvilaRoot(dir string) string {
	if inner := filepath.Join(dir, "model"); exists(inner) {
		return inner
	}
	return dir
}

// The parts, each a directory with its own config and weights. Depth parts, which RoboRefer has, see no picture here.
const (
	nvilaLLM       = "llm"
	nvilaTower     = "vision_tower"
	nvilaProjector = "mm_projector"
)

var nvilaParts = []string{nvilaLLM, nvilaTower, nvilaProjector}

// What the code decides, not a file.
const (
	nvilaMinTiles      = 1 // llava/train/args.py, for a config without the key
	nvilaMaxTiles      = 12
	nvilaEndTokens     = "\n" // llava/model/encoders/image/basic.py
	nvilaEncoder       = "llava.model.encoders.BasicImageEncoder"
	nvilaJoined        = 3    // patches a feature takes, each way
	nvilaProjectorEps  = 1e-5 // torch.nn.LayerNorm's own
	nvilaImage         = "<image>"
	nvilaVideo         = "<vila/video>"
	nvilaSentinel      = "<vila/sentinel>"
	nvilaProjectorType = "mlp_downsample_3x3_fix"
)

type nvilaConfig struct {
	LLM       qwen2Config
	Tower     siglipConfig
	MinTiles  int64
	MaxTiles  int64
	EndTokens string // text whose embeddings follow every tile's features
	layers    int64  // blocks of the tower below its tap
}

// nvilaTopConfig is config.json. Sizes in it are copies that llava overwrites; the parts' own configs count.
type nvilaTopConfig struct {
	ModelType     string           `json:"model_type"`
	LLM           json.RawMessage  `json:"llm_cfg"`
	Tower         json.RawMessage  `json:"vision_tower_cfg"`
	Projector     json.RawMessage  `json:"mm_projector_cfg"`
	AspectRatio   string           `json:"image_aspect_ratio"`
	SelectLayer   int64            `json:"mm_vision_select_layer"`
	SelectFeature string           `json:"mm_vision_select_feature"`
	MinTiles      *int64           `json:"min_tiles"`
	MaxTiles      *int64           `json:"max_tiles"`
	Resolution    *int64           `json:"vision_resolution"`
	S2            *bool            `json:"s2"`
	DynamicS2     *bool            `json:"dynamic_s2"`
	Encoder       *json.RawMessage `json:"image_encoder"`
}

type siglipConfig struct {
	ModelType    string  `json:"model_type"`
	HiddenSize   int64   `json:"hidden_size"`
	Blocks       int64   `json:"num_hidden_layers"`
	Heads        int64   `json:"num_attention_heads"`
	Intermediate int64   `json:"intermediate_size"`
	Channels     int64   `json:"num_channels"`
	Image        int64   `json:"image_size"`
	Patch        int64   `json:"patch_size"`
	Eps          float64 `json:"layer_norm_eps"`
	Act          string  `json:"hidden_act"`
}

// side is the number of patches across a tile, cells that of features.
func (c *siglipConfig) side() int64  { return c.Image / c.Patch }
func (c *siglipConfig) cells() int64 { return (c.side() + nvilaJoined - 1) / nvilaJoined }

// readNVILAConfig reads the configs of a checkpoint and lists the files.
func readNVILAConfig(root string) (*nvilaConfig, []File, error) {
	part := func(name string) string { return filepath.Join(root, name, "config.json") }
	top, llm, tower, projector := filepath.Join(root, "config.json"), part(nvilaLLM), part(nvilaTower), part(nvilaProjector)
	c := &nvilaConfig{}
	var t nvilaTopConfig
	if err := readConfig(top, &t); err != nil {
		return nil, nil, err
	}
	if t.ModelType != nvilaModelType {
		return nil, nil, &ConfigError{Path: top, Key: "model_type", Reason: fmt.Sprintf("is %q, expected %s", t.ModelType, nvilaModelType)}
	}
	for _, p := range []struct {
		key, part string
		value     json.RawMessage
	}{{"llm_cfg", nvilaLLM, t.LLM}, {"vision_tower_cfg", nvilaTower, t.Tower}, {"mm_projector_cfg", nvilaProjector, t.Projector}} {
		if p.value[0] != '{' {
			return nil, nil, &ConfigError{Path: top, Key: p.key, Reason: fmt.Sprintf("is %.60s, expected an object: the part is taken from the subdirectory %s", p.value, p.part)}
		}
	}
	if err := c.readLLM(llm); err != nil {
		return nil, nil, err
	}
	if err := readConfig(tower, &c.Tower); err != nil {
		return nil, nil, err
	}
	if err := c.Tower.check(tower); err != nil {
		return nil, nil, err
	}
	var p struct {
		Type string `json:"mm_projector_type"`
	}
	if err := readConfig(projector, &p); err != nil {
		return nil, nil, err
	}
	if p.Type != nvilaProjectorType {
		return nil, nil, &ConfigError{Path: projector, Key: "mm_projector_type", Reason: fmt.Sprintf("is %q, expected %s", p.Type, nvilaProjectorType)}
	}
	if err := c.take(top, &t); err != nil {
		return nil, nil, err
	}
	return c, []File{{"config", top}, {"config", llm}, {"config", tower}, {"config", projector}}, nil
}

// readLLM reads the language model's config. Its kind comes first: another backbone has other keys.
func (c *nvilaConfig) readLLM(path string) error {
	var kind struct {
		ModelType   string `json:"model_type"`
		RopeScaling *struct {
			Type *string `json:"type"`
			Rope *string `json:"rope_type"`
		} `json:"rope_scaling"`
	}
	if err := readConfig(path, &kind); err != nil {
		return err
	}
	if kind.ModelType != "qwen2" {
		return &ConfigError{Path: path, Key: "model_type", Reason: fmt.Sprintf("is %q, expected qwen2: no other backbone is supported", kind.ModelType)}
	}
	if s := kind.RopeScaling; s != nil {
		if t := cmp.Or(s.Rope, s.Type); t == nil || *t != "default" {
			return &ConfigError{Path: path, Key: "rope_scaling", Reason: "is set, expected null: scaled rotary positions are not supported"}
		}
	}
	if err := readConfig(path, &c.LLM); err != nil {
		return err
	}
	return c.LLM.check(path, "")
}

func (c *siglipConfig) check(path string) error {
	wrong := func(key, format string, args ...any) error {
		return &ConfigError{Path: path, Key: key, Reason: fmt.Sprintf(format, args...)}
	}
	if c.ModelType != "siglip_vision_model" {
		return wrong("model_type", "is %q, expected siglip_vision_model", c.ModelType)
	}
	if err := checkLimits(path,
		limit{"hidden_size", c.HiddenSize, 8, 1 << 14},
		limit{"num_hidden_layers", c.Blocks, 1, 1024},
		limit{"num_attention_heads", c.Heads, 1, 1024},
		limit{"intermediate_size", c.Intermediate, 1, 1 << 20},
		limit{"num_channels", c.Channels, 3, 3},
		limit{"image_size", c.Image, 1, 1 << 12},
		limit{"patch_size", c.Patch, max(1, (c.Image+127)/128), c.Image},
	); err != nil {
		return err
	}
	switch {
	case c.HiddenSize%c.Heads != 0:
		return wrong("num_attention_heads", "%d does not divide the width of %d", c.Heads, c.HiddenSize)
	case c.Eps <= 0:
		return wrong("layer_norm_eps", "is %g, expected more than 0", c.Eps)
	case c.Act != "gelu_pytorch_tanh":
		return wrong("hidden_act", "is %q, expected gelu_pytorch_tanh", c.Act)
	}
	return nil
}

// take takes over what config.json decides.
func (c *nvilaConfig) take(path string, t *nvilaTopConfig) error {
	wrong := func(key, format string, args ...any) error {
		return &ConfigError{Path: path, Key: key, Reason: fmt.Sprintf(format, args...)}
	}
	c.MinTiles, c.MaxTiles = nvilaMinTiles, nvilaMaxTiles
	if t.MinTiles != nil {
		c.MinTiles = *t.MinTiles
	}
	if t.MaxTiles != nil {
		c.MaxTiles = *t.MaxTiles
	}
	if err := checkLimits(path, limit{"max_tiles", c.MaxTiles, 1, 128}, limit{"min_tiles", c.MinTiles, 1, c.MaxTiles}); err != nil {
		return err
	}
	// Of the states that SigLIP reports, the first is what enters block 0.
	if c.layers = t.SelectLayer; c.layers < 0 {
		c.layers += c.Tower.Blocks + 1
	}
	switch {
	case t.AspectRatio != "dynamic":
		return wrong("image_aspect_ratio", "is %q, expected dynamic", t.AspectRatio)
	case c.layers < 0 || c.layers > c.Tower.Blocks:
		return wrong("mm_vision_select_layer", "is %d, the tower's config has %d blocks", t.SelectLayer, c.Tower.Blocks)
	case t.SelectFeature != "cls_patch":
		return wrong("mm_vision_select_feature", "is %q, expected cls_patch", t.SelectFeature)
	case t.S2 != nil && *t.S2:
		return wrong("s2", "is true, expected false")
	case t.DynamicS2 != nil && *t.DynamicS2:
		return wrong("dynamic_s2", "is true, expected false")
	case t.Resolution != nil && *t.Resolution != -1 && *t.Resolution != c.Tower.Image:
		return wrong("vision_resolution", "is %d, the tower's image_size is %d", *t.Resolution, c.Tower.Image)
	}
	c.EndTokens = nvilaEndTokens
	if t.Encoder == nil {
		return nil
	}
	// An object, or one written as a string.
	raw := []byte(*t.Encoder)
	if raw[0] == '"' {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return wrong("image_encoder", "%v", err)
		}
		raw = []byte(text)
	}
	var e struct {
		Target string  `json:"_target_"`
		Start  *string `json:"start_tokens"`
		End    *string `json:"end_tokens"`
	}
	if err := decodeConfig(path, "image_encoder", raw, &e); err != nil {
		return err
	}
	if e.Target != nvilaEncoder || e.Start != nil {
		return wrong("image_encoder", "is %s, expected %s without start_tokens", raw, nvilaEncoder)
	}
	if e.End != nil {
		c.EndTokens = *e.End
	}
	return nil
}

// readSiglipProcessor checks that the image processor is the one the code is made for: it cuts no corner and
// normalises by one half.
func readSiglipProcessor(path string, tower *siglipConfig) error {
	type size struct {
		Height int64 `json:"height"`
		Width  int64 `json:"width"`
	}
	var p struct {
		Type      string    `json:"image_processor_type"`
		Mean      []float64 `json:"image_mean"`
		Std       []float64 `json:"image_std"`
		Rescale   float64   `json:"rescale_factor"`
		Size      size      `json:"size"`
		Crop      *size     `json:"crop_size"`
		DoResize  *bool     `json:"do_resize"`
		DoRescale *bool     `json:"do_rescale"`
		DoNorm    *bool     `json:"do_normalize"`
	}
	if err := readConfig(path, &p); err != nil {
		return err
	}
	wrong := func(key, format string, args ...any) error {
		return &ConfigError{Path: path, Key: key, Reason: fmt.Sprintf(format, args...)}
	}
	half := []float64{0.5, 0.5, 0.5}
	side := size{tower.Image, tower.Image}
	switch {
	case p.Type != "SiglipImageProcessor" && p.Type != "SiglipImageProcessorFast":
		return wrong("image_processor_type", "is %q, expected SiglipImageProcessor", p.Type)
	case !slices.Equal(p.Mean, half):
		return wrong("image_mean", "is %v, expected %v", p.Mean, half)
	case !slices.Equal(p.Std, half):
		return wrong("image_std", "is %v, expected %v", p.Std, half)
	case p.Rescale != 1.0/255:
		return wrong("rescale_factor", "is %g, expected 1/255", p.Rescale)
	case p.Size != side:
		return wrong("size", "is %d×%d, the tower's image_size is %d", p.Size.Height, p.Size.Width, tower.Image)
	case p.Crop != nil && *p.Crop != side:
		return wrong("crop_size", "is %d×%d, the tower's image_size is %d", p.Crop.Height, p.Crop.Width, tower.Image)
	}
	for _, flag := range []struct {
		key string
		v   *bool
	}{{"do_rescale", p.DoRescale}, {"do_normalize", p.DoNorm}} {
		if flag.v != nil && !*flag.v {
			return wrong(flag.key, "is false, expected true")
		}
	}
	return nil
}

// readNVILAGeneration finds the end tokens. The reference passes a generation config of its own, which takes nothing else
// from the checkpoint's: no penalty, no sampling.
func readNVILAGeneration(dir string, fallback *ints, config string) (Decoding, []File, error) {
	d := Decoding{MaxNew: MaxNew, Penalty: 1}
	path := filepath.Join(dir, "generation_config.json")
	if !exists(path) {
		if fallback == nil {
			return d, nil, &ConfigError{Path: config, Key: "eos_token_id", Reason: "missing, and there is no generation_config.json"}
		}
		d.End = *fallback
		return d, nil, nil
	}
	var g struct {
		EOS ints `json:"eos_token_id"`
	}
	if err := readConfig(path, &g); err != nil {
		return d, nil, err
	}
	d.End = g.EOS
	return d, []File{{"generation config", path}}, nil
}

// The networks, one a part; names in files have no prefix.

type nvilaText struct {
	Model qwen2Text  `weight:"model"`
	Head  *nn.Linear `weight:"lm_head"` // nil when the embedding table is the head
}

type siglipTower struct {
	Patch     nn.Linear     `weight:"vision_model.embeddings.patch_embedding"`
	Positions nn.Param      `weight:"vision_model.embeddings.position_embedding.weight"`
	Blocks    []siglipBlock `weight:"vision_model.encoder.layers"` // those below the tap
}

type siglipBlock struct {
	Norm1 nn.LayerNorm `weight:"layer_norm1"`
	Q     nn.Linear    `weight:"self_attn.q_proj"`
	K     nn.Linear    `weight:"self_attn.k_proj"`
	V     nn.Linear    `weight:"self_attn.v_proj"`
	Out   nn.Linear    `weight:"self_attn.out_proj"`
	Norm2 nn.LayerNorm `weight:"layer_norm2"`
	FC1   nn.Linear    `weight:"mlp.fc1"`
	FC2   nn.Linear    `weight:"mlp.fc2"`
}

// nvilaMLP is the sequence of base_projector.py; layer 0 joins patches, 3 and 6 are GELU.
type nvilaMLP struct {
	Norm1 nn.LayerNorm `weight:"layers.1"`
	FC1   nn.Linear    `weight:"layers.2"`
	Norm2 nn.LayerNorm `weight:"layers.4"`
	FC2   nn.Linear    `weight:"layers.5"`
	FC3   nn.Linear    `weight:"layers.7"`
}

func newNVILAText(c *qwen2Config) *nvilaText {
	n := &nvilaText{Model: newQwen2Text(c)}
	if !c.tied() {
		n.Head = &nn.Linear{In: c.HiddenSize, Out: c.Vocab}
	}
	return n
}

func newSiglipTower(c *siglipConfig, layers int64) *siglipTower {
	w, eps := c.HiddenSize, float32(c.Eps)
	linear := func(in, out int64) nn.Linear { return nn.Linear{In: in, Out: out, Biased: true} }
	n := &siglipTower{
		Patch:     nn.Linear{In: 3 * c.Patch * c.Patch, Out: w, Biased: true, Stored: []int64{w, 3, c.Patch, c.Patch}},
		Positions: nn.Param{Shape: []int64{c.side() * c.side(), w}},
	}
	for range layers {
		n.Blocks = append(n.Blocks, siglipBlock{
			Norm1: nn.LayerNorm{Dim: w, Eps: eps},
			Q:     linear(w, w), K: linear(w, w), V: linear(w, w), Out: linear(w, w),
			Norm2: nn.LayerNorm{Dim: w, Eps: eps},
			FC1:   linear(w, c.Intermediate), FC2: linear(c.Intermediate, w),
		})
	}
	return n
}

func newNVILAMLP(tower, text int64) *nvilaMLP {
	joined, middle := nvilaJoined*nvilaJoined*tower, nvilaJoined*tower
	return &nvilaMLP{
		Norm1: nn.LayerNorm{Dim: joined, Eps: nvilaProjectorEps},
		FC1:   nn.Linear{In: joined, Out: middle, Biased: true},
		Norm2: nn.LayerNorm{Dim: middle, Eps: nvilaProjectorEps},
		FC2:   nn.Linear{In: middle, Out: text, Biased: true},
		FC3:   nn.Linear{In: text, Out: text, Biased: true},
	}
}

// forward builds the tower up to its tap: pixels [tiles, patches, 3·patch²] to [tiles, patches, width]. The norm after
// the last block is not for taps.
func (n *siglipTower) forward(g *nn.Graph, pixels onnx.Value, heads int64) onnx.Value {
	h := g.Add(n.Patch.Forward(g, pixels), g.Param(n.Positions.Tensor))
	for i := range n.Blocks {
		b := &n.Blocks[i]
		x := b.Norm1.Forward(g, h)
		a := g.MultiHeadAttention(b.Q.Forward(g, x), b.K.Forward(g, x), b.V.Forward(g, x), onnx.Value{}, heads)
		h = g.Add(h, b.Out.Forward(g, a))
		h = g.Add(h, b.FC2.Forward(g, g.GeluTanh(b.FC1.Forward(g, b.Norm2.Forward(g, h)))))
	}
	return h
}

func (n *nvilaMLP) forward(g *nn.Graph, x onnx.Value) onnx.Value {
	x = g.Gelu(n.FC1.Forward(g, n.Norm1.Forward(g, x)))
	x = g.Gelu(n.FC2.Forward(g, n.Norm2.Forward(g, x)))
	return n.FC3.Forward(g, x)
}

// nvilaModel is a loaded checkpoint.
type nvilaModel struct {
	config   *nvilaConfig
	params   vision.NVILAParams
	tokens   *token.Tokenizer
	template *token.Template
	decoding Decoding
	graphs   Graphs
	weights  []safetensors.Tensor
	unused   []string
	files    []File

	image, video int64   // ids
	end          []int64 // ids that follow every tile's features
	logits       int64   // rows of the head that are tokens
	frequencies  []float32
}

func (nvila) Load(src Source) (Model, error) {
	root, processor := nvilaRoot(src.Checkpoint), nvilaRoot(src.Processor)
	config, files, err := readNVILAConfig(root)
	if err != nil {
		return nil, err
	}
	m := &nvilaModel{
		config: config, files: files,
		params: vision.NVILAParams{Tile: int(config.Tower.Image), MinTiles: int(config.MinTiles), MaxTiles: int(config.MaxTiles)},
	}
	path := filepath.Join(processor, nvilaTower, "preprocessor_config.json")
	if err := readSiglipProcessor(path, &config.Tower); err != nil {
		return nil, err
	}
	m.files = append(m.files, File{"image processor", path})
	llm := filepath.Join(root, nvilaLLM)
	if m.decoding, files, err = readNVILAGeneration(llm, config.LLM.EOS, filepath.Join(llm, "config.json")); err != nil {
		return nil, err
	}
	m.decoding.MaxNew = src.maxNew()
	m.files = append(m.files, files...)
	if err := m.loadTokens(filepath.Join(processor, nvilaLLM)); err != nil {
		return nil, err
	}

	text, tower, projector := newNVILAText(&config.LLM), newSiglipTower(&config.Tower, config.layers), newNVILAMLP(config.Tower.HiddenSize, config.LLM.HiddenSize)
	var paths []string
	var tensors []safetensors.Tensor
	for _, part := range []struct {
		dir string
		net any
	}{{nvilaLLM, text}, {nvilaTower, tower}, {nvilaProjector, projector}} {
		dir := filepath.Join(root, part.dir)
		set, err := safetensors.OpenDir(dir)
		if err != nil {
			return nil, err
		}
		unused, err := nn.Bind(part.net, set, dir, nil)
		if err != nil {
			return nil, err
		}
		for _, name := range unused {
			m.unused = append(m.unused, part.dir+"/"+name)
		}
		for _, name := range set.Files() {
			m.files = append(m.files, File{"weights", name})
		}
		paths = append(paths, set.Files()...)
		for _, name := range set.Names() {
			if t, _ := set.Lookup(name); !slices.Contains(unused, name) {
				tensors = append(tensors, t)
			}
		}
	}
	set, err := safetensors.NewSet(paths, tensors)
	if err != nil {
		return nil, err
	}
	m.build(text, tower, projector, src.rounding(nn.ToF16))
	m.weights = usedWeights(m.graphs, set)
	return m, nil
}

// loadTokens reads tokenizer and chat template, and adds the tokens that llava adds when they are missing, in its order.
func (m *nvilaModel) loadTokens(dir string) (err error) {
	const config = "tokenizer_config.json"
	if inner := filepath.Join(dir, nvilaLLM); !exists(dir, config) {
		if !exists(inner, config) {
			return fmt.Errorf("%s is missing, and %s too: %w", filepath.Join(dir, config), filepath.Join(inner, config), os.ErrNotExist)
		}
		dir = inner
	}
	if m.tokens, err = token.Load(dir); err != nil {
		return fmt.Errorf("tokenizer of %s: %w", dir, err)
	}
	for _, name := range m.tokens.Files() {
		m.files = append(m.files, File{"tokenizer", filepath.Join(dir, name)})
	}
	if m.tokens.ChatTemplate() == "" {
		return &ConfigError{Path: filepath.Join(dir, config), Key: "chat_template", Reason: "missing"}
	}
	if m.template, err = token.ParseTemplate(m.tokens.ChatTemplate()); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, config), err)
	}
	for _, t := range []struct {
		content string
		id      *int64
	}{{nvilaSentinel, new(int64)}, {nvilaImage, &m.image}, {nvilaVideo, &m.video}} {
		id, ok := m.tokens.ID(t.content)
		if !ok {
			if id, err = m.tokens.AddToken(t.content, true); err != nil {
				return fmt.Errorf("tokenizer of %s: %w", dir, err)
			}
		}
		*t.id = id
	}
	m.end = m.tokens.Encode(m.config.EndTokens)
	m.logits = min(m.config.LLM.Vocab, int64(m.tokens.Len()))
	return nil
}

// hasMean says whether tokens exist that the embedding table has no row for.
func (m *nvilaModel) hasMean() bool { return int64(m.tokens.Len()) > m.config.LLM.Vocab }

// build builds the graphs.
//
// vision: `pixels` float32 [tiles, patches, 3·patch²]; `cells` int64 [cells, 9], for every feature the patches it joins,
// 1 + their number among those of all tiles, 0 beyond the edge. When the embedding table is shorter than the tokenizer
// one more row follows the features: the embedding of any token without one.
//
// llava resizes table and head to the tokenizer's length. Rows beyond it are not computed here. Rows it adds are the mean of the
// others: so is their logit, which therefore is never the largest and is left out.
func (m *nvilaModel) build(text *nvilaText, tower *siglipTower, projector *nvilaMLP, round nn.Rounding) {
	c, v := &m.config.LLM, &m.config.Tower
	g := nn.NewGraph("vision", round)
	pixels := g.Input("pixels", onnx.Float32, onnx.Sym("tiles"), onnx.N(v.side()*v.side()), onnx.N(tower.Patch.In))
	cells := g.Input("cells", onnx.Int64, onnx.Sym("cells"), onnx.N(nvilaJoined*nvilaJoined))
	h := tower.forward(g, pixels, v.Heads)
	h = g.Reshape(h, onnx.Sym("all patches"), onnx.N(v.HiddenSize))
	h = g.Gather(nn.WithZeroRow(g, h), cells, 0)
	x := projector.forward(g, g.Reshape(h, onnx.Sym("cells"), onnx.N(projector.FC1.In)))
	features := nn.WithZeroRow(g, x)
	if m.hasMean() {
		features = g.Concat(0, onnx.Sym("features and mean"), features, nn.MeanRow(g, text.Model.Embed.Tensor))
	}
	g.Output("features", features)

	lm := nn.NewGraph("text", round)
	text.Model.text(lm, c.shape())

	head := nn.NewGraph("head", round)
	out := nn.Linear{In: c.HiddenSize, Weight: text.Model.Embed.Tensor}
	if text.Head != nil {
		out = *text.Head
	}
	out.Out = m.logits
	readout := nn.Head(head, &text.Model.Norm, &out)
	m.graphs = Graphs{Vision: g.Builder, Text: lm.Builder, Head: head.Builder, Readout: readout}
	m.frequencies = nn.Frequencies(c.RopeTheta, int(c.headDim()))
}

func (m *nvilaModel) Info() Info {
	c := &m.config.LLM
	return Info{
		Family: nvila{}.Name(), Blocks: int(c.Blocks), Width: int(c.HiddenSize), Vocab: int(m.logits),
		KVHeads: int(c.KVHeads), HeadDim: int(c.headDim()),
	}
}

func (m *nvilaModel) Graphs() Graphs                { return m.graphs }
func (m *nvilaModel) Files() []File                 { return m.files }
func (m *nvilaModel) Weights() []safetensors.Tensor { return m.weights }
func (m *nvilaModel) Unused() []string              { return m.unused }
func (m *nvilaModel) Decoding() Decoding            { return m.decoding }

func (m *nvilaModel) Settings() any {
	return map[string]any{
		"rope_theta": m.config.LLM.RopeTheta, "image": m.params, "patch_size": m.config.Tower.Patch, "end_tokens": m.end,
		"tokenizer": digest(m.tokens.Digest()), "special_tokens": m.tokens.Special(),
		"chat_template": m.template.Source, "decoding": m.decoding,
	}
}

func (m *nvilaModel) Text(ids []int64) string { return token.Strip(m.tokens.Decode(ids, true)) }
func (m *nvilaModel) Token(id int64) string   { return m.tokens.Decode([]int64{id}, false) }
func (m *nvilaModel) IDs(text string) []int64 { return m.tokens.Encode(text) }

func (m *nvilaModel) Image(file []byte) (*Image, error) {
	rgb, err := vision.Decode(file)
	if err != nil {
		return nil, &RefusedError{Stage: "image", Err: err}
	}
	tiles, err := m.params.Tiles(rgb)
	if err != nil {
		return nil, &RefusedError{Stage: "image", Err: err}
	}
	pixels, err := vision.SiglipPixels(tiles)
	if err != nil {
		return nil, &RefusedError{Stage: "image", Err: err}
	}
	return m.layOut(pixels, len(tiles)), nil
}

// layOut cuts tiles [tiles, 3, image, image] into patches.
func (m *nvilaModel) layOut(pixels []float32, tiles int) *Image {
	v := &m.config.Tower
	image, patch, side, cells := int(v.Image), int(v.Patch), int(v.side()), int(v.cells())
	patches := make([]float32, 0, tiles*side*side*3*patch*patch)
	joined := make([]int64, 0, tiles*cells*cells*nvilaJoined*nvilaJoined)
	for t := range tiles {
		for at := range side * side {
			y, x := at/side*patch, at%side*patch
			for plane := 3 * t; plane < 3*t+3; plane++ {
				for row := range patch {
					from := (plane*image+y+row)*image + x
					patches = append(patches, pixels[from:from+patch]...)
				}
			}
		}
		for cell := range cells * cells {
			for i := range nvilaJoined * nvilaJoined {
				y, x := cell/cells*nvilaJoined+i/nvilaJoined, cell%cells*nvilaJoined+i%nvilaJoined
				p := 0
				if y < side && x < side {
					p = 1 + (t*side+y)*side + x
				}
				joined = append(joined, int64(p))
			}
		}
	}
	img := &Image{
		Features: tiles * cells * cells, Tokens: tiles * cells * cells, Layout: tiles,
		Feeds: []Tensor{
			{Name: "pixels", Shape: []int64{int64(tiles), int64(side * side), int64(3 * patch * patch)}, Float: patches},
			{Name: "cells", Shape: []int64{int64(tiles * cells * cells), nvilaJoined * nvilaJoined}, Int: joined},
		},
	}
	if m.hasMean() {
		img.Features++
	}
	return img
}

// nvilaMessage is what becomes of a question about a picture of so many tiles, or of none. Sources: llava/utils/media.py
// (extract_media), llava_arch.py (generate_content), llava/utils/tokenizer.py.
func nvilaMessage(question string, tiles int) string {
	for _, media := range []string{nvilaImage, nvilaVideo} {
		if strings.Contains(question, media) {
			question = token.Strip(strings.ReplaceAll(question, media, ""))
		}
	}
	// A question may spell <image> out again once another one inside it is gone; generate_content repeats that as well.
	return token.Strip(strings.ReplaceAll(nvilaImage+question, nvilaImage, strings.Repeat(nvilaImage+"\n", tiles)))
}

func (m *nvilaModel) Prompt(img *Image, question string) (*Prompt, error) {
	tiles, tokens := 0, 0
	if img != nil {
		tiles, tokens = img.Layout.(int), img.Tokens
	}
	text, err := m.template.Render([]token.Message{{Role: "user", Text: nvilaMessage(question, tiles)}}, true, m.tokens.Special())
	if err != nil {
		return nil, &RefusedError{Stage: "prompt", Err: err}
	}
	ids := m.tokens.Encode(text)
	images := 0
	for _, id := range ids {
		switch {
		case id == m.image:
			images++
		case id == m.video:
			return nil, refuse("prompt", "the question spells out %s, and there is no video", nvilaVideo)
		case id >= int64(m.tokens.Len()):
			return nil, refuse("prompt", "token %d is outside the tokenizer's length of %d", id, m.tokens.Len())
		case img == nil && id >= m.config.LLM.Vocab:
			return nil, refuse("prompt", "token %d has no embedding of its own, and the graph that computes one runs with an image only", id)
		}
	}
	if images != tiles {
		return nil, refuse("prompt", "the prompt has %d places for images, the picture %d tiles", images, tiles)
	}

	p := &Prompt{Text: text}
	table := m.config.LLM.Vocab
	place := func(id, source int64) {
		row := id
		if id >= table && source == 0 {
			source = 1 + int64(tokens) // the mean
		}
		if id >= table {
			row = 0 // of no consequence: source replaces it
		}
		p.IDs = append(p.IDs, id)
		p.Rows = append(p.Rows, row)
		p.Source = append(p.Source, source)
	}
	next, each := int64(1), int64(tokens/max(tiles, 1))
	for _, id := range ids {
		if id != m.image {
			place(id, 0)
			continue
		}
		for range each {
			place(id, next)
			next++
		}
		for _, end := range m.end {
			place(end, 0)
		}
	}
	positions := make([]int64, len(p.IDs))
	for i := range len(p.IDs) + m.decoding.MaxNew {
		if i < len(positions) {
			positions[i] = int64(i)
		}
		for _, f := range m.frequencies {
			p.Cos, p.Sin = nn.Angle(p.Cos, p.Sin, int64(i), f)
		}
	}
	p.Positions = [][]int64{positions}
	return p, nil
}
