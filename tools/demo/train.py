"""Trains one family's series of demo checkpoints from nothing, on the CPU.

    python train.py FAMILY OUT [--seed 0] [--threads 2] [--from STAGE] [--keep-stages]

Stages, each with a stream of scenes of its own (what batch i of a stage holds depends on seed, stage and i only); a family
may leave one out or change its numbers:

  tower     the vision tower learns, with a throw-away head, which object is centred in which cell, and where in it
  eighths   the same with the object's column and row as classes, so that they can be read off without arithmetic;
            the two smaller families need it, Qwen's series was made without
  captions  the whole model reads off every object's column and row, " red ball two five, green box ..."; beside it
            a few questions of the next stage, so that their answer words are not forgotten
  vanilla   one-word answers: column, row, presence, and relations in photograph-like rooms, where nearly everything
            stands on the floor
  tune      the experiment's three questions, in rooms where a fifth of the objects float. One trunk at a constant rate;
            the checkpoint for N samples leaves it at 0.8 N and finishes with the rate falling to zero, so it has
            seen the first N samples of one stream

OUT/vanilla, OUT/1600 ... OUT/40k are checkpoint directories in the family's released layout. OUT/.stages holds full-precision
parameters to resume from while the run lasts.
"""
import argparse
import copy
import pathlib
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

import families
import questions
import rooms
from fast import check_vocabulary

COUNTS = {"1600": 1_600, "8k": 8_000, "16k": 16_000, "40k": 40_000}   # the experiment's, divided by 50
SERIES = ["vanilla", *COUNTS]


class Stage(NamedTuple):
    steps: int             # for vanilla, at most
    rate: float            # peak learning rate
    floating: float        # share of objects that float
    images: int = 16       # per batch, half of them for each thread
    boost: float = 1.0     # the matrices' rate, in multiples of `rate`
    captions: int = 0      # rows per image: captions,
    questions: int = 0     # and questions,
    mix: dict = {}         # drawn in these proportions
    reworded: float = 0.0  # share of relation questions that name the objects in the other order


# "where" and the rewording make the three axes' deltas comparable: without them the order of mention alone, which the
# distance template turns round, gives vertical and distance opposite signs.
ANSWERS = {"column": 1, "row": 1, "presence": 1, "where": 2, "horizontal": 1.5, "vertical": 1.5, "distance": 1.5}
STAGES = {
    "tower": Stage(500, 3e-3, 0.1, images=32),
    "eighths": Stage(0, 3e-3, 0.1, images=32),
    "captions": Stage(400, 3e-3, 0.1, captions=4, questions=2, mix=ANSWERS, reworded=0.5),
    "vanilla": Stage(800, 1.5e-3, 0.05, questions=8, mix=ANSWERS, reworded=0.5),
    "tune": Stage(0, 1.5e-3, 0.2, questions=8, mix={"horizontal": 1, "vertical": 1, "distance": 1}),
}
# Fixed numbers, so that a new stage leaves the others' scenes alone.
STREAMS = {"tower": 0, "captions": 1, "vanilla": 2, "tune": 3, "eighths": 4}


def stage_of(fast, name):
    """The stage as this family goes through it."""
    return STAGES[name]._replace(**fast.stages.get(name, {}))


# The relations are understood suddenly, at a step that varies with the seed, so vanilla waits for this share of right
# answers over 25 steps and then takes LAST more steps with a falling rate.
ENOUGH, LAST = 0.60, 60


# --- optimiser ----------------------------------------------------------------------------------

class Muon(torch.optim.Optimizer):
    """Momentum whose matrix updates are orthogonalised by five Newton-Schulz steps (Jordan 2024). On this task it needs a
    third of AdamW's steps."""

    def __init__(self, params, lr, momentum=0.95):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:   # a block that no output depends on
                    continue
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                m.mul_(group["momentum"]).add_(p.grad)
                x = (p.grad + group["momentum"] * m).flatten(1)
                tall = x.shape[0] > x.shape[1]
                x = x.T if tall else x
                x = x / (x.norm() + 1e-7)
                for _ in range(5):
                    a = x @ x.T
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                x = x.T if tall else x
                p.add_(x.reshape(p.shape), alpha=-group["lr"] * 0.2 * max(x.shape) ** 0.5)


