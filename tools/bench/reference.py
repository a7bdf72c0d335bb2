"""Times the released calls (processor and generate of transformers, bfloat16) for comparison with swaprun on the same machine.

    python reference.py pairs CHECKPOINT TABLE [--pairs 40]     swap pairs a second, two questions each
    python reference.py steps CHECKPOINT IMAGE [--repeat 3]     one prompt: vision tower, forward pass, a decoding step

TABLE is the folder of scenes.tsv and boxes.json. Each figure is the median of its repetitions, after one to warm up.
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
from PIL import Image
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

STEPS = 40
QUESTION = "Is the lamp to the left or right of the chair? Answer with only one word."


def prompt(processor, image, question):
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
    text = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return processor(text=[text], images=[image], return_tensors="pt")


def seconds(call, repeat):
    out = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        call()
        out.append(time.perf_counter() - start)
    return statistics.median(out[1:])


@torch.no_grad()
def pairs(model, processor, folder, count):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "demo"))
    import evaluate
    import questions
    todo = evaluate.table_pairs(folder)[:count + 1]

    def ask(image, axis, a, b):
        for names in ((a, b), (b, a)):
            inputs = prompt(processor, Image.fromarray(image), questions.relation(axis, *names))
            model.generate(**inputs, max_new_tokens=20, do_sample=False)
    ask(*todo[0][:4])
    start = time.perf_counter()
    for pair in todo[1:]:
        ask(*pair[:4])
    taken = time.perf_counter() - start
    print(f"{count} pairs in {taken:.2f} s: {count / taken:.1f} pairs a second")


@torch.no_grad()
def steps(model, processor, image, repeat, as_json):
    inputs = prompt(processor, Image.open(image).convert("RGB"), QUESTION)
    tower = seconds(lambda: model.model.visual(inputs.pixel_values.to(model.dtype), grid_thw=inputs.image_grid_thw), repeat)
    forward = seconds(lambda: model(**inputs, logits_to_keep=1), repeat)

    def generate(tokens):
        return seconds(lambda: model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False), repeat)
    # Many steps, as a forward pass that varies by a tenth would drown a few.
    step = (generate(1 + STEPS) - generate(1)) / STEPS
    if as_json:
        status = pathlib.Path("/proc/self/status").read_text()
        anonymous = int(status.split("RssAnon:")[1].split()[0]) / 1e6
        print(json.dumps({"tokens": inputs.input_ids.shape[1], "forward": round(forward, 3), "vision": round(tower, 3), "step": round(step, 4),
                          "anonymous": round(anonymous, 2)}))
        return
    print(f"{inputs.input_ids.shape[1]} tokens: forward {forward:.2f} s (vision {tower:.2f} s), {step:.3f} s a decoding step")


def main():
    ap = argparse.ArgumentParser(description="time the released calls")
    ap.add_argument("what", choices=["pairs", "steps"])
    ap.add_argument("checkpoint")
    ap.add_argument("input", type=pathlib.Path)
    ap.add_argument("--pairs", type=int, default=40)
    ap.add_argument("--repeat", type=int, default=3)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--json", action="store_true", help="of steps: seconds and gigabytes as one JSON object")
    ap.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    processor = AutoProcessor.from_pretrained(a.checkpoint)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(a.checkpoint, torch_dtype=getattr(torch, a.dtype)).eval()
    if a.what == "pairs":
        pairs(model, processor, a.input, a.pairs)
    else:
        steps(model, processor, a.input, a.repeat, a.json)


if __name__ == "__main__":
    main()
