"""A tiny Qwen2.5-VL: configuration, tokenizer, processor, and the released class with a fast forward pass."""
import copy

import torch
import torch.nn.functional as F
from transformers import (AutoProcessor, GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration,
                          Qwen2_5_VLProcessor, Qwen2TokenizerFast, Qwen2VLImageProcessorFast,
                          Qwen2VLVideoProcessor)

import questions
import rooms
from fast import CLIP_MEAN, CLIP_STD, Fast, byte_level_bpe, initialise, normalised, rotate

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
           "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
           "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
SYSTEM = "You are a helpful assistant."
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\n" + SYSTEM + "<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")

LANGUAGE = dict(hidden_size=128, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2,
                intermediate_size=224,
                # The released 1e6 would leave the width axis of the three-part rotary embedding nearly unrotated
                # at a head size of 32.
                rope_theta=10000.0, rope_scaling={"type": "mrope", "mrope_section": [4, 6, 6]})
VISION = dict(depth=3, hidden_size=96, num_heads=3, intermediate_size=160, fullatt_block_indexes=[1])


def _processor():
    def texts():
        yield from questions.corpus()
        for word in questions.answers():
            yield f"assistant\n{word}\n{word} {word}\nuser\nsystem\n{SYSTEM}\n"
    tok = byte_level_bpe(SPLIT, texts())
    tok.add_special_tokens(SPECIAL)
    fast = Qwen2TokenizerFast(tokenizer_object=tok, unk_token=None, bos_token=None,
                              eos_token="<|im_end|>", pad_token="<|endoftext|>",
                              additional_special_tokens=SPECIAL[1:], model_max_length=4096)
    image = Qwen2VLImageProcessorFast(min_pixels=3136, max_pixels=12845056, patch_size=14,
                                      temporal_patch_size=2, merge_size=2)
    return Qwen2_5_VLProcessor(image, fast, Qwen2VLVideoProcessor(), chat_template=TEMPLATE)


def _model(tok, seed):
    ids = tok.convert_tokens_to_ids
    end, pad = ids("<|im_end|>"), ids("<|endoftext|>")
    config = Qwen2_5_VLConfig(
        text_config=dict(LANGUAGE, vocab_size=len(tok), rms_norm_eps=1e-6, tie_word_embeddings=True,
                         max_position_embeddings=4096, use_sliding_window=False,
                         bos_token_id=pad, eos_token_id=end, pad_token_id=pad),
        vision_config=dict(VISION, out_hidden_size=LANGUAGE["hidden_size"], patch_size=14, temporal_patch_size=2,
                           spatial_merge_size=2, window_size=112, hidden_act="silu", in_chans=3),
        image_token_id=ids("<|image_pad|>"), video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"), vision_end_token_id=ids("<|vision_end|>"),
        vision_token_id=ids("<|vision_pad|>"), tie_word_embeddings=True)
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration._from_config(config, attn_implementation="sdpa").float()

    def depth_of(name):
        if not any(part in name for part in ("o_proj", "down_proj", "attn.proj")):
            return 0
        return LANGUAGE["num_hidden_layers"] if "language" in name else VISION["depth"]
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "embed_tokens" in name:
                p.normal_(0, 0.05)
            else:
                initialise([(name, p)], depth_of)
    model.generation_config = GenerationConfig(
        bos_token_id=pad, eos_token_id=[end, pad], pad_token_id=pad,
        do_sample=True, temperature=1e-6, repetition_penalty=1.05)
    return model