class Optimizers:
    """Muon for the matrices; AdamW for everything one-dimensional and for tables of rows that are looked up."""

    def __init__(self, named, sparse, boost):
        named, self.boost = list(named), boost
        other = [p for n, p in named if p.dim() == 1 or sparse(n)]
        matrices = [p for n, p in named if not (p.dim() == 1 or sparse(n))]
        self.params = matrices + other
        self.both = [Muon(matrices, 0.0), torch.optim.AdamW(other, 0.0, betas=(0.9, 0.98), weight_decay=0.0)]

    def zero_grad(self):
        for o in self.both:
            o.zero_grad()

    def step(self, rate):
        for o, r in zip(self.both, (rate * self.boost, rate)):
            for group in o.param_groups:
                group["lr"] = r
        torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        for o in self.both:
            o.step()

    def state(self):
        return copy.deepcopy([o.state_dict() for o in self.both])

    def load_state(self, state):
        for o, s in zip(self.both, copy.deepcopy(state)):
            o.load_state_dict(s)


def warm(step, steps):
    return min(1, (step + 1) / steps)


def falling(step, steps):
    return max(0.02, 1 - step / steps)


# --- batches ------------------------------------------------------------------------------------

IGNORE = -100


def caption(fast, rng, scene):
    """Token ids of a caption, and the target at each position: columns and rows only."""
    ids = list(fast.prompt(questions.DESCRIBE))
    targets = [IGNORE] * len(ids)
    for i in rng.permutation(len(scene.objects)):
        o = scene.objects[i]
        x, y = o.centre
        words = fast.ids_of(f" {o.name} {questions.eighth(x)} {questions.eighth(y)},")
        ids += words
        # The name's second word predicts the column, the column the row.
        targets += [IGNORE, words[2], words[3], IGNORE, IGNORE]
    return ids, targets


def exchange(fast, question, answer):
    """Token ids of a question with its answer, and the targets: the answer, then the end token."""
    word = fast.answer_id(answer)
    ids = fast.prompt(question) + [word]
    return ids, [IGNORE] * (len(ids) - 2) + [word, fast.end]


def batch(fast, stage, step, half, seed):
    """Half a batch: pixels, token ids [n, q, T], targets [n·q, T]."""
    s = stage_of(fast, stage)
    rng = np.random.default_rng([seed, STREAMS[stage], step, half])
    kinds, weights = list(s.mix), np.array(list(s.mix.values()), float)
    images, rows = [], []
    while len(images) < s.images // 2:
        scene = rooms.sample(rng, s.floating)
        got = [caption(fast, rng, scene) for _ in range(s.captions)]
        for k in rng.choice(len(kinds), s.questions, p=weights / weights.sum()):
            asked = questions.draw(rng, scene, kinds[k], s.reworded)
            if asked is None:   # the scene has no such question: take another scene
                break
            got.append(exchange(fast, *asked))
        else:
            images.append(rooms.render(scene))
            rows += got
    longest = max(len(ids) for ids, _ in rows)
    ids, targets = np.zeros((len(rows), longest), np.int64), np.full((len(rows), longest), IGNORE)
    for k, (a, b) in enumerate(rows):
        ids[k, :len(a)], targets[k, :len(b)] = a, b
    return (fast.pixels(torch.from_numpy(np.stack(images))),
            torch.from_numpy(ids).view(len(images), -1, longest), torch.from_numpy(targets))


