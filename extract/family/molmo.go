package family

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"swaprun/extract/nn"
	"swaprun/extract/onnx"
	"swaprun/extract/safetensors"
	"swaprun/extract/token"
	"swaprun/extract/torch"
	"swaprun/extract/vision"
)

func init() { Register(molmo{}) }

// molmo is Molmo-7B-O and Molmo-7B-D of September 2024, in either layout: as released on the Hugging Face hub (config.json, safetensors;
// modeling_molmo.py, image_preprocessing_molmo.py and preprocessing_molmo.py, transformers 4.46.0) or as allenai/molmo
// trains it (config.yaml, model.pt; olmo/model.py). It is loaded with torch_dtype=bfloat16 and fed bfloat16 pixels and masks:
// weights, pixels and masks are rounded to bfloat16, the arithmetic after that is float32.
type molmo struct{}

func (molmo) Name() string { return "molmo" }

func (molmo) Matches(dir string) bool {
	if exists(dir, "config.json") {
		return modelType(dir) == "molmo"
	}
	model, _, err := readMolmoYAML(filepath.Join(dir, "config.yaml"))
	return err == nil && model["vision_backbone"] != nil
}

func (molmo) Present(dir string) error {
	if exists(dir, "config.json") {
		return safetensors.Present(dir)
	}
	path := filepath.Join(dir, molmoNativeWeights)
	if !exists(path) && !exists(dir, "model.safetensors") {
		return &safetensors.MissingError{Path: path, Reason: path + " is missing"}
	}
	return nil
}

// molmoConfig is what both layouts say.
type molmoConfig struct {
	Native              bool
	Width, Blocks       int64
	Heads, KVHeads      int64
	Inner               int64 // of the MLPs: half the rows of ff_proj
	Vocab               int64 // tokens before the image tokens
	Embedding, Extra    int64 // rows of the embedding table and of its continuation
	Theta, Eps          float64
	QKNorm, QKVBias     bool
	NormAfter           bool
	Vision              molmoVision
	Taps                []int64 // blocks of the tower, in the order their outputs are joined
	PadEmbed            bool    // patches that are padding have an embedding added
	MaxCrops, Margin    int64
	PadTokens           bool   // fill the tokenizer up to Vocab
	Tokenizer           string // its name on the hub, native layout only
	side, headDim, attn int64  // patches along a crop; of the text; width of attention in the tower
}

// molmoVision is the vision tower, by the names of the native config.
type molmoVision struct {
	Type       *string `json:"image_model_type"`
	InputSize  []int64 `json:"image_default_input_size"`
	Patch      int64   `json:"image_patch_size"`
	PosPatch   int64   `json:"image_pos_patch_size"`
	Width      int64   `json:"image_emb_dim"`
	Heads      int64   `json:"image_num_heads"`
	KVHeads    int64   `json:"image_num_key_value_heads"`
	Layers     int64   `json:"image_num_layers"`
	HeadDim    int64   `json:"image_head_dim"`
	Inner      int64   `json:"image_mlp_dim"`
	Activation *string `json:"image_mlp_activations"`
	Positions  int64   `json:"image_num_pos"`
	Eps        float64 `json:"image_norm_eps"`
	Resize     *string `json:"resize_mode"`
}

// What the released code fixes and config.json does not say: the tower is OpenAI's CLIP ViT-L/14-336 without its last block
// (modeling_molmo.py, VisionBackboneConfig and FullMolmoConfig).
var (
	molmoCLIP = molmoVision{
		InputSize: []int64{336, 336}, Patch: 14, PosPatch: 14, Width: 1024, Heads: 16, KVHeads: 16, Layers: 23, HeadDim: 64,
		Inner: 4096, Positions: 577, Eps: 1e-5,
	}
	molmoTaps = []int64{-2, -9}
)

const (
	molmoExtra    = 128 // rows of wte.new_embedding
	molmoMaxCrops = 12
	molmoMargin   = 4
	molmoPool     = 2
)

func readMolmoHF(path string) (*molmoConfig, error) {
	var h struct {
		ModelType string       `json:"model_type"`
		Width     int64        `json:"hidden_size"`
		Blocks    int64        `json:"num_hidden_layers"`
		Heads     int64        `json:"num_attention_heads"`
		KVHeads   *int64       `json:"num_key_value_heads"`
		Fused     int64        `json:"intermediate_size"`
		QKNorm    bool         `json:"attention_layer_norm"`
		NormAfter bool         `json:"norm_after"`
		QKVBias   bool         `json:"qkv_bias"`
		Norm      string       `json:"layer_norm_type"`
		Eps       float64      `json:"layer_norm_eps"`
		Theta     float64      `json:"rope_theta"`
		Vocab     int64        `json:"vocab_size"`
		Embedding int64        `json:"embedding_size"`
		Tied      *bool        `json:"weight_tying"`
		TieWords  *bool        `json:"tie_word_embeddings"`
		Positions *bool        `json:"use_position_ids"`
		Clip      *float64     `json:"clip_qkv"`
		Vision    *molmoVision `json:"vision_backbone"`
		Taps      *[]int64     `json:"vit_layers"`
	}
	if err := readConfig(path, &h); err != nil {
		return nil, err
	}
	for _, k := range []struct {
		key, want string
		wrong     bool
	}{
		{"model_type", "molmo", h.ModelType != "molmo"},
		{"layer_norm_type", "rms", h.Norm != "rms"},
		{"weight_tying", "false", h.Tied != nil && *h.Tied},
		{"tie_word_embeddings", "false", h.TieWords != nil && *h.TieWords},
		{"use_position_ids", "true", h.Positions != nil && !*h.Positions},
		{"clip_qkv", "null", h.Clip != nil},
	} {
		if k.wrong {
			return nil, &ConfigError{Path: path, Key: k.key, Reason: "is something else than " + k.want + ", which the graph is built for"}
		}
	}
	c := &molmoConfig{
		Width: h.Width, Blocks: h.Blocks, Heads: h.Heads, KVHeads: h.Heads, Inner: h.Fused / 2, Vocab: h.Vocab, Embedding: h.Embedding,
		Extra: molmoExtra, Theta: h.Theta, Eps: h.Eps, QKNorm: h.QKNorm, QKVBias: h.QKVBias, NormAfter: h.NormAfter,
		Vision: molmoCLIP, Taps: molmoTaps, PadEmbed: true, MaxCrops: molmoMaxCrops, Margin: molmoMargin,
	}
	if h.KVHeads != nil {
		c.KVHeads = *h.KVHeads
	}
	if h.Vision != nil {
		c.Vision = *h.Vision
	}
	if h.Taps != nil {
		c.Taps = *h.Taps
	}
	keys := map[string]string{
		"width": "hidden_size", "blocks": "num_hidden_layers", "heads": "num_attention_heads", "kv": "num_key_value_heads", "ffn": "intermediate_size",
		"vision": "vision_backbone", "in": "",
	}
	if h.Fused%2 != 0 {
		return nil, &ConfigError{Path: path, Key: "intermediate_size", Reason: fmt.Sprintf("is %d, expected two equal halves", h.Fused)}
	}
	return c, c.check(path, keys)
}

