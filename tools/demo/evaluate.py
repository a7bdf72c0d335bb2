"""Accuracies and delta geometry of a series on scenes that no training stage has seen.

    python evaluate.py FAMILY SERIES [--pairs 200] [--table DIR] [--generate 0] [NAME...]

Prints one JSON line for each checkpoint, then two tables in Markdown. Per checkpoint: share of right answers per axis,
and apart for consistent pairs and counter-examples; per block, the axis coherence (mean cosine of sign-corrected deltas) and
the cosine of the mean vertical with the mean distance delta. With --table, the share of right answers on the shipped scenes.tsv,
from its JPEG images. Answers come from the fast pass; the first --generate pairs of each category are also asked through the
released calls, where the family has them here, and must agree.
"""
import argparse
import base64
import csv
import io
import json
import pathlib
import random

import numpy as np
import torch
from PIL import Image

import families
import questions
import rooms
from train import SERIES

SEED = 990_000     # training streams are seeded with [seed, stage, step, half]
FLOATING = 0.2     # the tuning stage's share
AXES = list(rooms.AXES)


# --- pairs: (image uint8 [SIDE, SIDE, 3], axis, first name, second name, category, kind) --------------

def scene_pairs(per_category, want_kind=None):
    """per_category swap pairs in each of the six categories, in the mix of the scenes or all of one kind.

    Kinds are about distance and height, so with want_kind there are no horizontal pairs.
    """
    rng = np.random.default_rng([SEED, ["consistent", "counter"].index(want_kind) + 1 if want_kind else 0])
    wanted = {c: per_category for axis, categories in rooms.AXES.items() for c in categories
              if want_kind is None or axis != "horizontal"}
    out = []
    while any(wanted.values()):
        scene = rooms.sample(rng, FLOATING)
        image = None
        for axis in AXES:
            options = rooms.pairs(scene, axis)
            if want_kind is not None:
                options = [p for p in options if rooms.kind(*p) == want_kind]
            if not options:
                continue
            a, b = options[rng.integers(len(options))]
            if rng.random() < 0.5:
                a, b = b, a
            category = rooms.truth(axis, a, b)
            if wanted.get(category):
                wanted[category] -= 1
                image = rooms.render(scene) if image is None else image
                out.append((image, axis, a.name, b.name, category, rooms.kind(a, b)))
    return out


def table_pairs(folder, seed=42):
    """The pairs that the experiment's pair builder makes of the shipped table with its default seed."""
    csv.field_size_limit(1 << 30)
    stream, out = random.Random(seed), []
    with open(folder / "boxes.json") as f:
        boxes = {r["question_id"]: r for r in json.load(f)}
    with open(folder / "scenes.tsv", newline="") as f:
        for row in csv.DictReader(f, delimiter="\t"):
            record = boxes[row["question_id"]]
            names = [o["name"] for o in record["objects"]]
            category = {"under": "below"}.get(row["category"], row["category"])
            axis = next(a for a in AXES if category in rooms.AXES[a])
            if axis == "distance":
                a = names.pop(record["answer"])
                b = stream.choice(names)
            else:
                a, b = names
            image = np.asarray(Image.open(io.BytesIO(base64.b64decode(row["image"]))).convert("RGB"))
            out.append((image, axis, a, b, category, None))
    return out


# --- answers and states -------------------------------------------------------------------------

@torch.no_grad()
def ask(fast, pairs, size=32):
    """Answers (original, swapped) and hidden states [pairs, 2, blocks, width] at the last prompt token."""
    words, states = [None] * len(pairs), [None] * len(pairs)
    for axis in AXES:   # questions of one axis have one length
        chosen = [i for i, p in enumerate(pairs) if p[1] == axis]
        for at in range(0, len(chosen), size):
            group = chosen[at:at + size]
            px = fast.pixels(torch.from_numpy(np.stack([pairs[i][0] for i in group])))
            ids = torch.tensor([[fast.prompt(questions.relation(axis, *names)) for names in ((a, b), (b, a))]
                                for _, _, a, b, _, _ in (pairs[i] for i in group)])
            taps = fast.states(px, ids)
            best = fast.logits(taps[-1][:, -1]).argmax(-1).view(len(group), 2)
            h = torch.stack([t[:, -1] for t in taps], 1).view(len(group), 2, len(taps), -1)
            for k, i in enumerate(group):
                words[i] = [fast.tokenizer.decode([w]).strip() for w in best[k].tolist()]
                states[i] = h[k].numpy()
    return words, np.stack(states)


def right(pairs, words):
    """bool [pairs, 2]"""
    return np.array([[w[0] == p[4], w[1] == rooms.OPPOSITE[p[4]]] for p, w in zip(pairs, words)])


def of_axis(pairs, axis):
    return [i for i, p in enumerate(pairs) if p[1] == axis]


def percent(x):
    return round(100 * float(np.mean(x)), 1)


