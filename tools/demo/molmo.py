"""A tiny Molmo in the native OLMo layout (config.yaml and model.pt), with a tokenizer beside it.

The released class comes as code inside the checkpoint, which is not ours to ship, so this file repeats its arithmetic: parameter
names, shapes and order of operations are those of allenai/molmo. The native layout is used because only there are crop size and
overlap read from the configuration; the Hugging Face processor has them as constants (336 pixels: 16 times the patches).
"""
import json

import torch
import torch.nn.functional as F
import yaml
from torch.nn import LayerNorm, Linear, Module, ModuleDict, ModuleList, Parameter
from transformers import PreTrainedTokenizerFast

import questions
import rooms
from fast import CLIP_MEAN, CLIP_STD, Fast, byte_level_bpe, initialise, rope

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|pad|>", "<im_start>", "<im_end>", "<im_patch>", "<im_col>", "<|image|>"]
IMAGE_TOKENS = SPECIAL[2:]

PATCH = 14
# One crop of 8 × 8 patches. Overlap margins of two patches leave a window of four, so a picture of 112 pixels is
# exactly one crop beside the global one.
MODEL = dict(
    d_model=96, n_heads=3, n_kv_heads=None, n_layers=6, mlp_hidden_size=240, qkv_bias=False, clip_qkv=None,
    attention_layer_norm=True, norm_after=True, layer_norm_type="rms", layer_norm_eps=1e-6, rope_theta=10000.0,
    additional_vocab_size=128, max_crops=12, overlap_margins=[2, 2], vit_layers=[-2, -3],
    vision_backbone=dict(
        image_default_input_size=[112, 112], image_patch_size=PATCH, image_pos_patch_size=PATCH, image_emb_dim=64,
        image_num_heads=2, image_num_key_value_heads=2, image_num_layers=4, image_head_dim=32, image_mlp_dim=128,
        image_num_pos=65, image_norm_eps=1e-5))