// readMolmoYAML returns a training configuration's description of the network, and the whole.
func readMolmoYAML(path string) (model, whole map[string]any, err error) {
	raw, err := readFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s is missing", path)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := yaml.Unmarshal(raw, &whole); err != nil {
		return nil, nil, &ConfigError{Path: path, Reason: err.Error()}
	}
	model, ok := whole["model"].(map[string]any)
	if !ok {
		return nil, nil, &ConfigError{Path: path, Key: "model", Reason: "missing, or not a mapping"}
	}
	return model, whole, nil
}

// molmoFixed is what a native config must say for this graph and this prompt to be right. optional: olmo/config.py's own
// default is the value wanted, or the key is one that newer code has dropped, after asserting this value.
var molmoFixed = []struct {
	key      string
	optional bool
	want     []any
}{
	{"activation_type", true, []any{"swiglu"}}, {"block_type", true, []any{"sequential"}}, {"layer_norm_type", false, []any{"rms"}},
	{"layer_norm_with_affine", true, []any{true}}, {"attention_layer_norm_with_affine", true, []any{true}},
	{"rope", false, []any{true}}, {"rope_impl", true, []any{"llama"}}, {"rope_full_precision", true, []any{true}},
	{"include_bias", false, []any{false}}, {"bias_for_layer_norm", true, []any{false, nil}}, {"scale_logits", true, []any{false}},
	{"weight_tying", false, []any{false}}, {"clip_qkv", true, []any{nil}}, {"head_dim", true, []any{nil}},
	{"normalize_input_embeds", true, []any{false}}, {"use_position_ids", true, []any{true}},
	{"crop_mode", false, []any{"overlap-and-resize-c2"}}, {"use_col_tokens", true, []any{true}}, {"pad_value", true, []any{0}},
	{"prompt_type", false, []any{"uber_model"}}, {"message_formatting", false, []any{"role"}}, {"system_prompt_kind", false, []any{"demo_or_style"}},
	{"always_start_with_space", true, []any{true}}, {"image_projector", true, []any{"mlp"}},
	{"image_pooling_2d", false, []any{"attention_meanq", "attention-meanq"}},
	{"image_pooling_h", true, []any{molmoPool}}, {"image_pooling_w", true, []any{molmoPool}},
	{"image_padding_mask", true, []any{false, nil}}, {"image_padding_embed", true, []any{nil, "pad_and_partial_pad"}},
	{"prompt_override", true, []any{nil}}, {"response_attention_dropout", true, []any{0}}, {"alibi", true, []any{false, nil}},
	{"attn_logit_softcapping", true, []any{nil}}, {"final_logit_softcapping", true, []any{nil}}, {"multi_query_attention", true, []any{nil}},
	{"do_random_scale", true, []any{false, nil}}, {"fix_image_input_idx", true, []any{2}}, {"unconditioned", true, []any{false, nil}},
	{"use_cls_feature", true, []any{false, nil}}, {"pad_to", true, []any{nil, false, 0}}, {"gin_bindings", true, []any{nil, false}},
}