def deltas(pairs, states, axis):
    """Sign-corrected deltas of an axis, float64 [blocks, pairs, width]."""
    return np.stack([(states[i][1] - states[i][0]).astype(np.float64) * (1 if pairs[i][4] == rooms.AXES[axis][0] else -1)
                     for i in of_axis(pairs, axis)], 1)


def coherence(d):
    """Mean cosine over all pairs of deltas, per block."""
    u = d / np.linalg.norm(d, axis=-1, keepdims=True)
    n = u.shape[1]
    return ((u.sum(1) ** 2).sum(-1) - n) / (n * (n - 1))


def cosine(a, b):
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def measure(fast, mixed, by_kind, table):
    words, states = ask(fast, mixed)
    ok, row = right(mixed, words), {}
    for axis in AXES:
        row[axis] = percent(ok[of_axis(mixed, axis)])
        row[f"{axis} both"] = percent(ok[of_axis(mixed, axis)].all(1))
    for kind, pairs in by_kind.items():
        good = right(pairs, ask(fast, pairs)[0])
        for axis in ("vertical", "distance"):
            row[f"{axis} {kind}"] = percent(good[of_axis(pairs, axis)])
    if table:
        good = right(table, ask(fast, table)[0])
        for axis in AXES:
            row[f"{axis} shipped"] = percent(good[of_axis(table, axis)])
    d = {axis: deltas(mixed, states, axis) for axis in AXES}
    mean = {axis: d[axis].mean(1) for axis in AXES}
    for axis in AXES:
        row[f"coherence {axis}"] = np.round(coherence(d[axis]), 3).tolist()
    row["cos V D"] = np.round(cosine(mean["vertical"], mean["distance"]), 3).tolist()
    row["cos H D"] = np.round(cosine(mean["horizontal"], mean["distance"]), 3).tolist()
    return row, words


def compare_generate(fast, pairs, words, per_category):
    """Asks the first pairs of each category through the released calls; how many answers agree, how many are right."""
    seen, total, same, hits = {}, 0, 0, 0
    for (image, axis, a, b, category, _), word in zip(pairs, words):
        seen[category] = seen.get(category, 0) + 1
        if seen[category] > per_category:
            continue
        for names, expected, fast_word in (((a, b), category, word[0]), ((b, a), rooms.OPPOSITE[category], word[1])):
            text = fast.generate(Image.fromarray(image), questions.relation(axis, *names))
            total, same, hits = total + 1, same + (text == fast_word), hits + (text == expected)
    return f"{total} answers, {same} equal to the fast pass, {100 * hits / total:.1f} % right"


def markdown(rows):
    accuracy = ["horizontal", "vertical", "distance", "distance consistent", "distance counter", "vertical consistent",
                "vertical counter"] + [c for c in (f"{axis} shipped" for axis in AXES) if c in rows[0][1]]
    yield "| checkpoint | " + " | ".join(accuracy) + " |"
    yield "|---" * (len(accuracy) + 1) + "|"
    for name, row in rows:
        yield f"| {name} | " + " | ".join(str(row[c]) for c in accuracy) + " |"
    yield ""
    geometry = ["coherence horizontal", "coherence vertical", "coherence distance", "cos V D", "cos H D"]
    yield "| checkpoint | " + " | ".join(geometry) + " |"
    yield "|---" * (len(geometry) + 1) + "|"
    for name, row in rows:   # in the first blocks nothing has reached the last token yet
        yield f"| {name} | " + " | ".join(" ".join(f"{v:.2f}" for v in row[c][2:]) for c in geometry) + " |"


def main():
    ap = argparse.ArgumentParser(description="evaluate a series of demo checkpoints")
    ap.add_argument("family", choices=families.NAMES)
    ap.add_argument("series", type=pathlib.Path)
    ap.add_argument("names", nargs="*", default=SERIES)
    ap.add_argument("--pairs", type=int, default=200, help="per category")
    ap.add_argument("--table", type=pathlib.Path, help="folder of scenes.tsv and boxes.json")
    ap.add_argument("--generate", type=int, default=0, help="pairs per category to ask through the released calls too")
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    mixed = scene_pairs(a.pairs)
    by_kind = {kind: scene_pairs(a.pairs, kind) for kind in ("consistent", "counter")}
    table = table_pairs(a.table) if a.table else None
    kinds = [p[5] for p in mixed if p[1] == "distance"]
    print("distance pairs of the mixed set:", {k: kinds.count(k) for k in sorted(set(kinds))})
    rows = []
    for name in a.names:
        fast = families.of(a.family).load(a.series / name)
        row, words = measure(fast, mixed, by_kind, table)
        if a.generate and hasattr(fast, "generate"):
            row["generate"] = compare_generate(fast, mixed, words, a.generate)
        rows.append((name, row))
        print(json.dumps({"name": name, **row}), flush=True)
    print("\n".join(markdown(rows)))


if __name__ == "__main__":
    main()
