"""Writes a random Qwen2.5-VL checkpoint of half the 3B model's width, to time swaprun and the reference on.

    python halfwidth.py OUT --processor CHECKPOINT

36 blocks of width 1024 and a vision tower of 32 blocks of width 640 (1.03 billion parameters, 2.1 GB), saved by the released
class in bfloat16, in two shards. Tokenizer, processor and generation settings are another checkpoint's; the table of embeddings keeps
its released size, since the head's matrix product is a good part of a decoding step.
"""
import argparse
import json
import pathlib
import shutil

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

SEED = 11


def main():
    ap = argparse.ArgumentParser(description="write a random checkpoint of half the 3B model's width")
    ap.add_argument("out", type=pathlib.Path)
    ap.add_argument("--processor", type=pathlib.Path, required=True, help="checkpoint that lends tokenizer and processor")
    a = ap.parse_args()
    lender = json.loads((a.processor / "config.json").read_text())
    special = {k: lender[k] for k in ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")}
    config = Qwen2_5_VLConfig(
        text_config=dict(
            vocab_size=151936, hidden_size=1024, num_hidden_layers=36, num_attention_heads=8, num_key_value_heads=2,
            intermediate_size=5504, rope_theta=1e6, rms_norm_eps=1e-6, max_position_embeddings=128000,
            rope_scaling={"type": "mrope", "mrope_section": [16, 24, 24]}, tie_word_embeddings=True,
            use_sliding_window=False),
        vision_config=dict(
            depth=32, hidden_size=640, num_heads=16, intermediate_size=1710, out_hidden_size=1024, patch_size=14,
            temporal_patch_size=2, spatial_merge_size=2, window_size=112, fullatt_block_indexes=[7, 15, 23, 31],
            hidden_act="silu", in_chans=3, tokens_per_second=2),
        tie_word_embeddings=True, **special)
    torch.manual_seed(SEED)
    torch.set_default_dtype(torch.bfloat16)   # float32 would need twice the memory and lose nothing here
    model = Qwen2_5_VLForConditionalGeneration._from_config(config, torch_dtype=torch.bfloat16)
    model.save_pretrained(a.out, max_shard_size="1500MB")
    for file in a.processor.iterdir():
        if not file.name.startswith(("model", "config")):
            shutil.copyfile(file, a.out / file.name)
    print(f"{sum(p.numel() for p in model.parameters())} parameters")


if __name__ == "__main__":
    main()