func readMolmoNative(path string) (*molmoConfig, error) {
	model, whole, err := readMolmoYAML(path)
	if err != nil {
		return nil, err
	}
	for _, f := range molmoFixed {
		v, ok := model[f.key]
		if !ok && f.optional {
			continue
		}
		matches := func(want any) bool { return ok && fmt.Sprint(v) == fmt.Sprint(want) }
		if !slices.ContainsFunc(f.want, matches) {
			is := "missing"
			if ok {
				is = fmt.Sprintf("is %.80s", fmt.Sprint(v))
			}
			return nil, &ConfigError{Path: path, Key: "model." + f.key, Reason: fmt.Sprintf("%s, expected %v: the graph and the prompt are built for that", is, f.want[0])}
		}
	}
	raw, err := json.Marshal(model)
	if err != nil {
		return nil, &ConfigError{Path: path, Key: "model", Reason: err.Error()}
	}
	var y struct {
		Width     int64       `json:"d_model"`
		Heads     int64       `json:"n_heads"`
		KVHeads   *int64      `json:"n_kv_heads"`
		QKVBias   bool        `json:"qkv_bias"`
		Blocks    int64       `json:"n_layers"`
		Ratio     *int64      `json:"mlp_ratio"`
		Fused     *int64      `json:"mlp_hidden_size"`
		Theta     float64     `json:"rope_theta"`
		QKNorm    bool        `json:"attention_layer_norm"`
		Eps       float64     `json:"layer_norm_eps"`
		Vocab     int64       `json:"vocab_size"`
		Embedding *int64      `json:"embedding_size"`
		Extra     int64       `json:"additional_vocab_size"`
		NormAfter bool        `json:"norm_after"`
		MaxCrops  int64       `json:"max_crops"`
		Margins   []int64     `json:"overlap_margins"`
		Taps      []int64     `json:"vit_layers"`
		Vision    molmoVision `json:"vision_backbone"`
		PadTokens *bool       `json:"pad_tokenizer"`
	}
	if err := decodeConfig(path, "model", raw, &y); err != nil {
		return nil, err
	}
	wrong := func(key, format string, args ...any) error {
		return &ConfigError{Path: path, Key: "model." + key, Reason: fmt.Sprintf(format, args...)}
	}
	c := &molmoConfig{
		Native: true, Width: y.Width, Blocks: y.Blocks, Heads: y.Heads, KVHeads: y.Heads, Vocab: y.Vocab, Embedding: y.Vocab, Extra: y.Extra,
		Theta: y.Theta, Eps: y.Eps, QKNorm: y.QKNorm, QKVBias: y.QKVBias, NormAfter: y.NormAfter, Vision: y.Vision, Taps: y.Taps,
		MaxCrops: y.MaxCrops, PadTokens: y.PadTokens == nil || *y.PadTokens,
	}
	if y.KVHeads != nil {
		c.KVHeads = *y.KVHeads
	}
	if y.Embedding != nil {
		c.Embedding = *y.Embedding
	}
	switch {
	case y.Fused != nil && *y.Fused%2 == 0:
		c.Inner = *y.Fused / 2
	case y.Fused == nil && y.Ratio != nil && *y.Ratio > 0 && *y.Ratio <= 1024 && y.Width <= 1<<16 && *y.Ratio*y.Width%2 == 0:
		c.Inner = *y.Ratio * y.Width / 2
	default:
		return nil, wrong("mlp_hidden_size", "missing or odd, expected two equal halves")
	}
	if len(y.Margins) != 2 || y.Margins[0] != y.Margins[1] {
		return nil, wrong("overlap_margins", "is %v, expected two equal numbers", y.Margins)
	}
	c.Margin = y.Margins[0]
	// Of two ways to say so, the older one turns the embedding off.
	_, older := model["image_padding_mask"]
	c.PadEmbed = !older && model["image_padding_embed"] != nil
	for key, is := range map[string]struct {
		got  *string
		want string
	}{
		"image_model_type": {y.Vision.Type, "openai"}, "image_mlp_activations": {y.Vision.Activation, "quick_gelu"}, "resize_mode": {y.Vision.Resize, "default"},
	} {
		if is.got != nil && *is.got != is.want {
			return nil, wrong("vision_backbone."+key, "is %.80q, expected %s", *is.got, is.want)
		}
	}
	for _, at := range []map[string]any{model, whole} { // older files have it at the top
		if t, ok := at["tokenizer"].(map[string]any); ok && c.Tokenizer == "" {
			c.Tokenizer, _ = t["identifier"].(string)
			c.Tokenizer = strings.TrimPrefix(strings.TrimPrefix(c.Tokenizer, "mm:"), "hf-")
		}
	}
	return c, c.check(path, map[string]string{
		"width": "model.d_model", "blocks": "model.n_layers", "heads": "model.n_heads", "kv": "model.n_kv_heads", "ffn": "model.mlp_hidden_size",
		"vision": "model.vision_backbone", "in": "model",
	})
}