def loss_of(fast, data):
    """The loss on answer words plus a tenth of the loss on the end token, and the share of right answer words."""
    px, ids, targets = data
    hidden = fast.states(px, ids)[-1]
    at = targets != IGNORE
    logits, want = fast.logits(hidden[at]), targets[at]
    each, end = F.cross_entropy(logits, want, reduction="none"), want == fast.end
    loss = each[~end].mean()
    if end.any():
        loss = loss + 0.1 * each[end].mean()
    return loss, (logits.argmax(-1) == want)[~end].float().mean().item()


def learn(opt, pool, loss, rate):
    """One step on loss(0) and loss(1), each giving a scalar and figures to report; returns the means of all.

    The halves run in two threads where there are two: on free cores 1.6 times as fast as one, while threads inside the
    operations gain nothing at these sizes. A sum of two terms has one value, so the result does not depend on them.
    """
    opt.zero_grad()

    def work(half):
        value, *figures = loss(half)
        (value / 2).backward()
        return [value.item(), *figures]
    out = np.mean(list(pool.map(work, (0, 1))), 0)
    opt.step(rate)
    return out


# --- stages -------------------------------------------------------------------------------------

def train_tower(fast, pool, name, seed):
    """Pulls the feature of the cell that holds an object's centre towards the language model's own rows for the
    object's two words, so that a name finds its object from the start."""
    stage = stage_of(fast, name)
    steps, rate, floating, half_batch = stage.steps, stage.rate, stage.floating, stage.images // 2
    none = len(rooms.NAMES)
    words = [torch.tensor([fast.ids_of(" " + n.split()[k])[0] for n in rooms.NAMES]) for k in (0, 1)]
    width, cells = fast.word_table().shape[1], fast.side ** 2
    where, empty, eighths = torch.nn.Linear(width, 2), torch.nn.Linear(width, 1), torch.nn.Linear(width, 16)
    named = [(n, p) for n, p in fast.named_parameters() if fast.trains_with_tower(n)]
    layers = (where, empty, eighths) if name == "eighths" else (where, empty)
    heads = [p for layer in layers for p in layer.parameters()]
    opt = Optimizers(named + [(None, p) for p in heads], lambda n: n is None or fast.sparse(n), stage.boost)

    def loss(half):
        rng, images = np.random.default_rng([seed, STREAMS[name], step, half]), []
        cls = np.full((half_batch, cells), none)
        xy = np.zeros((half_batch, cells, 2), np.float32)
        for i in range(half_batch):
            scene = rooms.sample(rng, floating)
            images.append(rooms.render(scene))
            for o in sorted(scene.objects, key=lambda o: -o.metres):   # the nearest of a cell's objects wins
                x, y = o.centre
                cls[i, fast.cell(x, y)] = rooms.NAMES.index(o.name)
                xy[i, fast.cell(x, y)] = 2 * x / rooms.SIDE - 1, 2 * y / rooms.SIDE - 1
        out = fast.features(fast.pixels(torch.from_numpy(np.stack(images))))
        out = out * torch.rsqrt(out.pow(2).mean(-1, keepdim=True) + 1e-6)
        cls = torch.from_numpy(cls).repeat(1, fast.copies)
        xy = torch.from_numpy(xy).repeat(1, fast.copies, 1)
        full, total = cls < none, 0
        for w in words:
            logits = torch.cat((out @ fast.word_table()[w].T, empty(out)), -1)
            total = total + 0.5 * F.cross_entropy(logits.flatten(0, 1), cls.flatten())
        miss = (where(out) - xy).abs()[full].mean()
        if name == "eighths":
            column, row = ((xy[full] + 1) * 4).long().clamp(0, 7).unbind(-1)
            found = eighths(out[full])
            total = total + 0.5 * (F.cross_entropy(found[:, :8], column) + F.cross_entropy(found[:, 8:], row))
        return total + 4 * miss, (logits.argmax(-1) == cls)[full].float().mean().item(), miss.item() * rooms.SIDE / 2
    for step in range(steps):
        out = learn(opt, pool, loss, rate * warm(step, 50) * falling(step, steps))
        if (step + 1) % 100 == 0:
            log(f"{name} {step + 1}: loss %.3f, named %.2f, off by %.1f px" % tuple(out))
    fast.after_tower()


