package family

import (
	"fmt"

	"swaprun/extract/nn"
	"swaprun/extract/onnx"
)

// qwen2Config is the config of a Qwen2 language model, with the names of transformers' Qwen2Config.
type qwen2Config struct {
	HiddenSize    int64   `json:"hidden_size"`
	Blocks        int64   `json:"num_hidden_layers"`
	Heads         int64   `json:"num_attention_heads"`
	KVHeads       int64   `json:"num_key_value_heads"`
	Intermediate  int64   `json:"intermediate_size"`
	Vocab         int64   `json:"vocab_size"`
	RopeTheta     float64 `json:"rope_theta"`
	Eps           float64 `json:"rms_norm_eps"`
	Act           string  `json:"hidden_act"`
	Tied          *bool   `json:"tie_word_embeddings"`
	SlidingWindow *bool   `json:"use_sliding_window"`
	EOS           *ints   `json:"eos_token_id"`
}

// check refuses what the graph cannot be; at is the key the config stands under in the file.
func (c *qwen2Config) check(path, at string) error {
	in := func(key string) string { return dotted(at, key) }
	if err := checkLimits(path,
		limit{in("hidden_size"), c.HiddenSize, 8, 1 << 16},
		limit{in("num_hidden_layers"), c.Blocks, 1, 1024},
		limit{in("num_attention_heads"), c.Heads, 1, 1024},
		limit{in("num_key_value_heads"), c.KVHeads, 1, c.Heads},
		limit{in("intermediate_size"), c.Intermediate, 1, 1 << 20},
		limit{in("vocab_size"), c.Vocab, 1, 1 << 22},
	); err != nil {
		return err
	}
	wrong := func(key, format string, args ...any) error {
		return &ConfigError{Path: path, Key: in(key), Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case c.HiddenSize%c.Heads != 0 || c.headDim()%8 != 0:
		return wrong("num_attention_heads", "%d heads in a width of %d: a head must be a multiple of 8 wide", c.Heads, c.HiddenSize)
	case c.Heads%c.KVHeads != 0:
		return wrong("num_key_value_heads", "%d does not divide the %d heads", c.KVHeads, c.Heads)
	case c.Act != "silu":
		return wrong("hidden_act", "is %q, expected silu", c.Act)
	case c.SlidingWindow != nil && *c.SlidingWindow:
		return wrong("use_sliding_window", "is true: sliding-window attention is not supported")
	case c.RopeTheta <= 1:
		return wrong("rope_theta", "is %g, expected more than 1", c.RopeTheta)
	case c.Eps <= 0:
		return wrong("rms_norm_eps", "is %g, expected more than 0", c.Eps)
	}
	return nil
}

func (c *qwen2Config) headDim() int64 { return c.HiddenSize / c.Heads }

// tied says whether the embedding table is the head; a missing key means it is not.
func (c *qwen2Config) tied() bool { return c.Tied != nil && *c.Tied }

func (c *qwen2Config) shape() nn.TextShape {
	return nn.TextShape{Blocks: c.Blocks, Width: c.HiddenSize, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.headDim()}
}

type qwen2Text struct {
	Embed  nn.Param     `weight:"embed_tokens.weight"`
	Blocks []qwen2Block `weight:"layers"`
	Norm   nn.RMSNorm   `weight:"norm"`
}

type qwen2Block struct {
	AttnNorm nn.RMSNorm  `weight:"input_layernorm"`
	Q        nn.Linear   `weight:"self_attn.q_proj"`
	K        nn.Linear   `weight:"self_attn.k_proj"`
	V        nn.Linear   `weight:"self_attn.v_proj"`
	O        nn.Linear   `weight:"self_attn.o_proj"`
	MLPNorm  nn.RMSNorm  `weight:"post_attention_layernorm"`
	MLP      nn.GatedMLP `weight:"mlp"`
}

func newQwen2Text(c *qwen2Config) qwen2Text {
	kv, eps := c.headDim()*c.KVHeads, float32(c.Eps)
	t := qwen2Text{Embed: nn.Param{Shape: []int64{c.Vocab, c.HiddenSize}}, Norm: nn.RMSNorm{Dim: c.HiddenSize, Eps: eps}}
	for range c.Blocks {
		t.Blocks = append(t.Blocks, qwen2Block{
			AttnNorm: nn.RMSNorm{Dim: c.HiddenSize, Eps: eps},
			Q:        nn.Linear{In: c.HiddenSize, Out: c.HiddenSize, Biased: true},
			K:        nn.Linear{In: c.HiddenSize, Out: kv, Biased: true},
			V:        nn.Linear{In: c.HiddenSize, Out: kv, Biased: true},
			O:        nn.Linear{In: c.HiddenSize, Out: c.HiddenSize},
			MLPNorm:  nn.RMSNorm{Dim: c.HiddenSize, Eps: eps},
			MLP:      nn.NewGatedMLP(c.HiddenSize, c.Intermediate, false),
		})
	}
	return t
}

// text builds the language model.
func (n *qwen2Text) text(g *nn.Graph, shape nn.TextShape) {
	t := nn.NewText(g, shape)
	h := t.Replace(t.Embed(n.Embed.Tensor), t.Features("features"))
	for i := range n.Blocks {
		h = n.Blocks[i].forward(g, t, h)
		t.Tap(h)
	}
	t.Finish()
}

func (b *qwen2Block) forward(g *nn.Graph, t *nn.Text, h onnx.Value) onnx.Value {
	x := b.AttnNorm.Forward(g, h)
	a := t.Attend(b.Q.Forward(g, x), b.K.Forward(g, x), b.V.Forward(g, x))
	h = g.Add(h, b.O.Forward(g, a))
	return g.Add(h, b.MLP.Forward(g, b.MLPNorm.Forward(g, h)))
}
