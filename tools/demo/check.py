"""Compares this folder's Molmo and NVILA modules with reference vectors, so that what is trained is the released arithmetic.

    python check.py FAMILY SET [--tokenizer DIR]

SET holds checkpoint/, cases.json and expected.npz as the reference implementation wrote them (native layout for Molmo). Prints
the largest relative difference of any block's state at the last prompt token, for each case; above 1e-4 is a failure. Questions that
spell out a token without a row of its own are beyond these modules and are skipped.
"""
import argparse
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import molmo
import nvila
from fast import CLIP_MEAN, CLIP_STD, Rows, rope

LIMIT = 1e-4   # float32 noise of the references is 3e-6


def states(fast, x, heads_of):
    """Residual stream after every block at the last position of x [n, width]."""
    width, heads, theta = heads_of
    tail = 3   # anywhere will do: the split into prefix and continuation must not matter
    rows = Rows(1, len(x) - tail, 1, tail, *rope(torch.arange(len(x)), width // heads, theta))
    out = []
    for layer in fast.blocks:
        x = fast.block(layer, x, rows)
        out.append(x[-1].numpy())
    return np.stack(out)


# --- NVILA --------------------------------------------------------------------------------------

def grid(width, height, side, most=12):
    """Columns and rows of tiles: the nearest aspect ratio, of equally near ones the last that the picture half fills."""
    best, nearest = None, float("inf")
    for i, j in sorted(((i, j) for i in range(1, most + 1) for j in range(1, most + 1) if i * j <= most), key=lambda t: t[0] * t[1]):
        off = abs(width / height - i / j)
        if off < nearest or off == nearest and width * height > 0.5 * side * side * i * j:
            best, nearest = (i, j), off
    return best


def nvila_case(fast, case, image, expected):
    side = fast.model.vision_tower.config.image_size
    i, j = grid(*image.size, side)
    whole = image.resize((side * i, side * j))
    tiles = [whole.crop((side * x, side * y, side * (x + 1), side * (y + 1))) for y in range(j) for x in range(i)]
    if len(tiles) > 1:
        tiles.append(image.resize((side, side)))
    ids = torch.from_numpy(expected("fused_ids"))
    if fast.ids_of(case["prompt"]) != expected("input_ids").tolist():
        return float("inf")
    media = fast.tokenizer.convert_tokens_to_ids("<image>")
    rows = len(fast.lm.embed_tokens.weight)
    if ((ids >= rows) & (ids != media)).any():
        return None
    x = fast.embed(ids.clamp(max=rows - 1))
    x[ids == media] = fast.features(torch.stack([nvila.tile_pixels(t) for t in tiles])).flatten(0, 1)
    c = fast.lm.config
    return states(fast, x, (c.hidden_size, c.num_attention_heads, c.rope_theta))


# --- Molmo --------------------------------------------------------------------------------------

def tiling(width, height, window, margin, most):
    """Rows and columns of crops, in the reference's float32."""
    options = sorted(((i, j) for i in range(1, most + 1) for j in range(1, most + 1) if i * j <= most), key=lambda t: (t[0] * t[1], t[0]))
    with np.errstate(divide="ignore"):
        scale = np.array([min(np.float32(i * window) / np.float32(height - margin), np.float32(j * window) / np.float32(width - margin))
                          for i, j in options], np.float32)
    return options[int(np.argmax(scale)) if (scale < 1).all() else int(np.argmin(np.where(scale < 1, np.float32(1e10), scale)))]


def fitted(image, height, width):
    """Resized to fit, padded to [height, width, 3] and normalised."""
    h, w = image.shape[:2]
    scale = min(np.float32(height) / np.float32(h), np.float32(width) / np.float32(w))
    h, w = int(np.float32(h) * scale), int(np.float32(w) * scale)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    x = F.interpolate(x, (h, w), mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)[0].permute(1, 2, 0)
    top, left = (height - h) // 2, (width - w) // 2
    x = F.pad(x, (0, 0, left, width - w - left, top, height - h - top))
    return (x - torch.tensor(CLIP_MEAN)) / torch.tensor(CLIP_STD)


def molmo_case(fast, case, image, expected):
    m = fast.network.m
    side, patch = m["vision_backbone"]["image_default_input_size"][0], m["vision_backbone"]["image_patch_size"]
    margin = sum(m["overlap_margins"]) * patch
    window = side - margin
    i, j = tiling(*image.size, window, margin, m["max_crops"])
    image = np.array(image)
    canvas = fitted(image, i * window + margin, j * window + margin)
    crops = [fitted(image, side, side)] + [canvas[window * a:window * a + side, window * b:window * b + side]
                                           for a in range(i) for b in range(j)]
    s = side // patch
    px = torch.stack([c.reshape(s, patch, s, patch, 3).transpose(1, 2).reshape(s * s, -1) for c in crops])
    masks = torch.from_numpy(expected("image_masks"))
    ids = torch.from_numpy(expected("input_ids"))
    text = fast.text(case["question"])
    if ids[-len(text):].tolist() != text:
        return float("inf")
    px, masks = (t.to(torch.bfloat16).float()[None] for t in (px, masks))
    features = fast.network.vision_backbone(px, masks)[0].flatten(0, 1)
    at = torch.from_numpy(expected("image_input_idx").astype(np.int64)).flatten()
    x = fast.embed(ids).index_add(0, at[at >= 0], features[at >= 0])
    return states(fast, x, (m["d_model"], m["n_heads"], m["rope_theta"]))


@torch.no_grad()
def main():
    ap = argparse.ArgumentParser(description="compare modules with reference vectors")
    ap.add_argument("family", choices=["molmo", "nvila"])
    ap.add_argument("set", type=pathlib.Path)
    ap.add_argument("--tokenizer", type=pathlib.Path, help="where a native Molmo checkpoint has none")
    a = ap.parse_args()
    torch.set_num_threads(1)
    if a.family == "molmo":
        fast, run = molmo.Molmo.load(a.set / "checkpoint", a.tokenizer), molmo_case
    else:
        fast, run = nvila.Nvila.load(a.set / "checkpoint"), nvila_case
    worst, arrays = 0.0, np.load(a.set / "expected.npz")
    for case in json.loads((a.set / "cases.json").read_text()):
        path = next(p for p in (a.set / case["image"], a.set / "images" / case["image"]) if p.exists())
        got = run(fast, case, Image.open(path).convert("RGB"), lambda what: arrays[f"{case['id']}/{what}"])
        if got is None:
            print(f"{case['id']}: skipped")
            continue
        want = arrays[f"{case['id']}/hidden_states"]
        off = got if isinstance(got, float) else max(np.linalg.norm(p - q) / np.linalg.norm(q) for p, q in zip(got, want))
        worst = max(worst, off)
        print(f"{case['id']}: {off:.1e}")
    print(f"worst {worst:.1e}")
    sys.exit(int(worst > LIMIT))


if __name__ == "__main__":
    main()
