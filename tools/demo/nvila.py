"""A tiny NVILA: Qwen2 and SigLIP from transformers with the projector between them, in the three-folder layout that VILA's
loader reads (llm/, vision_tower/, mm_projector/). VILA's own code is not needed: this file repeats its arithmetic."""
import json

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2TokenizerFast, SiglipVisionConfig, SiglipVisionModel

import questions
import rooms
from fast import Fast, byte_level_bpe, initialise, rope

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "[BOS]", "[PAD]", "<vila/sentinel>", "<image>", "<vila/video>"]
SYSTEM = "You are a helpful assistant"   # VILA's template has no full stop
TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n" + SYSTEM + "<|im_end|>\n' }}{% endif %}"
    "{% for message in messages if message['content'] is not none %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")

LANGUAGE = dict(hidden_size=96, num_hidden_layers=6, num_attention_heads=3, num_key_value_heads=1,
                intermediate_size=128, rope_theta=10000.0)
# 154 pixels are 11 patches a side, so the 3 × 3 down-sampling has to pad, as it does at the released 448.
TILE = 154
VISION = dict(hidden_size=64, num_hidden_layers=4, num_attention_heads=2, intermediate_size=128, image_size=TILE,
              patch_size=14)
SELECT = -2   # VILA's mm_vision_select_layer: the last layer is computed for nothing


class Projector(torch.nn.Module):
    """mlp_downsample_3x3_fix: nine neighbours side by side, then a three-layer perceptron. Named as VILA names it."""

    def __init__(self, width, out):
        super().__init__()
        self.layers = torch.nn.ModuleList([
            torch.nn.Identity(), torch.nn.LayerNorm(9 * width), torch.nn.Linear(9 * width, 3 * width), torch.nn.GELU(),
            torch.nn.LayerNorm(3 * width), torch.nn.Linear(3 * width, out), torch.nn.GELU(), torch.nn.Linear(out, out)])

    def forward(self, x):
        """[n, side², width] → [n, ⌈side/3⌉², out]; a side that 3 does not divide gets zeros below and to the right."""
        n, patches, width = x.shape
        side = int(patches ** 0.5)
        x = F.pad(x.view(n, side, side, width), (0, 0, 0, -side % 3, 0, -side % 3))
        s = x.shape[1] // 3
        x = x.view(n, s, 3, s, 3, width).transpose(2, 3).reshape(n, s * s, 9 * width)
        for layer in self.layers:
            x = layer(x)
        return x


class NVILA(torch.nn.Module):
    """Parameters of the three parts, and the picture's way into the language model."""

    def __init__(self, language, vision):
        super().__init__()
        self.llm = Qwen2ForCausalLM._from_config(language, attn_implementation="sdpa").float()
        self.vision_tower = SiglipVisionModel._from_config(vision, attn_implementation="sdpa").float()
        self.mm_projector = Projector(vision.hidden_size, language.hidden_size)

    def features(self, tiles, select=SELECT):
        """float32 [n, 3, side, side] → [n, features, width]"""
        tower = self.vision_tower.vision_model
        x = tower.embeddings(tiles)
        for layer in tower.encoder.layers[:len(tower.encoder.layers) + 1 + select]:
            x = layer(x, attention_mask=None)
            x = x[0] if isinstance(x, tuple) else x
        return self.mm_projector(x)


def tile_pixels(tile):
    """PIL image of one tile → float32 [3, side, side]: SigLIP's rescaling and normalising, then VILA's rounding to
    half precision."""
    x = (np.asarray(tile).astype(np.float64) * (1 / 255)).astype(np.float32)
    x = torch.from_numpy((x - np.float32(0.5)) / np.float32(0.5)).permute(2, 0, 1)
    return x.half().float()


def _tokenizer():
    def texts():
        yield from questions.corpus()
        for word in questions.answers():
            yield f"assistant\n{word}\n{word} {word}\nuser\nsystem\n{SYSTEM}\n"
    tok = byte_level_bpe(SPLIT, texts(), nfc=True)
    tok.add_special_tokens(SPECIAL)
    return Qwen2TokenizerFast(tokenizer_object=tok, unk_token="<|endoftext|>", bos_token="[BOS]", eos_token="<|im_end|>",
                              pad_token="[PAD]", additional_special_tokens=["<|im_start|>", "<|im_end|>"],
                              chat_template=TEMPLATE, model_max_length=4096)