class RMS(Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = Parameter(torch.ones(width)), eps

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class Attention(Module):
    """Of the vision tower and of the pooling; queries may come from elsewhere than keys and values."""

    def __init__(self, into, width, heads):
        super().__init__()
        self.heads = heads
        self.wq, self.wk, self.wv, self.wo = Linear(into, width), Linear(into, width), Linear(into, width), Linear(width, width)

    def forward(self, query, rest):
        def split(y):
            return y.unflatten(-1, (self.heads, -1)).transpose(-2, -3)
        o = F.scaled_dot_product_attention(split(self.wq(query)), split(self.wk(rest)), split(self.wv(rest)))
        return self.wo(o.transpose(-2, -3).flatten(-2))


class TowerBlock(Module):
    def __init__(self, v):
        super().__init__()
        width = v["image_emb_dim"]
        self.attention = Attention(width, width, v["image_num_heads"])
        self.attention_norm = LayerNorm(width, v["image_norm_eps"])
        self.ffn_norm = LayerNorm(width, v["image_norm_eps"])
        self.feed_forward = ModuleDict(dict(w1=Linear(width, v["image_mlp_dim"]), w2=Linear(v["image_mlp_dim"], width)))

    def forward(self, x):
        h = self.attention_norm(x)
        x = x + self.attention(h, h)
        h = self.feed_forward["w1"](self.ffn_norm(x))
        return x + self.feed_forward["w2"](h * torch.sigmoid(1.702 * h))


class Tower(Module):
    def __init__(self, v):
        super().__init__()
        width = v["image_emb_dim"]
        self.class_embedding = Parameter(torch.empty(width))
        self.positional_embedding = Parameter(torch.empty(v["image_num_pos"], width))
        self.patch_embedding = Linear(3 * v["image_patch_size"] ** 2, width, bias=False)
        self.pre_ln = LayerNorm(width, v["image_norm_eps"])
        self.transformer = ModuleDict(dict(resblocks=ModuleList([TowerBlock(v) for _ in range(v["image_num_layers"])])))

    def forward(self, patches, taps):
        """[n, patches, 3·PATCH²] → outputs of the tapped blocks side by side, class token dropped."""
        x = self.patch_embedding(patches)
        x = torch.cat((self.class_embedding.expand(len(x), 1, -1), x), 1)
        x, out = self.pre_ln(x + self.positional_embedding), []
        blocks = self.transformer["resblocks"]
        for block in blocks[:len(blocks) + 1 + max(taps)]:   # later ones are computed for nothing
            x = block(x)
            out.append(x[:, 1:])
        return torch.cat([out[len(blocks) + t] for t in taps], -1)


class Backbone(Module):
    """Tower, padding embedding, pooling and projector."""

    def __init__(self, m):
        super().__init__()
        v = m["vision_backbone"]
        width, hidden = v["image_emb_dim"], m["mlp_hidden_size"] // 2
        both = width * len(m["vit_layers"])
        self.taps = m["vit_layers"]
        self.image_vit = Tower(v)
        self.pad_embed = Parameter(torch.empty(2, both))
        self.image_pooling_2d = Attention(both, width, v["image_num_heads"])
        self.image_pooling_2d.wo = Linear(width, width)
        self.image_projector = ModuleDict(dict(
            w1=Linear(width, hidden, bias=False), w2=Linear(hidden, m["d_model"], bias=False),
            w3=Linear(width, hidden, bias=False)))

    def forward(self, crops, masks):
        """crops [n, crops, patches, 588], masks [n, crops, patches] → [n, crops, patches/4, d_model].

        Row i of masks tells which patches of crop i are padding: 1 none, 0 all, anything else some. The released
        preprocessing hands them over one crop late, with −1 for the last; the caller keeps to that.
        """
        n, c, patches, _ = crops.shape
        x = self.image_vit(crops.flatten(0, 1), self.taps).unflatten(0, (n, c))
        x = x + self.pad_embed[0] * (masks == 0)[..., None] + self.pad_embed[1] * ((masks < 1) & (masks != 0))[..., None]
        s = int(patches ** 0.5) // 2
        x = x.view(n, c, s, 2, s, 2, -1).transpose(3, 4).reshape(n * c * s * s, 4, -1)
        x = self.image_pooling_2d(x.mean(1, keepdim=True), x)[:, 0]
        p = self.image_projector
        return p["w2"](F.silu(p["w1"](x)) * p["w3"](x)).view(n, c, s * s, -1)


class Block(Module):
    def __init__(self, m):
        super().__init__()
        d, eps = m["d_model"], m["layer_norm_eps"]
        kv = d // m["n_heads"] * (m["n_kv_heads"] or m["n_heads"])
        self.att_proj = Linear(d, d + 2 * kv, bias=m["qkv_bias"])
        self.attn_out = Linear(d, d, bias=False)
        self.ff_proj = Linear(d, m["mlp_hidden_size"], bias=False)
        self.ff_out = Linear(m["mlp_hidden_size"] // 2, d, bias=False)
        self.attn_norm, self.ff_norm = RMS(d, eps), RMS(d, eps)
        if m["attention_layer_norm"]:
            self.q_norm, self.k_norm = RMS(d, eps), RMS(kv, eps)


class Table(Module):
    """Token rows in two parts; image tokens may lie in either."""

    def __init__(self, rows, extra, width):
        super().__init__()
        self.embedding, self.new_embedding = Parameter(torch.empty(rows, width)), Parameter(torch.empty(extra, width))

    def forward(self, ids):
        return F.embedding(ids, torch.cat((self.embedding, self.new_embedding)))


class Network(Module):
    """All parameters, named as in the native checkpoint."""

    def __init__(self, m):
        super().__init__()
        self.m = m
        self.transformer = ModuleDict(dict(
            wte=Table(m["embedding_size"], m["additional_vocab_size"], m["d_model"]),
            blocks=ModuleList([Block(m) for _ in range(m["n_layers"])]),
            ln_f=RMS(m["d_model"], m["layer_norm_eps"]),
            ff_out=Linear(m["d_model"], m["embedding_size"], bias=False)))
        self.vision_backbone = Backbone(m)


def _tokenizer():
    def texts():
        yield from (f" User: {text} Assistant:" for text in questions.corpus())
        for word in questions.answers():
            yield f" Assistant: {word} {word}, {word}"
    tok = byte_level_bpe(SPLIT, texts())
    tok.add_special_tokens(SPECIAL)
    return PreTrainedTokenizerFast(tokenizer_object=tok, eos_token="<|endoftext|>", pad_token="<|pad|>",
                                   additional_special_tokens=IMAGE_TOKENS, model_max_length=4096)


class Molmo(Fast):
    # With 400 steps of captions, as Qwen's, two thirds of their words were right, and no relation came within 500 steps of vanilla.
    stages = {"eighths": {"steps": 300}, "captions": {"steps": 800}}
    copies = 2   # the global crop and the only high-resolution one show the same

    def __init__(self, tokenizer, network):
        super().__init__()
        self.tokenizer, self.network = tokenizer, network
        m, t = network.m, network.transformer
        self.blocks, self.table = t["blocks"], t["wte"]
        self.end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
        self.side = rooms.SIDE // PATCH // 2
        start, end, patch, column = (tokenizer.convert_tokens_to_ids(w) for w in IMAGE_TOKENS[:4])
        crop = [start] + ([patch] * self.side + [column]) * self.side + [end]
        self.head = torch.tensor([self.end] + crop + crop)
        self.patches = self.head == patch
        self.tables = rope(torch.arange(160), m["d_model"] // m["n_heads"], m["rope_theta"])

    @classmethod
    def new(cls, seed):
        tok = _tokenizer()
        # As released: the image tokens lie behind the vocabulary, in the padding rows of the table.
        vocabulary = len(tok) - len(IMAGE_TOKENS)
        torch.manual_seed(seed)
        network = Network(dict(MODEL, vocab_size=vocabulary, embedding_size=-(-len(tok) // 16) * 16))

        def depth_of(name):
            if name.startswith("transformer"):
                return 0   # the norm behind the branch sets its size
            return MODEL["vision_backbone"]["image_num_layers"] - 1 if name.endswith(("attention.wo.weight", "w2.weight")) \
                and "resblocks" in name else 0
        with torch.no_grad():
            for name, p in network.named_parameters():
                if "wte" in name:
                    p.normal_(0, EMBEDDING)
                elif "positional_embedding" in name or "class_embedding" in name:
                    p.normal_(0, 0.2)
                elif "pad_embed" in name:
                    p.zero_()
                elif name.endswith(("attn_norm.weight", "ff_norm.weight")):
                    p.fill_((2 * MODEL["n_layers"]) ** -0.5)
                else:
                    initialise([(name, p)], depth_of)
            network.transformer["ff_out"].weight.copy_(HEAD * network.transformer["wte"].embedding)
        return cls(tok, network)

    @classmethod
    def load(cls, path, tokenizer=None):
        with open(path / "config.yaml") as f:
            network = Network(yaml.safe_load(f)["model"])
        # The reference loads with torch_dtype=bfloat16, whatever the file holds.
        state = {n: t.to(torch.bfloat16).float() for n, t in torch.load(path / "model.pt", weights_only=True).items()}
        network.load_state_dict(state)
        return cls(PreTrainedTokenizerFast.from_pretrained(tokenizer or path), network.eval())

    def save(self, path):
        path.mkdir(parents=True, exist_ok=True)
        state = self.network.state_dict()
        torch.save(type(state)((n, t.detach().to(torch.bfloat16).clone()) for n, t in state.items()), path / "model.pt")
        m = dict(
            self.network.m, mlp_ratio=4, activation_type="swiglu", block_type="sequential", block_group_size=1, rope=True,
            rope_full_precision=True, attention_type="sdpa", float32_attention=True, include_bias=False,
            bias_for_layer_norm=False, layer_norm_with_affine=True, attention_layer_norm_with_affine=True,
            scale_logits=False, weight_tying=False, max_sequence_length=4096, crop_mode="overlap-and-resize-c2",
            use_col_tokens=True, prompt_type="uber_model", system_prompt_kind="demo_or_style", message_formatting="role",
            always_start_with_space=True, pad_value=0.0, image_padding_embed="pad_and_partial_pad", fix_image_padding=False,
            image_pooling_h=2, image_pooling_w=2, image_pooling_2d="attention_meanq", image_projector="mlp",
            normalize_input_embeds=False, use_position_ids=True, head_dim=None, pad_tokenizer=True,
            tokenizer=dict(identifier="demo", tokenizer_dir=None))
        m["vision_backbone"] = dict(m["vision_backbone"], image_model_type="openai", image_mlp_activations="quick_gelu",
                                    resize_mode="default")
        (path / "config.yaml").write_text(yaml.safe_dump(dict(run_name="demo", model=m), sort_keys=False))
        self.tokenizer.save_pretrained(path)
        config = json.loads((path / "tokenizer_config.json").read_text())
        config["tokenizer_class"] = "GPT2Tokenizer"
        (path / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")

    # --- text

    def text(self, question):
        return self.ids_of(f" User: {question} Assistant:")

    def word(self, answer):
        return " " + answer

    # --- pictures

    def pixels(self, images):
        """[n, patches, PATCH·PATCH·3], in the order y, x, channel: SIDE fills a crop, so nothing is resized or padded.
        Rounded to bfloat16 as the reference rounds it."""
        x = (images.float() / 255 - torch.tensor(CLIP_MEAN)) / torch.tensor(CLIP_STD)
        n, s = len(x), rooms.SIDE // PATCH
        x = x.view(n, s, PATCH, s, PATCH, 3).transpose(2, 3).reshape(n, s * s, -1)
        return x.to(torch.bfloat16).float()

    def cell(self, x, y):
        return int(y // (2 * PATCH)) * self.side + int(x // (2 * PATCH))

    def features(self, px):
        """[n, 2·C, width]: the global crop's, with the mask of the crop behind it, and that crop's with −1."""
        masks = torch.ones(2, px.shape[1])
        masks[1] = -1
        # The tower sees the same crop twice and the mask only acts behind it, but splitting the two would repeat the
        # backbone's code; at this size the tower is a small part of a step.
        both = px[:, None].expand(-1, 2, -1, -1)
        return self.network.vision_backbone(both, masks.expand(len(px), -1, -1)).flatten(1, 2)

    # --- language model

    def embed(self, ids):
        return self.table(ids)

    def prefix(self, px):
        x = self.embed(self.head).expand(len(px), -1, -1)
        features = torch.zeros(len(px), len(self.head), x.shape[-1])
        features[:, self.patches] = self.features(px)
        return x + features

    def block(self, layer, x, rows):
        m = self.network.m
        d, heads = m["d_model"], m["n_heads"]
        kv_heads = m["n_kv_heads"] or heads
        kv = d // heads * kv_heads

        def attention(h):
            q, k, v = layer.att_proj(h).split((d, kv, kv), -1)
            if m["attention_layer_norm"]:
                q, k = layer.q_norm(q), layer.k_norm(k)
            return layer.attn_out(rows.attend(q, k, v, heads, kv_heads))

        def mlp(h):
            up, gate = layer.ff_proj(h).chunk(2, -1)
            return layer.ff_out(F.silu(gate) * up)
        if m["norm_after"]:
            x = x + layer.attn_norm(attention(x))
            return x + layer.ff_norm(mlp(x))
        x = x + attention(layer.attn_norm(x))
        return x + mlp(layer.ff_norm(x))

    def logits(self, hidden):
        t = self.network.transformer
        return t["ff_out"](t["ln_f"](hidden))

    # --- training

    def named_parameters(self):
        return list(self.network.named_parameters())

    def trains_with_tower(self, name):
        return name.startswith("vision_backbone") or "wte.embedding" in name

    def sparse(self, name):
        return "wte" in name or "positional_embedding" in name or "pad_embed" in name or name == "transformer.ff_out.weight"

    def word_table(self):
        return HEAD * self.table.embedding

    @torch.no_grad()
    def after_tower(self):
        """The head starts out as the table it is to undo; from here on the two go their own ways."""
        self.network.transformer["ff_out"].weight.copy_(HEAD * self.table.embedding)


# No norm stands before the first block, so its gated unit squares the size of the embedding: rows must be large for the norm behind
# it not to drown in its epsilon. Logits want small rows.
EMBEDDING, HEAD = 0.5, 0.1
