#!/usr/bin/env python3
"""What the tokenizers library and transformers make of unusual tokenizer files.

    tokenizer_files.py TESTDATA OUT.json

TESTDATA is extract/token/testdata. Needs tokenizers 0.22.2 and transformers 4.57.6. Two lists:

"pipelines": {"name", "patch", "model", "cases"}: molmo/d-hf's tokenizer.json with the members in patch replaced (and
those of "model" inside its model), as the tokenizers library alone reads it.
"directories": {"name", "files", "cases", "length", "special"}: a directory as AutoTokenizer reads it; files are
objects, texts, or {"from": path below TESTDATA}.
A case is [text, ids, decoded, decoded without special tokens].
"""
import json
import random
import sys
import tempfile
from pathlib import Path

from tokenizers import Tokenizer

BASE = "molmo/d-hf/checkpoint/tokenizer.json"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BY_THREES = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
PIECES = ["the", " lamp", "left", "  ", " ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "é", "e\u0301", "\u0301", "ü", "1", "23", "4567",
          "Ⅷ", "½", "'s", "'LL", "'ſ", "'", "!", "?!", "...", "杯", "子", "🙂", "👨\u200d👩", "\u200d", "<|im_end|>", "<|endoftext|>", "<a>",
          "<a>b", "word", "café", "_", "x", "Ω", "\u2126", "\x1c", "\x85", "ह", "ि", "\ufeff", "\ufffd", "A", "Is", "?"]


def texts(seed, extra=()):
    rng = random.Random(seed)
    pieces = PIECES + list(extra) * 4
    return ["", " ", "a"] + ["".join(rng.choice(pieces) for _ in range(rng.randint(1, 14))) for _ in range(60)]


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}]}


def byte_level(space):
    return {"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": True, "use_regex": True}


def added(first, *tokens):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return [{"id": first + i, "content": c, **flags, **f} for i, (c, f) in enumerate(tokens)]


def pipelines(base):
    n = len(base["model"]["vocab"])
    yield "as it is", {}, {}, ()
    yield "digits by threes", {"pre_tokenizer": split(BY_THREES)}, {}, ()
    yield "matches kept, the rest removed", {"pre_tokenizer": split(BY_THREES, "Removed", True), "normalizer": None}, {}, ()
    yield "GPT-2", {"pre_tokenizer": byte_level(False), "normalizer": None}, {}, ()
    yield "normalizers in a sequence", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}]}}, {}, ()
    yield "words that are tokens", {}, {"ignore_merges": True}, ()
    yield "few bytes", {"added_tokens": []}, {"vocab": {t: i for t, i in base["model"]["vocab"].items() if i < 90}, "merges": []}, ()
    yield "longest and leftmost", {"added_tokens": added(n, ("<a>", {}), ("<a>b", {}), ("b<", {}), ("<a>bc", {"special": False}))}, {}, ("b<a>bc", "c")
    yield "strips", {"added_tokens": added(n, ("<l>", {"lstrip": True}), ("<r>", {"rstrip": True}), ("<lr>", {"lstrip": True, "rstrip": True}), (" ", {"special": False}))}, {}, ("<l>", "<r>", "<lr>", " <lr> ")
    yield "single words", {"added_tokens": added(n, ("word", {"single_word": True}), ("_x", {"single_word": True, "special": False}), ("lé", {"single_word": True, "normalized": True}))}, {}, (" word ", "words", "_x", " _x ", " lé ", " le\u0301.", "lé")
    yield "normalized", {"added_tokens": added(n, ("le\u0301", {"normalized": True, "special": False}), ("lü", {"special": False}), ("Ω", {"normalized": True}), ("\u2126x", {}))}, {}, ("lé", "\u2126x", "lu\u0308", "le\u0301", "lü")
    yield "tokens of the vocabulary", {"added_tokens": [{**t, "id": base["model"]["vocab"][t["content"]]} for t in added(0, ("he", {}), ("!", {"special": False}))]}, {}, ("the", "he", "!!")


def pipeline_cases(base, patch, model, extra, seed):
    doc = json.loads(json.dumps(base))
    doc.update(patch)
    doc["model"].update(model)
    tok = Tokenizer.from_str(json.dumps(doc))
    for text in texts(seed, extra):
        ids = tok.encode(text).ids
        yield [text, ids, tok.decode(ids, skip_special_tokens=False), tok.decode(ids)]