def _write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


class Nvila(Fast):
    # As many captions as Molmo's, without having tried fewer.
    stages = {"eighths": {"steps": 300}, "captions": {"steps": 800}}

    def __init__(self, tokenizer, model):
        super().__init__()
        self.tokenizer, self.model = tokenizer, model
        self.lm = model.llm.model
        self.blocks = self.lm.layers
        self.end = tokenizer.convert_tokens_to_ids("<|im_end|>")
        self.side = -(-(TILE // 14) // 3)
        chat = [{"role": "user", "content": "<image>\n\0"}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        head, self.tail = text.split("<image>")
        self.head, self.newline = self.ids_of(head), self.ids_of("\n")
        c = self.lm.config
        self.tables = rope(torch.arange(160), c.hidden_size // c.num_attention_heads, c.rope_theta)

    @classmethod
    def new(cls, seed):
        tok = _tokenizer()
        ids = tok.convert_tokens_to_ids
        language = Qwen2Config(
            **LANGUAGE, vocab_size=len(tok), hidden_act="silu", max_position_embeddings=4096, rms_norm_eps=1e-6,
            tie_word_embeddings=True, use_sliding_window=False, sliding_window=None,
            bos_token_id=ids("<|endoftext|>"), eos_token_id=ids("<|im_end|>"))
        vision = SiglipVisionConfig(**VISION, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6, vision_use_head=False)
        torch.manual_seed(seed)
        model = NVILA(language, vision)

        def depth_of(name):
            if any(part in name for part in ("o_proj", "down_proj")):
                return LANGUAGE["num_hidden_layers"]
            return VISION["num_hidden_layers"] - 1 if "out_proj" in name or "fc2" in name else 0
        with torch.no_grad():
            for name, p in model.named_parameters():
                if "embed_tokens" in name:
                    p.normal_(0, 0.05)
                elif "position_embedding" in name:
                    p.normal_(0, 0.2)
                else:
                    initialise([(name, p)], depth_of)
        return cls(tok, model)

    @classmethod
    def load(cls, path):
        tok = Qwen2TokenizerFast.from_pretrained(path / "llm")
        model = NVILA(Qwen2Config.from_pretrained(path / "llm"), SiglipVisionConfig.from_pretrained(path / "vision_tower"))
        for part in ("llm", "vision_tower", "mm_projector"):
            state = {}
            for file in sorted((path / part).glob("*.safetensors")):
                # Whatever the file holds, VILA computes on half-precision weights.
                state.update({n: t.half().float() for n, t in load_file(file).items()})
            module = getattr(model, part)
            wrong = module.load_state_dict(state, strict=False)
            missing = [n for n in wrong.missing_keys if n != "lm_head.weight"]
            unused = [n for n in wrong.unexpected_keys if "head" not in n]
            if missing or unused:
                raise ValueError(f"{path / part}: missing {missing}, unused {unused}")
        return cls(tok, model.eval())

    def save(self, path):
        m, ids = self.model, self.tokenizer.convert_tokens_to_ids
        for part in ("llm", "vision_tower", "mm_projector"):
            (path / part).mkdir(parents=True, exist_ok=True)
            state = {n: t.detach().to(torch.bfloat16).contiguous() for n, t in getattr(m, part).state_dict().items()
                     if n != "lm_head.weight"}   # tied
            save_file(state, path / part / "model.safetensors", metadata={"format": "pt"})
        language = dict(
            architectures=["Qwen2ForCausalLM"], model_type="qwen2", torch_dtype="bfloat16", hidden_act="silu",
            attention_dropout=0.0, initializer_range=0.02, max_position_embeddings=4096, max_window_layers=28,
            model_max_length=4096, rms_norm_eps=1e-6, rope_scaling=None, sliding_window=None, tie_word_embeddings=True,
            use_cache=True, use_sliding_window=False, vocab_size=len(self.tokenizer),
            bos_token_id=ids("<|endoftext|>"), eos_token_id=ids("<|im_end|>"), **LANGUAGE)
        vision = dict(
            architectures=["SiglipVisionModel"], model_type="siglip_vision_model", torch_dtype="bfloat16",
            attention_dropout=0.0, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6, num_channels=3,
            num_image_tokens=(TILE // 14) ** 2, vision_use_head=False, **VISION)
        projector = dict(architectures=["MultimodalProjector"], model_type="v2l_projector", torch_dtype="bfloat16",
                         mm_projector_type="mlp_downsample_3x3_fix")
        _write_json(path / "llm/config.json", language)
        _write_json(path / "vision_tower/config.json", vision)
        _write_json(path / "mm_projector/config.json", projector)
        _write_json(path / "config.json", dict(
            architectures=["LlavaLlamaModel"], model_type="llava_llama", model_dtype="torch.bfloat16",
            image_aspect_ratio="dynamic", min_tiles=1, max_tiles=12, video_max_tiles=1,
            hidden_size=LANGUAGE["hidden_size"], mm_hidden_size=VISION["hidden_size"],
            mm_vision_select_feature="cls_patch", mm_vision_select_layer=SELECT, mm_use_im_patch_token=False,
            mm_use_im_start_end=False, llm_cfg=language, vision_tower_cfg=vision, mm_projector_cfg=projector))
        _write_json(path / "vision_tower/preprocessor_config.json", dict(
            do_convert_rgb=None, do_normalize=True, do_rescale=True, do_resize=True, image_mean=[0.5] * 3,
            image_std=[0.5] * 3, image_processor_type="SiglipImageProcessor", processor_class="SiglipProcessor",
            resample=3, rescale_factor=0.00392156862745098, size={"height": TILE, "width": TILE}))
        _write_json(path / "llm/generation_config.json", dict(
            bos_token_id=ids("<|endoftext|>"), do_sample=True, eos_token_id=[ids("<|im_end|>"), ids("<|endoftext|>")],
            pad_token_id=ids("<|endoftext|>"), repetition_penalty=1.05, temperature=0.7, top_k=20, top_p=0.8))
        # As VILA saves it: a slow tokenizer's files.
        self.tokenizer.save_pretrained(path / "llm", legacy_format=True)
        (path / "llm/tokenizer.json").unlink(missing_ok=True)
        (path / "llm/chat_template.jinja").unlink(missing_ok=True)
        config = json.loads((path / "llm/tokenizer_config.json").read_text())
        _write_json(path / "llm/tokenizer_config.json", dict(
            config, chat_template=TEMPLATE, tokenizer_class="Qwen2Tokenizer", errors="replace", padding_side="right"))

    # --- text

    def text(self, question):
        # The newline that VILA's image encoder puts behind a tile's features, then the one of the prompt.
        return self.newline + self.ids_of(self.tail.replace("\0", question))

    def word(self, answer):
        return answer   # it follows a newline

    # --- pictures

    def pixels(self, images):
        """[n, 3, TILE, TILE]: a picture of at most one tile becomes one tile, whatever its size."""
        return torch.stack([tile_pixels(Image.fromarray(i).resize((TILE, TILE), Image.BICUBIC)) for i in images.numpy()])

    def cell(self, x, y):
        to_patch = TILE / 14 / rooms.SIDE
        return int(y * to_patch) // 3 * self.side + int(x * to_patch) // 3

    def features(self, px):
        return self.model.features(px)

    # --- language model

    def embed(self, ids):
        return self.lm.embed_tokens(ids)

    def prefix(self, px):
        return torch.cat((self.embed(torch.tensor(self.head)).expand(len(px), -1, -1), self.features(px)), 1)

    def block(self, layer, x, rows):
        a, c = layer.self_attn, self.lm.config
        h = layer.input_layernorm(x)
        o = rows.attend(a.q_proj(h), a.k_proj(h), a.v_proj(h), c.num_attention_heads, c.num_key_value_heads)
        x = x + a.o_proj(o)
        return x + layer.mlp(layer.post_attention_layernorm(x))

    def logits(self, hidden):
        return self.lm.norm(hidden) @ self.lm.embed_tokens.weight.T

    # --- training

    def named_parameters(self):
        return [(n, p) for n, p in self.model.named_parameters() if n != "llm.lm_head.weight"]

    def trains_with_tower(self, name):
        return not name.startswith("llm.") or self.sparse(name)

    def sparse(self, name):
        return "embed_tokens" in name or "position_embedding" in name

    def word_table(self):
        return self.lm.embed_tokens.weight   # tied to the head

    def after_tower(self):
        pass
