"""Makes everything below experiments/demo from nothing: the table, its boxes, and a series of checkpoints for each family.

    python make.py OUT [--families qwen molmo nvila] [--seed 0] [--threads 2]

The shipped series has seed 0. README.md says how long it takes.
"""
import argparse
import pathlib

import families
import table
from train import train


def main():
    ap = argparse.ArgumentParser(description="write the demo's table, boxes and checkpoints")
    ap.add_argument("out", type=pathlib.Path)
    ap.add_argument("--families", nargs="*", default=families.NAMES, choices=families.NAMES)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    print("distance pairs:", table.write(a.out))
    for name in a.families:
        print(name)
        train(families.of(name).new(a.seed), a.out / name, a.seed, a.threads)


if __name__ == "__main__":
    main()