class Qwen(Fast):
    """The same function as the released class, on its own parameters."""

    def __init__(self, processor, model):
        super().__init__()
        if rooms.SIDE != 112:   # more pixels would need several attention windows in the tower
            raise ValueError(f"image side {rooms.SIDE}, want 112: exactly one attention window")
        self.processor, self.model, self.tokenizer = processor, model, processor.tokenizer
        self.lm, self.tower = model.model.language_model, model.model.visual
        self.blocks = self.lm.layers
        self.end = self.tokenizer.convert_tokens_to_ids("<|im_end|>")
        self.side = rooms.SIDE // 28
        chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "\0"}]}]
        head, self.tail = processor.apply_chat_template(chat, add_generation_prompt=True).split("<|image_pad|>")
        self.head = self.ids_of(head)
        self._tower_tables()
        self._tables()

    @classmethod
    def new(cls, seed):
        processor = _processor()
        return cls(processor, _model(processor.tokenizer, seed))

    @classmethod
    def load(cls, path):
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(path, torch_dtype=torch.float32, attn_implementation="sdpa")
        return cls(AutoProcessor.from_pretrained(path), model.eval())

    def save(self, path):
        copy.deepcopy(self.model).to(torch.bfloat16).save_pretrained(path)
        self.processor.save_pretrained(path)

    # --- text

    def text(self, question):
        return self.ids_of(self.tail.replace("\0", question))

    def word(self, answer):
        return answer   # it follows a newline

    # --- pictures

    def pixels(self, images):
        """[n, patches, 3·14·14], rows in Qwen's order: the four patches of a feature in a row."""
        x = normalised(images, CLIP_MEAN, CLIP_STD)
        n, s = x.shape[0], self.side
        x = x.permute(0, 3, 1, 2).reshape(n, 3, s, 2, 14, s, 2, 14)
        return x.permute(0, 2, 5, 3, 6, 1, 4, 7).reshape(n, 4 * s * s, 588)

    def cell(self, x, y):
        return int(y // 28) * self.side + int(x // 28)

    def _tower_tables(self):
        s, v = self.side, self.tower.config
        quarter = v.hidden_size // v.num_heads // 4
        inverse = 10000.0 ** (-torch.arange(quarter) / quarter)
        patch = torch.arange(4 * s * s)
        feature, inner = patch // 4, patch % 4
        row, column = feature // s * 2 + inner // 2, feature % s * 2 + inner % 2
        angle = torch.cat((row[:, None] * inverse, column[:, None] * inverse), -1).repeat(1, 2)
        self.tower_cos, self.tower_sin = angle.cos(), angle.sin()

    def features(self, px):
        v = self.tower
        n, patches = px.shape[:2]
        # The kernel spans two frames of a video; an image is the same frame twice.
        x = px @ v.patch_embed.proj.weight.sum(2).flatten(1).T
        for b in v.blocks:
            q, k, w = b.attn.qkv(b.norm1(x)).view(n, patches, 3, v.config.num_heads, -1).permute(2, 0, 3, 1, 4)
            q, k = (rotate(y, self.tower_cos, self.tower_sin) for y in (q, k))
            o = F.scaled_dot_product_attention(q, k, w)
            x = x + b.attn.proj(o.transpose(1, 2).reshape(n, patches, -1))
            x = x + b.mlp(b.norm2(x))
        return v.merger(x).view(n, patches // 4, -1)

    # --- language model

    def _tables(self):
        """Three-part positions: text counts up on all three axes, the image spans rows and columns at one instant, and
        text behind it goes on from the largest position so far."""
        t, s, start = self.lm.config, self.side, len(self.head)
        head = t.hidden_size // t.num_attention_heads
        inverse = t.rope_theta ** (-torch.arange(0, head, 2) / head)
        before, feature, behind = torch.arange(start), torch.arange(s * s), start + s + torch.arange(64)
        position = torch.stack([torch.cat((before, start + offset, behind))
                                for offset in (0 * feature, feature // s, feature % s)])
        axis = torch.repeat_interleave(torch.arange(3), torch.tensor(t.rope_scaling["mrope_section"]))
        angle = (position[axis].T * inverse).repeat(1, 2)
        self.tables = angle.cos(), angle.sin()

    def embed(self, ids):
        return self.lm.embed_tokens(ids)

    def prefix(self, px):
        return torch.cat((self.embed(torch.tensor(self.head)).expand(len(px), -1, -1), self.features(px)), 1)

    def block(self, layer, x, rows):
        a, t = layer.self_attn, self.lm.config
        h = layer.input_layernorm(x)
        o = rows.attend(a.q_proj(h), a.k_proj(h), a.v_proj(h), t.num_attention_heads, t.num_key_value_heads)
        x = x + a.o_proj(o)
        return x + layer.mlp(layer.post_attention_layernorm(x))

    def logits(self, hidden):
        return self.model.lm_head(self.lm.norm(hidden))

    # --- training

    def named_parameters(self):
        return list(self.model.named_parameters())

    def trains_with_tower(self, name):
        return ".visual." in name or self.sparse(name)

    def sparse(self, name):
        return "embed_tokens" in name

    def word_table(self):
        return self.lm.embed_tokens.weight   # tied to the head

    def after_tower(self):
        pass

    # --- the released calls, for comparison

    @torch.no_grad()
    def generate(self, image, question):
        """The answer as the experiment's reference takes it: processor, greedy generate with the checkpoint's own
        repetition penalty, at most 20 tokens."""
        chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
        text = self.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        inputs = self.processor(text=[text], images=[image], return_tensors="pt").to(self.model.device)
        out = self.model.generate(**inputs, max_new_tokens=20, do_sample=False)
        return self.processor.batch_decode(out[:, inputs.input_ids.shape[1]:], skip_special_tokens=True)[0].strip()