// check bounds what is read; keys are the layout's names.
func (c *molmoConfig) check(path string, keys map[string]string) error {
	v := &c.Vision
	in := func(key string) string { return dotted(keys["in"], key) }
	tower := func(key string) string { return dotted(keys["vision"], key) }
	wrong := func(key, format string, args ...any) error {
		return &ConfigError{Path: path, Key: key, Reason: fmt.Sprintf(format, args...)}
	}
	if err := checkLimits(path,
		limit{keys["width"], c.Width, 8, 1 << 16},
		limit{keys["blocks"], c.Blocks, 1, 1024},
		limit{keys["heads"], c.Heads, 1, 1024},
		limit{keys["kv"], c.KVHeads, 1, c.Heads},
		limit{keys["ffn"], c.Inner, 1, 1 << 20},
		limit{in("vocab_size"), c.Vocab, 1, 1 << 20},
		limit{in("embedding_size"), c.Embedding, 1, 1 << 20},
		limit{in("additional_vocab_size"), c.Extra, 1, 1 << 20},
		limit{in("max_crops"), c.MaxCrops, 1, 128},
		limit{in("overlap_margins"), c.Margin, 0, 1 << 10},
		limit{tower("image_patch_size"), v.Patch, 1, 256},
		limit{tower("image_emb_dim"), v.Width, 8, 1 << 16},
		limit{tower("image_num_heads"), v.Heads, 1, 1024},
		limit{tower("image_num_key_value_heads"), v.KVHeads, v.Heads, v.Heads},
		limit{tower("image_num_layers"), v.Layers, 1, 1024},
		limit{tower("image_head_dim"), v.HeadDim, 4, 1 << 12},
		limit{tower("image_mlp_dim"), v.Inner, 1, 1 << 20},
	); err != nil {
		return err
	}
	if len(v.InputSize) != 2 || v.InputSize[0] != v.InputSize[1] || v.InputSize[0] < 1 || v.InputSize[0] > 1<<12 || v.InputSize[0]%(v.Patch*molmoPool) != 0 {
		return wrong(tower("image_default_input_size"), "is %v, expected a square of patches of %d, an even number of them along a side", v.InputSize, v.Patch)
	}
	c.side, c.headDim, c.attn = v.InputSize[0]/v.Patch, c.Width/c.Heads, v.Heads*v.HeadDim
	switch {
	case c.Width%c.Heads != 0 || c.headDim%8 != 0:
		return wrong(keys["heads"], "%d heads in a width of %d: a head must be a multiple of 8 wide", c.Heads, c.Width)
	case c.Heads%c.KVHeads != 0:
		return wrong(keys["kv"], "%d does not divide the %d heads", c.KVHeads, c.Heads)
	case !(c.Theta > 1):
		return wrong(in("rope_theta"), "is %g, expected more than 1", c.Theta)
	case !(c.Eps > 0):
		return wrong(in("layer_norm_eps"), "is %g, expected more than 0", c.Eps)
	case !(v.Eps > 0):
		return wrong(tower("image_norm_eps"), "is %g, expected more than 0", v.Eps)
	case v.PosPatch != v.Patch:
		return wrong(tower("image_pos_patch_size"), "is %d, image_patch_size %d: other positions than the patches' are not supported", v.PosPatch, v.Patch)
	case v.Positions != c.side*c.side+1:
		return wrong(tower("image_num_pos"), "is %d, a crop has %d patches and the class token: interpolation is not supported", v.Positions, c.side*c.side)
	case c.Margin%molmoPool != 0 || 2*c.Margin >= c.side:
		return wrong(in("overlap_margins"), "is %d in crops of %d patches", c.Margin, c.side)
	case len(c.Taps) < 1 || len(c.Taps) > 16:
		return wrong(in("vit_layers"), "names %d blocks, expected 1 to 16", len(c.Taps))
	case c.Vocab > c.Embedding+c.Extra:
		return wrong(in("vocab_size"), "is %d, the embedding tables have %d and %d rows", c.Vocab, c.Embedding, c.Extra)
	}
	taps := make([]int64, len(c.Taps))
	for i, tap := range c.Taps {
		if taps[i] = tap; tap < 0 {
			taps[i] = v.Layers + tap
		}
		if taps[i] < 0 || taps[i] >= v.Layers {
			return wrong(in("vit_layers"), "names block %d of %d", tap, v.Layers)
		}
	}
	c.Taps = taps
	return nil
}

// The network. Field tags are the native names; released files put "model." before them.

type molmoNet struct {
	Embed  nn.Param     `weight:"transformer.wte.embedding"`
	More   nn.Param     `weight:"transformer.wte.new_embedding"`
	Blocks []molmoBlock `weight:"transformer.blocks"`
	Norm   nn.RMSNorm   `weight:"transformer.ln_f"`
	Head   nn.Linear    `weight:"transformer.ff_out"`
	Vision molmoTower   `weight:"vision_backbone"`
}

type molmoBlock struct {
	QKV      nn.Linear   `weight:"att_proj"` // rows of queries, of keys, of values
	QNorm    *nn.RMSNorm `weight:"q_norm"`   // nil without; over all heads together
	KNorm    *nn.RMSNorm `weight:"k_norm"`
	Out      nn.Linear   `weight:"attn_out"`
	AttnNorm nn.RMSNorm  `weight:"attn_norm"`
	UpGate   nn.Linear   `weight:"ff_proj"` // the gate is the second half
	Down     nn.Linear   `weight:"ff_out"`
	FFNorm   nn.RMSNorm  `weight:"ff_norm"`
}

type molmoTower struct {
	PadEmbed *nn.Param         `weight:"pad_embed"`
	Class    nn.Param          `weight:"image_vit.class_embedding"`
	Position nn.Param          `weight:"image_vit.positional_embedding"`
	Patch    nn.Linear         `weight:"image_vit.patch_embedding"`
	PreNorm  nn.LayerNorm      `weight:"image_vit.pre_ln"`
	Blocks   []molmoImageBlock `weight:"image_vit.transformer.resblocks"`
	Pool     molmoAttention    `weight:"image_pooling_2d"`
	W1       nn.Linear         `weight:"image_projector.w1"` // the gate
	W2       nn.Linear         `weight:"image_projector.w2"`
	W3       nn.Linear         `weight:"image_projector.w3"`
}

type molmoImageBlock struct {
	AttnNorm nn.LayerNorm   `weight:"attention_norm"`
	Attn     molmoAttention `weight:"attention"`
	FFNorm   nn.LayerNorm   `weight:"ffn_norm"`
	W1       nn.Linear      `weight:"feed_forward.w1"`
	W2       nn.Linear      `weight:"feed_forward.w2"`
}

type molmoAttention struct {
	Q nn.Linear `weight:"wq"`
	K nn.Linear `weight:"wk"`
	V nn.Linear `weight:"wv"`
	O nn.Linear `weight:"wo"`
}

