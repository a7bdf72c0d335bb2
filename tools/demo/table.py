"""Writes the demo's benchmark: scenes.tsv in EmbSpatial-Bench's table format and boxes.json in its record format.

    python table.py OUT [--rows 60]

Every scene gives three rows, one for each axis, so images repeat as they do in the benchmark. Rows come in scene order
with the categories mixed. Left/right/above/under rows name their two objects in the question (five wordings, from
which the experiment's pair builder takes them); far/close rows give four objects as options, of which the right one is
at least rooms.DEEPER times as far, or as close, as any other.
"""
import argparse
import base64
import collections
import csv
import io
import json
import pathlib
import random

import numpy as np
from PIL import Image

import rooms

SEED = 770_077     # no training or evaluation stream begins with it
FLOATING = 0.2     # the tuning stage's share
QUALITY = 90       # JPEG: a fifth of the PNG's size, and accuracy does not suffer
COLUMNS = "index question_id category question image answer A B C D".split()

# The benchmark calls the vertical axis's second category "under"; the experiment's loader reads it as "below".
BENCHMARK = {"below": "under"}
WORDINGS = (
    "How are {a} and {b} positioned in relation to each other in the image?",
    "What is the spatial relationship between {a} and {b} in the image?",
    "How do the positions of {a} and {b} interact with each other?",
    "What is the spatial arrangement of {a} and {b} in the image?",
    "How would you describe the relative placement of {a} and {b} in this picture?",
)
DISTANCE = {"far": "From your perspective, which object in the image is at the longest distance?",
            "close": "From your perspective, which object in the image is at the shortest distance?"}


def relation_row(rng, scene, axis, category):
    """Question, options, index of the right one, objects; None where the scene has no pair of the category."""
    options = [p for pair in rooms.pairs(scene, axis) for p in (pair, pair[::-1]) if rooms.truth(axis, *p) == category]
    if not options:
        return None
    a, b = options[rng.integers(len(options))]
    words = ["left of", "right of", "above", "under"]
    right = ["left", "right", "above", "below"].index(category)
    question = WORDINGS[rng.integers(len(WORDINGS))].format(a=a.name, b=b.name)
    return question, [f"{a.name} {w} {b.name}" for w in words], right, [a, b]


def distance_row(rng, scene, category):
    """The same for far and close: four objects, one of them clearly the farthest or the closest."""
    four = [scene.objects[i] for i in rng.permutation(len(scene.objects))[:4]]
    if len(four) < 4:
        return None
    for i, o in enumerate(four):
        if all(rooms.truth("distance", o, p) == category for p in four if p is not o):
            return DISTANCE[category], [p.name for p in four], i, four
    return None


def build(per_category):
    """Rows of the table, and one box record for each."""
    rng = np.random.default_rng([SEED])
    rows, records, scenes = [], [], 0
    wanted = {axis: [c for _ in range(per_category) for c in categories] for axis, categories in rooms.AXES.items()}
    for order in wanted.values():
        rng.shuffle(order)
    while wanted["horizontal"]:
        scene = rooms.sample(rng, FLOATING, count=(4, 5))
        found = []
        for axis in rooms.AXES:
            category = wanted[axis][-1]
            got = distance_row(rng, scene, category) if axis == "distance" else relation_row(rng, scene, axis, category)
            found.append(got and (axis, category, *got))
        if not all(found):   # a scene serves all three axes or none
            continue
        jpeg = io.BytesIO()
        Image.fromarray(rooms.render(scene)).save(jpeg, "JPEG", quality=QUALITY)
        image = base64.b64encode(jpeg.getvalue()).decode()
        for axis, category, question, options, right, objects in found:
            wanted[axis].pop()
            index, relation = len(rows), BENCHMARK.get(category, category)
            rows.append([index, f"rooms_{index:03d}", relation, question, image, "ABCD"[right], *options])
            records.append({
                "data_source": "rooms", "scene_id": f"room_{scenes:03d}", "question_id": f"rooms_{index:03d}",
                "question": question, "relation": relation, "answer_options": options, "answer": right,
                "objects": [{"name": o.name, "bbox": list(o.bbox)} for o in objects]})
        scenes += 1
    return rows, records


def mix(records, seed=42):
    """How many distance pairs are consistent, counter-examples and ambiguous, given the references that the
    experiment's pair builder draws with its default seed: one `choice` per far/close row, in file order."""
    stream, counts = random.Random(seed), collections.Counter()
    for r in records:
        if r["relation"] not in ("far", "close"):
            continue
        reference = stream.choice([o for i, o in enumerate(r["objects"]) if i != r["answer"]])
        target_y, reference_y = (o["bbox"][1] + o["bbox"][3] / 2 for o in (r["objects"][r["answer"]], reference))
        if abs(target_y - reference_y) < rooms.LEVEL:
            counts["ambiguous"] += 1
        else:
            higher_is_farther = (target_y < reference_y) == (r["relation"] == "far")
            counts["consistent" if higher_is_farther else "counter"] += 1
    return dict(counts)


def write(out, per_category=60):
    rows, records = build(per_category)
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "scenes.tsv", "w", newline="") as f:
        table = csv.writer(f, delimiter="\t", lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(rows)
    with open(out / "boxes.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(r) for r in records) + "\n]\n")
    return mix(records)


def main():
    ap = argparse.ArgumentParser(description="write scenes.tsv and boxes.json")
    ap.add_argument("out", type=pathlib.Path)
    ap.add_argument("--rows", type=int, default=60, help="per category")
    a = ap.parse_args()
    print("distance pairs:", write(a.out, a.rows))


if __name__ == "__main__":
    main()
