"""The metrics of one block in numpy and scikit-learn, as the released scripts compute them, timed in CPU seconds on one thread.

Needs numpy and scikit-learn; run by `make bench` if they are there, never needed to build, run or test. Prints one JSON object:
CPU seconds per block of each group of metrics on vectors of the given size.
"""
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
    os.environ[name] = "1"

import argparse
import json
import tempfile
import time
from collections import defaultdict

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity

CATEGORIES = ["left", "right", "above", "below", "far", "close"]
AXIS = dict(left="horizontal", right="horizontal", above="vertical", below="vertical", far="distance", close="distance")
CANONICAL = {"left", "above", "far"}
AXES = ["horizontal", "vertical", "distance"]


def make_records(rng, width, per_category):
    """Pairs with one direction an axis, a common part and noise; 0.8 × 0.75 of them answered right twice."""
    directions = rng.standard_normal((4, width), dtype=np.float32)
    records = []
    for category in CATEGORIES:
        sign = 1 if category in CANONICAL else -1
        for _ in range(per_category):
            original = 2 * rng.standard_normal(width, dtype=np.float32)
            swapped = original + sign * np.float32(0.7) * directions[AXES.index(AXIS[category])] + np.float32(0.4) * directions[3]
            swapped += rng.standard_normal(width, dtype=np.float32)
            records.append(dict(category=category, axis=AXIS[category], original=original, swapped=swapped, delta=swapped - original,
                                both=bool(rng.random() < 0.8 and rng.random() < 0.75)))
    return records


def spread(deltas):
    similarity = cosine_similarity(np.array(deltas))
    upper = similarity[np.triu_indices(len(deltas), k=1)]
    return float(upper.mean()), float(upper.std()), len(deltas)


def signed(records):
    groups = defaultdict(list)
    for r in records:
        groups[r["axis"]].append(r["delta"] if r["category"] in CANONICAL else -r["delta"])
    return groups


def coherences(records):
    categories = defaultdict(list)
    for r in records:
        categories[r["category"]].append(r["delta"])
    within = {c: spread(d) for c, d in categories.items() if len(d) > 1}
    return within, {a: spread(d) for a, d in signed(records).items() if len(d) > 1}


def similarity(records):
    means = [np.mean([r["delta"] for r in records if r["category"] == c], axis=0) for c in CATEGORIES]
    return cosine_similarity(np.array(means))


def entanglement(records):
    groups = signed(records)
    mean = {a: np.mean(groups[a], axis=0) for a in AXES}

    def cosine(a, b):
        return float(np.dot(mean[a], mean[b]) / (np.linalg.norm(mean[a]) * np.linalg.norm(mean[b]) + 1e-12))

    m = similarity(records)
    paper = (m[2, 4] + m[3, 5] - m[2, 5] - m[3, 4]) / 4
    return cosine("vertical", "distance"), cosine("horizontal", "distance"), cosine("horizontal", "vertical"), float(paper)


def point(records):
    """From the states, as ours: the released script subtracts them once for each pair."""
    for r in records:
        r["delta"] = r["swapped"] - r["original"]
    for subset in (records, [r for r in records if r["both"]]):
        coherences(subset)
        similarity(subset)
        entanglement(subset)


def alignment(vertical, distance):
    """Own cosines and the 100 shuffles, one pair at a time."""
    kept = [(v, d) for v, d in zip(vertical, distance) if np.linalg.norm(v) > 1e-10 and np.linalg.norm(d) > 1e-10]
    own = [float(np.dot(v, d) / (np.linalg.norm(v) * np.linalg.norm(d))) for v, d in kept]
    mv, md = np.mean([v for v, _ in kept], axis=0), np.mean([d for _, d in kept], axis=0)
    mean = float(np.dot(mv, md) / (np.linalg.norm(mv) * np.linalg.norm(md) + 1e-10))
    stream = np.random.RandomState(42)
    shuffled = []
    for _ in range(100):
        order = stream.permutation(len(kept))
        shuffled.append(np.mean([np.dot(v, kept[j][1]) / (np.linalg.norm(v) * np.linalg.norm(kept[j][1])) for (v, _), j in zip(kept, order)]))
    return np.mean(own), np.std(own), mean, np.mean(shuffled), np.std(shuffled)


def components(records):
    """The three fits of a block, exact."""
    states = np.vstack([[r["original"] for r in records], [r["swapped"] for r in records]])
    deltas = np.array([r["delta"] for r in records])
    PCA(2, svd_solver="full").fit_transform(states)
    PCA(2, svd_solver="full").fit_transform(deltas)
    PCA(3, svd_solver="full").fit_transform(deltas)


def store(records, path):
    """One block's arrays as the released script saves them."""
    delta, original, swapped = (np.array([r[k] for r in records]) for k in ("delta", "original", "swapped"))
    categories = np.array([r["category"] for r in records])
    np.savez_compressed(path, delta_L0=delta, groups_L0=np.array([r["axis"] for r in records]), categories_L0=categories,
                        indices_L0=np.arange(len(records)), orig_L0=original, swap_L0=swapped, labels_L0=categories)


def cpu(work, *args, repeat):
    work(*args)
    start = time.process_time()
    for _ in range(repeat):
        work(*args)
    return (time.process_time() - start) / repeat


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--pairs", type=int, default=200, help="per category")
    parser.add_argument("--quads", type=int, default=1206)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--skip", nargs="*", default=[])
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    records = make_records(rng, args.width, args.pairs)
    out = {"numpy": np.__version__}
    if "point" not in args.skip:
        out["point"] = cpu(point, records, repeat=args.repeat)
    if "alignment" not in args.skip:
        shared = rng.standard_normal((args.quads, args.width), dtype=np.float32)
        vertical = list(shared + rng.standard_normal(shared.shape, dtype=np.float32))
        distance = list(shared + rng.standard_normal(shared.shape, dtype=np.float32))
        out["alignment"] = cpu(alignment, vertical, distance, repeat=1)
    if "pca" not in args.skip:
        start = time.process_time()
        components(records)
        out["pca"] = time.process_time() - start
    if "npz" not in args.skip:
        with tempfile.TemporaryDirectory() as folder:
            out["npz"] = cpu(store, records, os.path.join(folder, "vectors.npz"), repeat=1)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