func newMolmoNet(c *molmoConfig) *molmoNet {
	eps := float32(c.Eps)
	kv := c.KVHeads * c.headDim
	net := &molmoNet{
		Embed: nn.Param{Shape: []int64{c.Embedding, c.Width}}, More: nn.Param{Shape: []int64{c.Extra, c.Width}},
		Norm: nn.RMSNorm{Dim: c.Width, Eps: eps}, Head: nn.Linear{In: c.Width, Out: c.Embedding},
	}
	for range c.Blocks {
		b := molmoBlock{
			QKV:      nn.Linear{In: c.Width, Out: c.Width + 2*kv, Biased: c.QKVBias},
			Out:      nn.Linear{In: c.Width, Out: c.Width},
			AttnNorm: nn.RMSNorm{Dim: c.Width, Eps: eps},
			UpGate:   nn.Linear{In: c.Width, Out: 2 * c.Inner},
			Down:     nn.Linear{In: c.Inner, Out: c.Width},
			FFNorm:   nn.RMSNorm{Dim: c.Width, Eps: eps},
		}
		if c.QKNorm {
			b.QNorm, b.KNorm = &nn.RMSNorm{Dim: c.Width, Eps: eps}, &nn.RMSNorm{Dim: kv, Eps: eps}
		}
		net.Blocks = append(net.Blocks, b)
	}
	v, joined := &c.Vision, c.Vision.Width*int64(len(c.Taps))
	norm := nn.LayerNorm{Dim: v.Width, Eps: float32(v.Eps)}
	attention := func(in int64) molmoAttention {
		return molmoAttention{
			Q: nn.Linear{In: in, Out: c.attn, Biased: true}, K: nn.Linear{In: in, Out: c.attn, Biased: true},
			V: nn.Linear{In: in, Out: c.attn, Biased: true}, O: nn.Linear{In: c.attn, Out: v.Width, Biased: true},
		}
	}
	t := &net.Vision
	if c.PadEmbed {
		t.PadEmbed = &nn.Param{Shape: []int64{2, joined}}
	}
	t.Class, t.Position = nn.Param{Shape: []int64{v.Width}}, nn.Param{Shape: []int64{v.Positions, v.Width}}
	t.Patch, t.PreNorm = nn.Linear{In: 3 * v.Patch * v.Patch, Out: v.Width}, norm
	for range v.Layers {
		t.Blocks = append(t.Blocks, molmoImageBlock{
			AttnNorm: norm, Attn: attention(v.Width), FFNorm: norm,
			W1: nn.Linear{In: v.Width, Out: v.Inner, Biased: true}, W2: nn.Linear{In: v.Inner, Out: v.Width, Biased: true},
		})
	}
	t.Pool = attention(joined)
	t.W1, t.W3 = nn.Linear{In: v.Width, Out: c.Inner}, nn.Linear{In: v.Width, Out: c.Inner}
	t.W2 = nn.Linear{In: c.Inner, Out: c.Width}
	return net
}

// text builds the language model. Image features are added to the embedding of the token underneath.
func (n *molmoNet) text(g *nn.Graph, c *molmoConfig) {
	t := nn.NewText(g, nn.TextShape{Blocks: c.Blocks, Width: c.Width, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.headDim})
	h := g.Add(t.EmbedExtended(n.Embed.Tensor, n.More.Tensor), t.Features("features"))
	for i := range n.Blocks {
		h = n.Blocks[i].forward(g, t, h, c.NormAfter)
		t.Tap(h)
	}
	t.Finish()
}

// forward norms the input of either branch, or with after its output.
func (b *molmoBlock) forward(g *nn.Graph, t *nn.Text, h onnx.Value, after bool) onnx.Value {
	branch := func(norm *nn.RMSNorm, f func(onnx.Value) onnx.Value) onnx.Value {
		if after {
			return g.Add(h, norm.Forward(g, f(h)))
		}
		return g.Add(h, f(norm.Forward(g, h)))
	}
	h = branch(&b.AttnNorm, func(x onnx.Value) onnx.Value {
		w, rows := b.QKV.In, b.QKV.Out
		keys := w + (rows-w)/2
		q, k, v := b.QKV.ForwardRows(g, x, 0, w), b.QKV.ForwardRows(g, x, w, keys), b.QKV.ForwardRows(g, x, keys, rows)
		if b.QNorm != nil {
			q, k = b.QNorm.Forward(g, q), b.KNorm.Forward(g, k)
		}
		return b.Out.Forward(g, t.Attend(q, k, v))
	})
	return branch(&b.FFNorm, func(x onnx.Value) onnx.Value {
		up := b.UpGate.ForwardRows(g, x, 0, b.Down.In)
		gate := b.UpGate.ForwardRows(g, x, b.Down.In, 2*b.Down.In)
		return b.Down.Forward(g, g.Mul(g.QuickGelu(gate, 1), up))
	})
}

