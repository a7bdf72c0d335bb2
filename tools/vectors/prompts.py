#!/usr/bin/env python3
"""Prompts and answers of the reference implementations, as text and as ids.

    prompts.py GOLDEN OUT.json

GOLDEN holds the model sets (qwen2_5_vl, qwen3_vl, molmo, nvila), each with cases.json and expected.npz. Per case of a
set: "question", "prompt" (the rendered text), "ids" (of that text), "generated" (ids) and "answer" (their text).

Image tokens are as in the text: for Qwen one for the run of them in input_ids. Molmo's tokenizer only sees what
follows the image block, so "prompt" is that, built as its processor builds it, and "ids" what follows the second
<im_end>. Needs numpy.
"""
import json
import sys
from pathlib import Path

import numpy as np

SETS = ["qwen2_5_vl/base", "qwen3_vl/base", "molmo/o-hf", "molmo/d-hf", "nvila/lite", "nvila/roborefer"]


def token_id(folder, content):
    for token in json.loads((folder / "checkpoint" / "tokenizer.json").read_text())["added_tokens"]:
        if token["content"] == content:
            return token["id"]
    raise KeyError(content)


def ids_of_text(name, folder, ids):
    if name.startswith("qwen"):
        pad = token_id(folder, "<|image_pad|>")
        return [i for k, i in enumerate(ids) if i != pad or ids[k - 1] != pad]
    if name.startswith("molmo"):
        end = [k for k, i in enumerate(ids) if i == token_id(folder, "<im_end>")][1]
        return ids[end + 1:]
    return ids


def main():
    golden, out = Path(sys.argv[1]), Path(sys.argv[2])
    doc = {}
    for name in SETS:
        folder = golden / name
        arrays = np.load(folder / "expected.npz")
        doc[name] = []
        for case in json.loads((folder / "cases.json").read_text(encoding="utf-8")):
            ids = arrays[case["id"] + "/input_ids"].tolist()
            doc[name].append({
                "question": case["question"],
                "prompt": case.get("prompt", f" User: {case['question']} Assistant:"),
                "ids": ids_of_text(name, folder, ids),
                "generated": arrays[case["id"] + "/generated_ids"].tolist(),
                "answer": case["answer"]})
    lines = [json.dumps(n) + ": [\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]" for n, cases in doc.items()]
    out.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
