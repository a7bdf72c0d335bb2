"""What training and evaluation ask of a family's tiny model, and the one trick that makes both fast.

The prompt up to the end of the image is computed once for each image, the rest once for each of its questions, in the same
matrix products. All images have rooms.SIDE pixels a side and all prompts of a batch are padded on the right, so causal
attention needs no padding masks.

Legend: n images, q questions for each, P prefix tokens, T tokens behind the prefix, C image features that cover the
picture once, width of the language model.
"""
import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import questions
import rooms


def byte_level_bpe(split, texts, nfc=False):
    """A byte-level BPE tokenizer in which every word of the texts is one token."""
    tok = Tokenizer(models.BPE())
    if nfc:
        tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=2000, min_frequency=1, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tok


def initialise(parameters, depth_of):
    """Matrices N(0, 1/fan_in), those that end a residual branch smaller by √(2·depth), norms 1, biases 0.

    parameters: (name, parameter) pairs; depth_of(name): blocks of the stack whose branch the matrix ends, 0 if none.
    Embeddings and positions are left to the family: their scale depends on what reads them.
    """
    for name, p in parameters:
        if p.dim() == 1:
            p.zero_() if name.endswith("bias") else p.fill_(1.0)
        else:
            depth = depth_of(name)
            p.normal_(0, p[0].numel() ** -0.5 * ((2 * depth) ** -0.5 if depth else 1))


def rope(positions, head, theta):
    """cos and sin, [len(positions), head], of the rotation of pairs (i, i + head/2)."""
    angle = positions.float()[:, None] * theta ** (-torch.arange(0, head, 2) / head)
    angle = angle.repeat(1, 2)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class Rows:
    """n prefixes of P tokens and, below them, n·q continuations of T tokens, as the rows of one matrix."""

    def __init__(self, n, P, q, T, cos, sin):
        self.n, self.P, self.q, self.T = n, P, q, T
        self.cos, self.sin = cos[:P + T], sin[:P + T]
        self.mask = torch.ones(T, P + T, dtype=torch.bool).tril(P)

    def _heads(self, y, heads):
        n, P, q, T = self.n, self.P, self.q, self.T
        return (y[:n * P].view(n, P, heads, -1).transpose(1, 2), y[n * P:].view(n * q, T, heads, -1).transpose(1, 2))

    def attend(self, q, k, v, heads, kv_heads):
        """Causal attention of rows [n·P + n·q·T, heads·head]: a continuation sees its own prefix and itself."""
        P, group = self.P, heads // kv_heads
        (q0, q1), (k0, k1), (v0, v1) = self._heads(q, heads), self._heads(k, kv_heads), self._heads(v, kv_heads)
        q0, k0 = (rotate(y, self.cos[:P], self.sin[:P]) for y in (q0, k0))
        q1, k1 = (rotate(y, self.cos[P:], self.sin[P:]) for y in (q1, k1))

        def joined(prefix, own):
            copies = prefix[:, None].expand(self.n, self.q, *prefix.shape[1:]).reshape(-1, *prefix.shape[1:])
            return torch.cat((copies, own), 2).repeat_interleave(group, 1)
        o0 = F.scaled_dot_product_attention(q0, k0.repeat_interleave(group, 1), v0.repeat_interleave(group, 1), is_causal=True)
        o1 = F.scaled_dot_product_attention(q1, joined(k0, k1), joined(v0, v1), attn_mask=self.mask)
        return torch.cat((o0.transpose(1, 2).reshape(self.n * P, -1), o1.transpose(1, 2).reshape(self.n * self.q * self.T, -1)))

    def continuations(self, x):
        return x[self.n * self.P:].view(self.n * self.q, self.T, -1)


class Fast:
    """Base of the families. A family sets

        end             id of the token that ends an answer
        side            image features along one side of the picture: C = side²
        copies          how often the features cover the picture (Molmo: 2)
        blocks          the language model's blocks
        tables          cos and sin for every position that occurs, [positions, head]

    and defines

        pixels(images)             uint8 [n, SIDE, SIDE, 3] → what features() takes
        cell(x, y)                 the feature, 0 … C−1, whose part of the picture holds that point
        features(px)               [n, copies·C, width], as they enter the language model
        prefix(px)                 embedded prompt up to the end of the image, [n, P, width]
        embed(ids)                 [..., width]
        block(layer, x, rows)      one block over rows
        logits(hidden)             final norm and head
        text(question)             the prompt behind the prefix, as token ids
        word(answer)               the answer's text as the model is to write it
        named_parameters()         all that is trained
        trains_with_tower(name)    whether the parameter learns in the tower stage
        sparse(name)               whether it is an embedding or table of positions (AdamW, not Muon)
        word_table()               [vocabulary, width]: what the tower's features are to resemble
        after_tower()              called once, when the tower stage is done
        save(path)                 the checkpoint in the released layout
    """
    copies = 1
    stages = {}   # what the family does otherwise than train.STAGES: {stage: {field: value}}

    def __init__(self):
        self._cache = {}

    def ids_of(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False)

    def prompt(self, question):
        if question not in self._cache:
            self._cache[question] = self.text(question)
        return self._cache[question]

    def answer_id(self, answer):
        """The answer's token; every answer is one."""
        ids = self.ids_of(self.word(answer))
        if len(ids) != 1:
            raise ValueError(f"answer {answer!r} is {len(ids)} tokens, not one")
        return ids[0]

    def states(self, px, ids):
        """ids [n, q, T] → residual stream after each block, [n·q, T, width]."""
        n, q, T = ids.shape
        prefix = self.prefix(px)
        P = prefix.shape[1]
        rows = Rows(n, P, q, T, *self.tables)
        x = torch.cat((prefix.reshape(n * P, -1), self.embed(ids).reshape(n * q * T, -1)))
        taps = []
        for layer in self.blocks:
            x = self.block(layer, x, rows)
            taps.append(rows.continuations(x))
        return taps

    def state(self):
        return {name: p.detach().clone() for name, p in self.named_parameters()}

    @torch.no_grad()
    def load_state(self, state):
        for name, p in self.named_parameters():
            p.copy_(state[name])


def check_vocabulary(fast):
    """Fails unless every answer and every caption word is one token."""
    for answer in questions.answers():
        fast.answer_id(answer)
    for name_or_word in [w for n in rooms.NAMES for w in n.split()] + questions.EIGHTHS:
        if len(fast.ids_of(" " + name_or_word)) != 1:
            raise ValueError(f"word {name_or_word!r} is not one token")


def normalised(images, mean, std):
    """uint8 [..., 3] → float32, in units of the channel's standard deviation."""
    mean, std = (torch.from_numpy(np.asarray(v, np.float32)) for v in (mean, std))
    return (images.float() - mean * 255) / (std * 255)


CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