// vision builds tower, pooling and projector. Pooling and projector run for the cells that are kept, in the order of the prompt.
//
//	pixels  float32 [crops, 1+patches, 3·patch²]  first a row of zeros, the place of the class token
//	cells   int64 [features, 4]                   the four patches of a cell, counted through all crops, class tokens included
//	padding int64 [features, 4]                   0, or the row of pad_embed to add plus one; only with pad_embed
func (n *molmoTower) vision(g *nn.Graph, c *molmoConfig) {
	v := &c.Vision
	crops, cells := onnx.Sym("crops"), onnx.Sym("features")
	w, joined := v.Width, v.Width*int64(len(c.Taps))
	const corners = molmoPool * molmoPool
	pixels := g.Input("pixels", onnx.Float32, crops, onnx.N(v.Positions), onnx.N(n.Patch.In))
	cell := g.Input("cells", onnx.Int64, cells, onnx.N(corners))

	class := g.Reshape(g.Param(n.Class.Tensor), onnx.N(1), onnx.N(w))
	first := g.Add(g.Param(n.Position.Tensor.Rows(0, 1)), class)
	places := g.Concat(0, onnx.Dim{}, first, g.Param(n.Position.Tensor.Rows(1, v.Positions)))
	h := n.PreNorm.Forward(g, g.Add(n.Patch.Forward(g, pixels), places))
	outputs := map[int64]onnx.Value{}
	for i := range slices.Max(c.Taps) + 1 { // what comes after the last tap is not computed
		b := &n.Blocks[i]
		x := b.AttnNorm.Forward(g, h)
		a := g.MultiHeadAttention(b.Attn.Q.Forward(g, x), b.Attn.K.Forward(g, x), b.Attn.V.Forward(g, x), onnx.Value{}, v.Heads)
		h = g.Add(h, b.Attn.O.Forward(g, a))
		h = g.Add(h, b.W2.Forward(g, g.QuickGelu(b.W1.Forward(g, b.FFNorm.Forward(g, h)), 1.702)))
		outputs[i] = h
	}
	var parts []onnx.Value
	for _, tap := range c.Taps {
		flat := g.Reshape(outputs[tap], onnx.Sym("places"), onnx.N(w))
		parts = append(parts, g.Gather(flat, cell, 0))
	}
	x := g.Concat(2, onnx.Dim{}, parts...)
	if n.PadEmbed != nil {
		padding := g.Input("padding", onnx.Int64, cells, onnx.N(corners))
		table := g.Concat(0, onnx.Dim{}, g.Floats([]int64{1, joined}, make([]float32, joined)), g.Param(n.PadEmbed.Tensor))
		x = g.Add(x, g.Gather(table, padding, 0))
	}
	q := n.Pool.Q.Forward(g, g.ReduceMean(x, 1))
	x = g.MultiHeadAttention(q, n.Pool.K.Forward(g, x), n.Pool.V.Forward(g, x), onnx.Value{}, v.Heads)
	x = g.Reshape(n.Pool.O.Forward(g, x), cells, onnx.N(w))
	x = n.W2.Forward(g, g.Mul(g.QuickGelu(n.W1.Forward(g, x), 1), n.W3.Forward(g, x)))
	g.Output("features", nn.WithZeroRow(g, x))
}

// molmoModel is a loaded checkpoint.
type molmoModel struct {
	config   *molmoConfig
	params   vision.MolmoParams
	round    func(float32) float32 // of pixels and masks
	rounding nn.Rounding
	tokens   *token.Tokenizer
	bos      int64
	image    map[vision.MolmoToken]int64 // ids of the image block
	decoding Decoding
	graphs   Graphs
	weights  []safetensors.Tensor
	unused   []string
	files    []File

	frequencies []float32
}

func (f molmo) Load(src Source) (Model, error) {
	m := &molmoModel{}
	var set *safetensors.Set
	var err error
	names := func(name string) []string { return []string{"model." + name} }
	path := filepath.Join(src.Checkpoint, "config.json")
	if exists(path) {
		if m.config, err = readMolmoHF(path); err != nil {
			return nil, err
		}
		if set, err = safetensors.OpenDir(src.Checkpoint); err != nil {
			return nil, err
		}
	} else {
		path = filepath.Join(src.Checkpoint, "config.yaml")
		if m.config, err = readMolmoNative(path); err != nil {
			return nil, err
		}
		if err := f.Present(src.Checkpoint); err != nil {
			return nil, err
		}
		if set, err = openMolmoNative(src.Checkpoint); err != nil {
			return nil, err
		}
		names = nil
	}
	c := m.config
	m.files = append(m.files, File{"config", path})
	for _, name := range set.Files() {
		m.files = append(m.files, File{"weights", name})
	}
	net := newMolmoNet(c)
	if m.unused, err = nn.Bind(net, set, src.Checkpoint, names); err != nil {
		return nil, err
	}
	if err := m.readTokens(src, path); err != nil {
		return nil, err
	}
	if err := m.readDecoding(src); err != nil {
		return nil, err
	}
	m.params = vision.MolmoParams{
		Side: int(c.Vision.InputSize[0]), Patch: int(c.Vision.Patch), MaxCrops: int(c.MaxCrops), Margin: int(c.Margin), Pool: molmoPool,
		Mean: [3]float64{0.48145466, 0.4578275, 0.40821073}, Std: [3]float64{0.26862954, 0.26130258, 0.27577711}, // CLIP's
	}
	m.rounding = src.rounding(nn.ToBF16)
	m.round = func(v float32) float32 { return v }
	if m.rounding == nn.ToBF16 {
		m.round = toBF16
	}
	tower, text, head := nn.NewGraph("vision", m.rounding), nn.NewGraph("text", m.rounding), nn.NewGraph("head", m.rounding)
	net.Vision.vision(tower, c)
	net.text(text, c)
	readout := nn.Head(head, &net.Norm, &net.Head)
	m.graphs = Graphs{Vision: tower.Builder, Text: text.Builder, Head: head.Builder, Readout: readout}
	m.frequencies = nn.Frequencies(c.Theta, int(c.headDim))
	m.weights = usedWeights(m.graphs, set)
	return m, nil
}

var molmoGroup = regexp.MustCompile(`^transformer\.block_groups\.(\d{1,6})\.(\d{1,6})\.(.*)$`)

const molmoNativeWeights = "model.pt"

// openMolmoNative reads model.pt, or without it model.safetensors, and gives the tensors their plain names: what FSDP
// wraps around modules is taken away, and blocks in groups are numbered through. Source: Molmo._make_state_dict_compatible.
func openMolmoNative(dir string) (*safetensors.Set, error) {
	path := filepath.Join(dir, molmoNativeWeights)
	tensors, err := torch.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		path = filepath.Join(dir, "model.safetensors")
		tensors, err = safetensors.OpenFile(path)
	}
	if err != nil {
		return nil, err
	}
	plainMolmoNames(tensors)
	return safetensors.NewSet([]string{path}, tensors)
}

