"""Writes a random checkpoint of a model's real size in its released file layout, to measure memory and time on.

    python fullsize.py MODEL OUT --like CHECKPOINT [--dtype bfloat16]

MODEL is qwen2.5-vl-3b, molmo-7b-o or nvila-lite-2b. --like is any checkpoint of the same family and layout, however small: its
configuration is kept but for the sizes, its tokenizer and processor files are copied. The table of embeddings has the released number
of rows; NVILA's is cut to the tokenizer's length on loading, so there the tokenizer is padded with words nobody writes.

Molmo is written as the hub has it (config.json, safetensors) or as it was trained (config.yaml, model.pt), as CHECKPOINT is.

Needs numpy only. Weights are one block of normal numbers laid end to end: equal values cost a matrix product nothing less. Norms are 1,
biases 0. Writing is limited by the disk.
"""
import argparse
import collections
import io
import json
import math
import pathlib
import pickle
import re
import shutil
import struct
import sys
import types
import zipfile

import numpy as np

SEED = 12
STD = 0.02
SHARD = 5 * 10**9   # bytes
BYTES = {"bfloat16": 2, "float32": 4, "float16": 2}
NAMES = {"bfloat16": "BF16", "float32": "F32", "float16": "F16"}


# --- shapes: (name, shape) in file order --------------------------------------------------------------

def linear(name, out, into, bias):
    yield f"{name}.weight", (out, into)
    if bias:
        yield f"{name}.bias", (out,)


def norm(name, width, bias):
    yield f"{name}.weight", (width,)
    if bias:
        yield f"{name}.bias", (width,)


def qwen2(rows, width, blocks, heads, kv_heads, mlp):
    head = width // heads
    yield "model.embed_tokens.weight", (rows, width)
    for i in range(blocks):
        b = f"model.layers.{i}"
        yield from norm(f"{b}.input_layernorm", width, False)
        yield from linear(f"{b}.self_attn.q_proj", heads * head, width, True)
        yield from linear(f"{b}.self_attn.k_proj", kv_heads * head, width, True)
        yield from linear(f"{b}.self_attn.v_proj", kv_heads * head, width, True)
        yield from linear(f"{b}.self_attn.o_proj", width, heads * head, False)
        yield from norm(f"{b}.post_attention_layernorm", width, False)
        yield from linear(f"{b}.mlp.gate_proj", mlp, width, False)
        yield from linear(f"{b}.mlp.up_proj", mlp, width, False)
        yield from linear(f"{b}.mlp.down_proj", width, mlp, False)
    yield from norm("model.norm", width, False)


def qwen_tower(width, blocks, mlp, out):
    yield "visual.patch_embed.proj.weight", (width, 3, 2, 14, 14)
    for j in range(blocks):
        b = f"visual.blocks.{j}"
        yield from norm(f"{b}.norm1", width, False)
        yield from norm(f"{b}.norm2", width, False)
        yield from linear(f"{b}.attn.qkv", 3 * width, width, True)
        yield from linear(f"{b}.attn.proj", width, width, True)
        yield from linear(f"{b}.mlp.gate_proj", mlp, width, True)
        yield from linear(f"{b}.mlp.up_proj", mlp, width, True)
        yield from linear(f"{b}.mlp.down_proj", width, mlp, True)
    yield from norm("visual.merger.ln_q", width, False)
    yield from linear("visual.merger.mlp.0", 4 * width, 4 * width, True)
    yield from linear("visual.merger.mlp.2", out, 4 * width, True)


