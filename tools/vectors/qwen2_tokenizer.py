#!/usr/bin/env python3
"""A part of Qwen2's vocabulary that encodes the strings of a case file exactly as the whole.

    qwen2_tokenizer.py RANKS CASES.json OUT.json

RANKS is dashscope/resources/qwen.tiktoken of the PyPI package dashscope (2.0.2 tried; SHA-256 below). CASES is a list
of {"text", "ids", "decoded"} as the tokenizers library computes them on the whole vocabulary.

Kept, with their ids and the order of their merges: the 256 bytes, every token whose bytes occur in a text (NFC), every
token whose id occurs in a case. Merging a word only ever makes tokens whose bytes occur in the word, so no merge that
could apply to these texts is missing, and those that stay are in the same order: the ids are the same. The script
checks it with a byte-pair encoder of its own on every word of the texts, and the reader's test checks the rest.
"""
import base64
import hashlib
import json
import sys
import unicodedata
from pathlib import Path

RANKS_SHA256 = "b2b1b8dfb5cc5f024bafc373121c6aba3f66f9a5a0269e243470a1de16a33186"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
           "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
           "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
ORDINARY = ["<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
            "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"]


def alphabet():
    """GPT-2's printable stand-in for every byte."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table


def encode(ranks, word, below=1 << 30):
    """Byte-pair encoding with the merges of rank < below."""
    seq = [word[i:i + 1] for i in range(len(word))]
    while True:
        best = min(((ranks.get(a + b, below), i) for i, (a, b) in enumerate(zip(seq, seq[1:]))), default=(below, 0))
        if best[0] >= below:
            return seq
        i = best[1]
        seq[i:i + 2] = [seq[i] + seq[i + 1]]


def main():
    ranks_file, cases_file, out_file = map(Path, sys.argv[1:])
    raw = ranks_file.read_bytes()
    assert hashlib.sha256(raw).hexdigest() == RANKS_SHA256, "another vocabulary"
    ranks = {base64.b64decode(t): int(r) for t, r in (line.split() for line in raw.splitlines())}
    cases = json.loads(cases_file.read_text(encoding="utf-8"))
    texts = [unicodedata.normalize("NFC", c["text"]).encode() for c in cases if "text" in c]
    haystack = b"\0\0\0".join(texts)
    used = {i for c in cases for i in c["ids"]}
    kept = {t: r for t, r in ranks.items() if len(t) == 1 or r in used or t in haystack}
    merges = []
    for token, rank in sorted(kept.items(), key=lambda kv: kv[1]):
        if len(token) > 1:
            left, right = encode(ranks, token, rank)  # the pair that makes the token
            if left in kept and right in kept:
                merges.append((left, right))
            else:
                assert token not in haystack, token  # only decoded, never made
    for word in {w for t in texts for w in t.replace(b" ", b"\xff ").split(b"\xff")}:
        assert encode(ranks, word) == encode(kept, word), word
    letters = alphabet()
    name = lambda t: "".join(letters[b] for b in t)
    added = [{"id": len(ranks) + i, "content": t, "special": t in SPECIAL} for i, t in enumerate(SPECIAL + ORDINARY)]
    doc = {"size": len(ranks), "vocab": {name(t): r for t, r in sorted(kept.items(), key=lambda kv: kv[1])},
           "merges": [f"{name(a)} {name(b)}" for a, b in merges], "added_tokens": added}
    out_file.write_text(json.dumps(doc, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{len(kept)} of {len(ranks)} tokens, {len(merges)} merges")


if __name__ == "__main__":
    main()