func plainMolmoNames(tensors []safetensors.Tensor) {
	size := 0 // blocks in the first group
	for i := range tensors {
		tensors[i].Name = strings.ReplaceAll(tensors[i].Name, "_fsdp_wrapped_module.", "")
		if g := molmoGroup.FindStringSubmatch(tensors[i].Name); g != nil && g[1] == "0" && g[3] == "attn_out.weight" {
			size++
		}
	}
	for i := range tensors {
		if g := molmoGroup.FindStringSubmatch(tensors[i].Name); g != nil {
			group, _ := strconv.Atoi(g[1])
			block, _ := strconv.Atoi(g[2])
			tensors[i].Name = fmt.Sprintf("transformer.blocks.%d.%s", group*size+block, g[3])
		}
	}
}

// The image tokens, in the order in which the reference adds them to a tokenizer.
var molmoTokens = []struct {
	text string
	kind vision.MolmoToken
}{
	{"<im_start>", vision.MolmoStart}, {"<im_end>", vision.MolmoEnd}, {"<im_patch>", vision.MolmoPatch}, {"<im_col>", vision.MolmoCol}, {molmoPlace, 0},
}

const (
	molmoPlace = "<|image|>"     // where a native prompt has its image
	molmoEnd   = "<|endoftext|>" // the string that ends an answer
	// maxFill bounds the tokens that fill a tokenizer up to the vocabulary. Qwen2's lacks 399.
	maxFill = 4096
)

// readTokens loads the tokenizer, completes that of a native checkpoint, and looks the special tokens up.
func (m *molmoModel) readTokens(src Source, config string) error {
	c := m.config
	if !exists(src.Processor, "tokenizer.json") && !exists(src.Processor, "vocab.json") {
		if c.Native {
			return fmt.Errorf("%s holds no tokenizer; %s names %q: give its directory, or that of a released model, as the processor", src.Processor, config, c.Tokenizer)
		}
		return fmt.Errorf("%s holds no tokenizer; give the base model as the processor", src.Processor)
	}
	var err error
	if m.tokens, err = token.Load(src.Processor); err != nil {
		return fmt.Errorf("tokenizer of %s: %w", src.Processor, err)
	}
	for _, name := range m.tokens.Files() {
		m.files = append(m.files, File{"tokenizer", filepath.Join(src.Processor, name)})
	}
	if _, ok := m.tokens.ID(molmoTokens[0].text); !ok && c.Native {
		if err := m.complete(); err != nil {
			return fmt.Errorf("tokenizer of %s: %w", src.Processor, err)
		}
	}
	id := func(text string) (int64, error) {
		id, ok := m.tokens.ID(text)
		if !ok {
			return 0, fmt.Errorf("tokenizer of %s has no token %s, which the prompt needs", src.Processor, text)
		}
		if id >= c.Embedding+c.Extra {
			return 0, fmt.Errorf("tokenizer of %s gives %s the id %d; %s describes embedding tables of %d and %d rows", src.Processor, text, id, config, c.Embedding, c.Extra)
		}
		return id, nil
	}
	m.image = map[vision.MolmoToken]int64{}
	for _, t := range molmoTokens {
		n, err := id(t.text)
		if err != nil {
			return err
		}
		m.image[t.kind] = n
	}
	end, err := id(molmoEnd)
	if err != nil {
		return err
	}
	m.decoding.End = []int64{end}
	// bos_token_id or eos_token_id, as Python's or has it: a zero counts as none.
	bos, ok := m.tokens.BOS()
	if !ok || bos == 0 {
		if bos, ok = m.tokens.EOS(); !ok {
			return fmt.Errorf("tokenizer of %s declares neither bos_token nor eos_token, and a prompt begins with one", src.Processor)
		}
	}
	if bos >= c.Embedding+c.Extra {
		return fmt.Errorf("tokenizer of %s begins texts with id %d; %s describes embedding tables of %d and %d rows", src.Processor, bos, config, c.Embedding, c.Extra)
	}
	m.bos = bos
	return nil
}

// complete adds to a language model's tokenizer what the trainer adds: fillers up to the vocabulary, so that no id falls into a row the
// language model knows, and the image tokens. Source: allenai/molmo, olmo/tokenizer.py (build_tokenizer).
func (m *molmoModel) complete() error {
	c := m.config
	if c.PadTokens {
		fill := c.Vocab - int64(m.tokens.Len())
		if fill < 0 || fill > maxFill {
			return fmt.Errorf("it has %d tokens, the config's vocab_size is %d: not the tokenizer of this model (%s)", m.tokens.Len(), c.Vocab, c.Tokenizer)
		}
		for i := range fill {
			if _, err := m.tokens.AddToken(fmt.Sprintf("|<EXTRA_TOKENS_%d>|", i), true); err != nil {
				return err
			}
		}
	}
	for i, t := range molmoTokens {
		id, err := m.tokens.AddToken(t.text, true)
		if err != nil {
			return err
		}
		if want := c.Vocab + int64(i); c.PadTokens && id != want {
			return fmt.Errorf("%s gets id %d, expected %d, after the config's vocab_size of %d", t.text, id, want, c.Vocab)
		}
	}
	return nil
}

// readDecoding: the experiment passes a generation config of its own, to which the checkpoint's adds only an end token.
func (m *molmoModel) readDecoding(src Source) error {
	m.decoding.MaxNew, m.decoding.Penalty = src.maxNew(), 1
	path := filepath.Join(src.Checkpoint, "generation_config.json")
	if m.config.Native || !exists(path) {
		return nil
	}
	var g struct {
		EOS *ints `json:"eos_token_id"`
	}
	if err := readConfig(path, &g); err != nil {
		return err
	}
	m.files = append(m.files, File{"generation config", path})
	if g.EOS != nil {
		for _, id := range *g.EOS {
			if !slices.Contains(m.decoding.End, id) {
				m.decoding.End = append(m.decoding.End, id)
			}
		}
	}
	return nil
}