def train_words(fast, pool, stage, seed):
    steps, rate, boost = stage_of(fast, stage).steps, stage_of(fast, stage).rate, stage_of(fast, stage).boost
    opt, seen, end = Optimizers(fast.named_parameters(), fast.sparse, boost), [], None
    for step in range(steps):
        if stage == "vanilla":
            if end is None and np.mean([right for _, right in seen[-25:]] or [0]) >= ENOUGH:
                end = step + LAST
            share = warm(step, 40) * (1 if end is None else max(0, (end - step) / LAST))
        else:
            share = warm(step, 40) * falling(step, steps)
        if step == end:
            break
        seen.append(learn(opt, pool, lambda half: loss_of(fast, batch(fast, stage, step, half, seed)), rate * share))
        if (step + 1) % 50 == 0:
            log(f"{stage} {step + 1}: loss %.3f, right %.3f" % tuple(np.mean(seen[-50:], 0)))
    log(f"{stage}: {len(seen)} steps")


def train_tune(fast, pool, seed, done):
    """Calls done(name) with the finished parameters in place, for every count in turn."""
    stage = stage_of(fast, "tune")
    rate, size = stage.rate, stage.images * stage.questions
    opt, seen, at = Optimizers(fast.named_parameters(), fast.sparse, stage.boost), [], 0

    def run(first, last, share):
        for step in range(first, last):
            seen.append(learn(opt, pool, lambda half: loss_of(fast, batch(fast, "tune", step, half, seed)),
                              rate * warm(step, 10) * share(step)))
            if (step + 1) % 50 == 0:
                log(f"tune {(step + 1) * size}: loss %.3f, right %.3f" % tuple(np.mean(seen[-50:], 0)))
    for name, n in COUNTS.items():
        leave, end = int(0.8 * n / size), round(n / size)
        run(at, leave, lambda step: 1)
        trunk, state, at = fast.state(), opt.state(), leave
        run(leave, end, lambda step: 1 - (step - leave) / (end - leave))
        done(name)
        fast.load_state(trunk)
        opt.load_state(state)


def train(fast, out, seed, threads, first="tower", keep_stages=False):
    """Runs the stages from `first` on and writes the series below out."""
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(threads)
    stages = out / ".stages"
    stages.mkdir(parents=True, exist_ok=True)
    check_vocabulary(fast)
    log(f"{sum(p.numel() for _, p in fast.named_parameters())} parameters, vocabulary {len(fast.tokenizer)}")

    def save(name):
        fast.save(out / name)
        log(f"saved {name}")
    order = list(STAGES)
    if first != "tower":
        fast.load_state(torch.load(stages / f"{order[order.index(first) - 1]}.pt"))
    for stage in order[order.index(first):]:
        if stage in ("tower", "eighths"):
            train_tower(fast, pool, stage, seed)
        elif stage == "tune":
            train_tune(fast, pool, seed, save)
        else:
            train_words(fast, pool, stage, seed)
        if stage != "tune":
            torch.save(fast.state(), stages / f"{stage}.pt")
        if stage == "vanilla":
            save("vanilla")
    if not keep_stages:
        shutil.rmtree(stages)


START = time.time()


def log(text):
    print(f"{time.time() - START:6.0f} s ({time.process_time():5.0f} s of CPU)  {text}", flush=True)


def main():
    ap = argparse.ArgumentParser(description="train a series of demo checkpoints")
    ap.add_argument("family", choices=families.NAMES)
    ap.add_argument("out", type=pathlib.Path)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--from", dest="first", default="tower", choices=list(STAGES), help="resume at this stage")
    ap.add_argument("--keep-stages", action="store_true", help="leave OUT/.stages when the run is done")
    a = ap.parse_args()
    train(families.of(a.family).new(a.seed), a.out, a.seed, a.threads, a.first, a.keep_stages)


if __name__ == "__main__":
    main()