def directories(testdata):
    lite, roborefer, dhf = "nvila/lite/checkpoint/llm/", "nvila/roborefer/checkpoint/llm/", "molmo/d-hf/checkpoint/"
    src = lambda name: {"from": name}
    config = lambda name: json.loads((testdata / name / "tokenizer_config.json").read_text())
    slow = {"vocab.json": src(lite + "vocab.json"), "merges.txt": src(lite + "merges.txt")}
    qwen = config(lite)
    # transformers 4.57.6 mixes tokens up when this file lists additional tokens beside added_tokens.json (a loop
    # variable left over: eos_token becomes the last added token). Not followed, so not compared.
    roles = {k: v for k, v in json.loads((testdata / lite / "special_tokens_map.json").read_text()).items() if k != "additional_special_tokens"}
    bare = {k: v for k, v in qwen.items() if k != "added_tokens_decoder"}
    yield "vocab.json and merges.txt", {**slow, "tokenizer_config.json": qwen}
    yield "no added tokens declared", {**slow, "tokenizer_config.json": {"tokenizer_class": "Qwen2Tokenizer"}}
    yield "older files", {**slow, "tokenizer_config.json": bare, "special_tokens_map.json": roles, "added_tokens.json": src(lite + "added_tokens.json")}
    yield "older files, no map", {**slow, "tokenizer_config.json": {**bare, "eos_token": "<|im_end|>"}, "added_tokens.json": src(lite + "added_tokens.json")}
    yield "a map without added tokens", {**slow, "tokenizer_config.json": bare, "special_tokens_map.json": {"eos_token": "<eos>", "additional_special_tokens": ["<one>", "<two>"]}}
    yield "GPT2Tokenizer", {**slow, "tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer"}}
    yield "GPT2Tokenizer with a space", {**slow, "tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}}
    fast = {"tokenizer.json": src(roborefer + "tokenizer.json")}
    yield "tokenizer.json alone", {**fast, "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast"}}
    extra = config(roborefer)
    extra["added_tokens_decoder"]["429"] = {"content": "<late>", "lstrip": True, "normalized": False, "rstrip": False, "single_word": False, "special": False}
    extra["pad_token"] = "<pad>"
    yield "tokens only in the configuration", {**fast, "tokenizer_config.json": extra}
    flags = config(roborefer)
    flags["added_tokens_decoder"]["428"].update(special=False, rstrip=True)
    flags["added_tokens_decoder"]["422"].update(special=False)
    yield "spaces cleaned up", {**fast, "tokenizer_config.json": {**config(roborefer), "clean_up_tokenization_spaces": True}}
    yield "other flags in the configuration", {**fast, "tokenizer_config.json": flags}
    doc = json.loads((testdata / dhf / "tokenizer.json").read_text())
    doc["pre_tokenizer"] = byte_level(True)
    yield "the space of the file is overridden", {"tokenizer.json": doc, "tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer"}}
    yield "the space of the configuration", {"tokenizer.json": doc, "tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}}


def directory_cases(testdata, files, seed):
    from transformers import AutoTokenizer
    with tempfile.TemporaryDirectory() as d:
        for name, content in files.items():
            if isinstance(content, dict) and "from" in content:
                content = (testdata / content["from"]).read_text(encoding="utf-8")
            elif not isinstance(content, str):
                content = json.dumps(content)
            (Path(d) / name).write_text(content, encoding="utf-8")
        tok = AutoTokenizer.from_pretrained(d)
    cases = []
    for text in texts(seed, ["<image>", " <late>", "<depth>  ", "<pad>", "<eos>", "<two>", "[PAD]", "<vila/sentinel>", " 's", " n't", " .", " ' "])[:40]:
        ids = tok(text)["input_ids"]
        cases.append([text, ids, tok.decode(ids, skip_special_tokens=False), tok.decode(ids, skip_special_tokens=True)])
    return {"cases": cases, "length": len(tok), "special": {r: getattr(tok, r + "_id") for r in ("bos_token", "eos_token", "pad_token")}}


def main():
    testdata, out = Path(sys.argv[1]), Path(sys.argv[2])
    base = json.loads((testdata / BASE).read_text(encoding="utf-8"))
    doc = {"pipelines": [], "directories": []}
    for seed, (name, patch, model, extra) in enumerate(pipelines(base)):
        doc["pipelines"].append({"name": name, "patch": patch, "model": model, "cases": list(pipeline_cases(base, patch, model, extra, seed))})
    for seed, (name, files) in enumerate(directories(testdata)):
        if isinstance(files.get("tokenizer.json"), dict) and "from" not in files["tokenizer.json"]:
            patch = {"pre_tokenizer": files["tokenizer.json"]["pre_tokenizer"]}
            entry = {**files, "tokenizer.json": {"from": BASE, "patch": patch}}
        else:
            entry = files
        doc["directories"].append({"name": name, "files": entry, **directory_cases(testdata, files, 100 + seed)})
    lines = lambda entries: ",\n".join(json.dumps(e, separators=(",", ":")) for e in entries)
    out.write_text('{"pipelines":[\n' + lines(doc["pipelines"]) + '\n],"directories":[\n' + lines(doc["directories"]) + "\n]}\n", encoding="utf-8")
    print(sum(len(e["cases"]) for k in doc for e in doc[k]), "cases")


if __name__ == "__main__":
    main()