func (m *molmoModel) Info() Info {
	c := m.config
	return Info{
		Family: molmo{}.Name(), Blocks: int(c.Blocks), Width: int(c.Width), Vocab: int(c.Embedding),
		KVHeads: int(c.KVHeads), HeadDim: int(c.headDim),
	}
}

func (m *molmoModel) Graphs() Graphs                { return m.graphs }
func (m *molmoModel) Files() []File                 { return m.files }
func (m *molmoModel) Weights() []safetensors.Tensor { return m.weights }
func (m *molmoModel) Unused() []string              { return m.unused }
func (m *molmoModel) Decoding() Decoding            { return m.decoding }

func (m *molmoModel) Settings() any {
	return map[string]any{
		"rope_theta": m.config.Theta, "image": m.params, "pixels": m.rounding.String(), "tokenizer": digest(m.tokens.Digest()),
		"bos": m.bos, "image_tokens": m.image, "decoding": m.decoding, "image_in_question": !m.config.Native,
		"prompt": molmoPrompt("{question}"),
	}
}

func (m *molmoModel) Text(ids []int64) string { return token.Strip(m.tokens.Decode(ids, true)) }
func (m *molmoModel) Token(id int64) string   { return m.tokens.Decode([]int64{id}, false) }
func (m *molmoModel) IDs(text string) []int64 { return m.tokens.Encode(text) }

// toBF16 rounds to bfloat16, to nearest, ties to even. v is finite.
func toBF16(v float32) float32 {
	b := math.Float32bits(v)
	return math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff)
}

func (m *molmoModel) Image(file []byte) (*Image, error) {
	rgb, err := vision.Decode(file)
	if err != nil {
		return nil, &RefusedError{Stage: "image", Err: err}
	}
	c, err := m.params.Process(rgb)
	if err != nil {
		return nil, &RefusedError{Stage: "image", Err: err}
	}
	return m.layOut(c), nil
}

// layOut rounds pixels and masks, and lists the pooled cells in the order of their places in the prompt.
//
// The reference zeroes crops all of whose values are −1, which are padding of a batch; no picture makes one.
func (m *molmoModel) layOut(c *vision.MolmoCrops) *Image {
	row := len(c.Pixels) / (c.Crops * c.Patches)
	places := 1 + c.Patches // with the class token
	pixels := make([]float32, c.Crops*places*row)
	for n := range c.Crops {
		to := pixels[(n*places+1)*row : (n+1)*places*row]
		for i, v := range c.Pixels[n*c.Patches*row : (n+1)*c.Patches*row] {
			to[i] = m.round(v)
		}
	}
	cellAt := make([]int, len(c.Tokens)) // the cell, counted through all crops, whose feature belongs at a token
	for cell, at := range c.Index {
		if at >= 0 {
			cellAt[at] = cell
		}
	}
	side := int(m.config.side)
	img := &Image{Tokens: len(c.Tokens), Layout: c.Tokens}
	var cells, padding []int64
	for at, t := range c.Tokens {
		if t != vision.MolmoPatch {
			continue
		}
		img.Features++
		crop, cell := cellAt[at]/c.Cells, cellAt[at]%c.Cells
		y, x := cell/(side/molmoPool)*molmoPool, cell%(side/molmoPool)*molmoPool
		for dy := range molmoPool {
			for dx := range molmoPool {
				patch := (y+dy)*side + x + dx
				cells = append(cells, int64(crop*places+1+patch))
				padding = append(padding, padKind(m.round(c.Masks[crop*c.Patches+patch])))
			}
		}
	}
	corners := int64(molmoPool * molmoPool)
	img.Feeds = []Tensor{
		{Name: "pixels", Shape: []int64{int64(c.Crops), int64(places), int64(row)}, Float: pixels},
		{Name: "cells", Shape: []int64{int64(img.Features), corners}, Int: cells},
		{Name: "padding", Shape: []int64{int64(img.Features), corners}, Int: padding},
	}
	return img
}

// padKind is 1 for a patch without picture, 2 for one with less than a whole patch of it, 0 for the others. A mask of −1
// counts as less than whole.
func padKind(mask float32) int64 {
	switch {
	case mask == 0:
		return 1
	case mask < 1:
		return 2
	}
	return 0
}

// molmoPrompt is the text after the image (role formatting, no system prompt).
func molmoPrompt(question string) string { return " User: " + question + " Assistant:" }

func (m *molmoModel) Prompt(img *Image, question string) (*Prompt, error) {
	if m.config.Native && strings.Contains(question, molmoPlace) {
		return nil, refuse("prompt", "the question contains %s, where allenai/molmo would put the image", molmoPlace)
	}
	p := &Prompt{Text: molmoPrompt(question)}
	place := func(id, source int64) {
		p.IDs = append(p.IDs, id)
		p.Source = append(p.Source, source)
	}
	place(m.bos, 0)
	feature := int64(0)
	var layout []vision.MolmoToken // none without an image
	if img != nil {
		layout = img.Layout.([]vision.MolmoToken)
	}
	for _, t := range layout {
		if t == vision.MolmoPatch {
			feature++
			place(m.image[t], feature)
		} else {
			place(m.image[t], 0)
		}
	}
	for _, id := range m.tokens.Encode(p.Text) {
		if id >= m.config.Embedding+m.config.Extra {
			return nil, refuse("prompt", "token %d is outside the model's embedding tables of %d and %d rows", id, m.config.Embedding, m.config.Extra)
		}
		place(id, 0)
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