def molmo():
    width, fused, tower = 4096, 22016, 1024
    yield "model.transformer.wte.embedding", (100352, width)
    yield "model.transformer.wte.new_embedding", (128, width)
    for i in range(32):
        b = f"model.transformer.blocks.{i}"
        yield from linear(f"{b}.att_proj", 3 * width, width, False)
        yield from linear(f"{b}.attn_out", width, width, False)
        yield from linear(f"{b}.ff_proj", fused, width, False)
        yield from linear(f"{b}.ff_out", width, fused // 2, False)
        for n in ("q_norm", "k_norm", "attn_norm", "ff_norm"):
            yield from norm(f"{b}.{n}", width, False)
    yield from norm("model.transformer.ln_f", width, False)
    yield from linear("model.transformer.ff_out", 100352, width, False)
    v = "model.vision_backbone"
    yield f"{v}.pad_embed", (2, 2 * tower)
    yield f"{v}.image_vit.class_embedding", (tower,)
    yield f"{v}.image_vit.positional_embedding", (577, tower)
    yield from linear(f"{v}.image_vit.patch_embedding", tower, 588, False)
    yield from norm(f"{v}.image_vit.pre_ln", tower, True)
    for j in range(23):
        b = f"{v}.image_vit.transformer.resblocks.{j}"
        for n in ("wq", "wk", "wv", "wo"):
            yield from linear(f"{b}.attention.{n}", tower, tower, True)
        yield from norm(f"{b}.attention_norm", tower, True)
        yield from norm(f"{b}.ffn_norm", tower, True)
        yield from linear(f"{b}.feed_forward.w1", 4 * tower, tower, True)
        yield from linear(f"{b}.feed_forward.w2", tower, 4 * tower, True)
    for n in ("wq", "wk", "wv"):
        yield from linear(f"{v}.image_pooling_2d.{n}", tower, 2 * tower, True)
    yield from linear(f"{v}.image_pooling_2d.wo", tower, tower, True)
    yield from linear(f"{v}.image_projector.w1", fused // 2, tower, False)
    yield from linear(f"{v}.image_projector.w2", width, fused // 2, False)
    yield from linear(f"{v}.image_projector.w3", fused // 2, tower, False)


def siglip(width, blocks, mlp, positions):
    v = "vision_model"
    yield f"{v}.embeddings.patch_embedding.weight", (width, 3, 14, 14)
    yield f"{v}.embeddings.patch_embedding.bias", (width,)
    yield f"{v}.embeddings.position_embedding.weight", (positions, width)
    for j in range(blocks):
        b = f"{v}.encoder.layers.{j}"
        for n in ("q", "k", "v", "out"):
            yield from linear(f"{b}.self_attn.{n}_proj", width, width, True)
        yield from norm(f"{b}.layer_norm1", width, True)
        yield from norm(f"{b}.layer_norm2", width, True)
        yield from linear(f"{b}.mlp.fc1", mlp, width, True)
        yield from linear(f"{b}.mlp.fc2", width, mlp, True)
    yield from norm(f"{v}.post_layernorm", width, True)


def projector(width, out):
    yield from norm("layers.1", 9 * width, True)
    yield from linear("layers.2", 3 * width, 9 * width, True)
    yield from norm("layers.4", 3 * width, True)
    yield from linear("layers.5", out, 3 * width, True)
    yield from linear("layers.7", out, out, True)


# --- files ----------------------------------------------------------------------------------------------

def block(dtype):
    """64 Mi normal values as raw bytes."""
    values = np.random.default_rng(SEED).standard_normal(1 << 20, np.float32) * np.float32(STD)
    return np.tile(encoded(values, dtype), 64)


def encoded(values, dtype):
    if dtype == "bfloat16":   # numpy has none: round to nearest even by hand
        bits = values.astype(np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return values.astype(dtype)


def is_norm(name):
    last = name.split(".")[-2] if "." in name else name
    return name.endswith(".weight") and (
        "norm" in last or last in ("ln_q", "ln_f", "pre_ln") or name in ("layers.1.weight", "layers.4.weight"))


def write(folder, tensors, dtype):
    """safetensors with an index where there is more than one shard; returns the number of parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    size = BYTES[dtype]
    shards, used = [[]], 0
    for name, shape in tensors:
        n = math.prod(shape) * size
        if used and used + n > SHARD:
            shards.append([])
            used = 0
        shards[-1].append((name, shape))
        used += n
    random, index, total = block(dtype), {}, 0
    for k, shard in enumerate(shards):
        file = "model.safetensors" if len(shards) == 1 else f"model-{k + 1:05d}-of-{len(shards):05d}.safetensors"
        header, at = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in shard:
            n = math.prod(shape)
            header[name] = {"dtype": NAMES[dtype], "shape": shape, "data_offsets": [at, at + n * size]}
            at, total, index[name] = at + n * size, total + n, file
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / file, "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text)
            for name, shape in shard:
                write_values(f, name, math.prod(shape), dtype, random)
    if len(shards) > 1:
        (folder / "model.safetensors.index.json").write_text(json.dumps(
            {"metadata": {"total_size": total * size}, "weight_map": index}, indent=2))
    return total


def write_values(f, name, n, dtype, random):
    if is_norm(name):
        f.write(encoded(np.ones(n, np.float32), dtype).tobytes())
    elif name.endswith("bias"):
        f.write(bytes(n * BYTES[dtype]))
    else:
        for start in range(0, n, len(random)):
            f.write(memoryview(random[:min(len(random), n - start)]))


def write_torch(path, tensors, dtype):
    """A state dict in the zip layout of torch.save, every entry stored, its data on a multiple of 64 bytes; returns the number of parameters."""
    storage, state = torch_names(dtype)
    tensors = [(name, shape, storage(str(i), math.prod(shape))) for i, (name, shape) in enumerate(tensors)]
    random, total = block(dtype), 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        def add(entry, write):
            info = zipfile.ZipInfo(f"model/{entry}")
            header = 30 + len(info.filename) + 4 + 20   # with the field that aligns and the one zip64 adds
            pad = -(z.fp.tell() + header) % 64
            info.extra = b"FB" + struct.pack("<H", pad) + b"Z" * pad
            with z.open(info, "w", force_zip64=True) as f:
                write(f)

        add("data.pkl", lambda f: f.write(state((n, s, v) for n, s, v in tensors)))
        add("byteorder", lambda f: f.write(b"little"))
        for name, shape, value in tensors:
            n = math.prod(shape)
            add(f"data/{value.key}", lambda f: write_values(f, name, n, dtype, random))
            total += n
        add("version", lambda f: f.write(b"3\n"))
    return total


def torch_names(dtype):
    """What pickles as torch's own storages and tensors do, without torch: a class of storages, and a function that pickles tensors."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    kind = type({"bfloat16": "BFloat16Storage", "float32": "FloatStorage", "float16": "HalfStorage"}[dtype], (), {"__module__": "torch"})
    setattr(torch, kind.__name__, kind)
    torch._utils = utils

    def rebuild():
        raise NotImplementedError
    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    Storage = collections.namedtuple("Storage", "key n")

    class Tensor:
        def __init__(self, storage, shape):
            self.storage, self.shape = storage, shape

        def __reduce__(self):
            strides = tuple(math.prod(self.shape[i + 1:]) for i in range(len(self.shape)))
            return rebuild, (self.storage, 0, tuple(self.shape), strides, False, collections.OrderedDict())

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return ("storage", kind, obj.key, "cpu", obj.n) if isinstance(obj, Storage) else None

    def state(tensors):
        out, kept = io.BytesIO(), {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
        sys.modules.update({"torch": torch, "torch._utils": utils})
        try:
            Pickler(out, 2).dump(collections.OrderedDict((n, Tensor(v, s)) for n, s, v in tensors))
        finally:
            for name, module in kept.items():
                if module is None:
                    del sys.modules[name]
                else:
                    sys.modules[name] = module
        return out.getvalue()

    return Storage, state


def copy_small(source, out):
    for file in source.iterdir():
        if file.is_file() and not file.name.startswith("model"):
            out.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, out / file.name)


def edit(path, **changes):
    config = json.loads(path.read_text())
    config.update(changes)
    path.write_text(json.dumps(config, indent=2))
    return config


# --- models ---------------------------------------------------------------------------------------------

def make_qwen(out, like, dtype):
    copy_small(like, out)
    language = dict(vocab_size=151936, hidden_size=2048, num_hidden_layers=36, num_attention_heads=16, num_key_value_heads=2,
                    intermediate_size=11008, rope_theta=1e6, rope_scaling={"type": "mrope", "mrope_section": [16, 24, 24]},
                    tie_word_embeddings=True)
    config = json.loads((like / "config.json").read_text())
    vision = dict(config["vision_config"], depth=32, hidden_size=1280, intermediate_size=3420, num_heads=16,
                  out_hidden_size=2048, fullatt_block_indexes=[7, 15, 23, 31], window_size=112)
    text = {"text_config": dict(config["text_config"], **language)} if "text_config" in config else language
    edit(out / "config.json", vision_config=vision, torch_dtype=dtype, **text)
    tensors = [*qwen_tower(1280, 32, 3420, 2048), *qwen2(151936, 2048, 36, 16, 2, 11008)]
    return write(out, tensors, dtype)


def make_molmo(out, like, dtype):
    copy_small(like, out)
    if (like / "config.yaml").exists():
        return make_molmo_native(out, dtype)
    edit(out / "config.json", hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=None,
         intermediate_size=22016, vocab_size=100278, embedding_size=100352, rope_theta=500000.0, torch_dtype=dtype)
    config = json.loads((out / "config.json").read_text())
    for key in ("vision_backbone", "vit_layers"):   # the released file has neither: the constants apply
        config.pop(key, None)
    (out / "config.json").write_text(json.dumps(config, indent=2))
    return write(out, molmo(), dtype)


def make_molmo_native(out, dtype):
    text = (out / "config.yaml").read_text()
    for key, value in dict(d_model=4096, n_layers=32, n_heads=32, n_kv_heads="null", mlp_hidden_size=22016, rope_theta=500000.0, vocab_size=100278,
                           embedding_size=100352, overlap_margins=[4, 4], vit_layers=[-2, -9], image_default_input_size=[336, 336],
                           image_emb_dim=1024, image_num_heads=16, image_num_key_value_heads=16, image_num_layers=23, image_head_dim=64,
                           image_mlp_dim=4096, image_num_pos=577).items():
        # A value, or a list of one item a line.
        text, n = re.subn(rf"^( +){key}:(.*)((\n\1 *- .*)*)$", rf"\g<1>{key}: {json.dumps(value) if value != 'null' else value}", text, flags=re.M)
        if n != 1:
            raise SystemExit(f"{out}/config.yaml says {key} {n} times")
    (out / "config.yaml").write_text(text)
    return write_torch(out / "model.pt", [(name.removeprefix("model."), shape) for name, shape in molmo()], dtype)


def make_nvila(out, like, dtype):
    for part in ("", "llm", "vision_tower", "mm_projector"):
        copy_small(like / part, out / part)
    rows = pad_tokenizer(out / "llm", 151643)
    language = edit(out / "llm/config.json", vocab_size=rows, hidden_size=1536, num_hidden_layers=28, num_attention_heads=12,
                    num_key_value_heads=2, intermediate_size=8960, rope_theta=1e6, torch_dtype=dtype)
    vision = edit(out / "vision_tower/config.json", hidden_size=1152, num_hidden_layers=27, num_attention_heads=16,
                  intermediate_size=4304, image_size=448, patch_size=14, torch_dtype=dtype)
    edit(out / "vision_tower/preprocessor_config.json", size={"height": 448, "width": 448})
    edit(out / "config.json", hidden_size=1536, mm_hidden_size=1152, llm_cfg=language, vision_tower_cfg=vision)
    return (write(out / "llm", qwen2(rows, 1536, 28, 12, 2, 8960), dtype)
            + write(out / "vision_tower", siglip(1152, 27, 4304, 1024), dtype)
            + write(out / "mm_projector", projector(1152, 1536), dtype))


def pad_tokenizer(folder, ordinary):
    """Fills vocab.json up to `ordinary` tokens and moves the added ones behind; returns the tokenizer's length."""
    vocab = json.loads((folder / "vocab.json").read_text())
    for i in range(len(vocab), ordinary):
        vocab[f"\u0120nobody{i}writes"] = i
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    added = json.loads((folder / "added_tokens.json").read_text())
    moved = {old: ordinary + k for k, old in enumerate(sorted(added.values()))}
    (folder / "added_tokens.json").write_text(json.dumps({t: moved[i] for t, i in added.items()}, indent=2))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"] = {str(moved[int(i)]): t for i, t in config["added_tokens_decoder"].items()}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    for name in ("config.json", "generation_config.json"):
        values = json.loads((folder / name).read_text())
        for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
            if key in values:
                v = values[key]
                values[key] = [moved[i] for i in v] if isinstance(v, list) else moved.get(v, v)
        (folder / name).write_text(json.dumps(values, indent=2))
    return ordinary + len(moved)


MODELS = {"qwen2.5-vl-3b": make_qwen, "molmo-7b-o": make_molmo, "nvila-lite-2b": make_nvila}


def main():
    ap = argparse.ArgumentParser(description="write a random checkpoint of real size")
    ap.add_argument("model", choices=MODELS)
    ap.add_argument("out", type=pathlib.Path)
    ap.add_argument("--like", type=pathlib.Path, required=True, help="small checkpoint of the same family and layout")
    ap.add_argument("--dtype", default="bfloat16", choices=list(BYTES))
    a = ap.parse_args()
    print(f"{MODELS[a.model](a.out, a.like, a.dtype)} parameters")


if __name__ == "__main__":
    main()
