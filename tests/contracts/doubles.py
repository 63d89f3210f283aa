"""Small heads that prove the contract with targets that are not offered yet: text, a span, an image made from noise.

They run through the same Network, loop and driver as everything else. B rows, T elements, D width, N stimulus.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.kinds.image import Input as ImageInput
from netwright.kinds.text import Input as TextInput
from netwright.nn.batch import Batch, Block
from netwright.nn.heads.base import Direct, Goal, Head
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Want
from netwright.nn.signal import Memory, Signal
from netwright.nn.stems.image import Stem as ImageStem
from netwright.nn.stems.text import Stem as TextStem

BEGIN, LIMIT = 1, 8


def text_stem(vocabulary: int, width: int) -> TextStem:
    """A stem for token numbers."""
    kind = TextInput(columns=("text",), tokens="words", vocabulary=vocabulary, length=64, lowercase=True)
    return TextStem(kind, Want("sequence", width, {"deviation": 0.2}))


def image_stem(size: int, width: int) -> ImageStem:
    """A stem for grey images in patches of 4."""
    kind = ImageInput(columns=("image",), height=size, wide=size, channels=1, mean=0.5, deviation=0.5)
    return ImageStem(kind, Want("sequence", width, {"patch": 4}))


class TextHead(Head):
    """Text, word by word: the answer, shifted, is also an input. Tokens: 0 padding, 1 begin."""

    def __init__(self, stem: TextStem) -> None:
        super().__init__()
        self.stem = stem

    def logits(self, signal: Signal) -> Tensor:
        return signal.values @ self.stem.table.weight.T

    def embed(self, tokens: Tensor, first: int = 0) -> Signal:
        position = first + torch.arange(tokens.shape[1]).expand_as(tokens)
        return Signal(self.stem.table(tokens), "sequence", position=position, document=torch.zeros_like(tokens))

    def teach(self, target: Block, draw: Draw | None) -> tuple[Signal | None, Goal]:
        tokens = target["ids"]
        assert isinstance(tokens, Tensor)
        shifted = torch.cat([torch.full_like(tokens[:, :1], BEGIN), tokens[:, :-1]], 1)
        return self.embed(shifted), Goal({"ids": tokens}, (tokens != 0).sum(1).float())

    def loss(self, signal: Signal, goal: Goal, memory: Memory) -> Tensor:
        tokens = goal.values["ids"]
        assert isinstance(tokens, Tensor)
        losses = F.cross_entropy(self.logits(signal).transpose(1, 2), tokens, ignore_index=0, reduction="none").sum(1)
        return losses / goal.weight.clamp(min=1)

    def begin(self, batch: Batch, given: Any = None) -> dict[str, Any]:
        given = [[] for _ in range(len(batch))] if given is None else given
        rows = [[BEGIN, *prompt] for prompt in given]
        return {"rows": rows, "fed": 0, "given": [len(row) for row in rows]}

    def next(self, state: dict[str, Any], signal: Signal | None) -> tuple[Signal | None, bool]:
        rows = state["rows"]
        if signal is not None:
            words = self.logits(signal)[:, -1].argmax(-1).tolist()
            for row, word in zip(rows, words, strict=True):
                if len(row) == state["fed"]:  # a row still inside its prompt keeps its own word
                    row.append(word)
            if state["fed"] >= max(state["given"]) + LIMIT - 1:
                return None, True
        upto = min(map(len, rows)) if state["fed"] == 0 else state["fed"] + 1
        tokens = torch.tensor([row[state["fed"] : upto] for row in rows])
        stimulus = self.embed(tokens, first=state["fed"])
        state["fed"] = upto
        return stimulus, False

    def finish(self, state: dict[str, Any], memory: Memory) -> dict[str, Any]:
        return {"ids": [row[start : start + LIMIT] for row, start in zip(state["rows"], state["given"], strict=True)]}


class Uncached(TextHead):
    """The same answers without a cache: each step is shown the whole text so far and remembers nothing."""

    remembers = False

    def next(self, state: dict[str, Any], signal: Signal | None) -> tuple[Signal | None, bool]:
        stimulus, done = super().next(state, signal)
        if stimulus is not None:
            stimulus = self.embed(torch.tensor([row[: state["fed"]] for row in state["rows"]]))
        return stimulus, done


class SpanHead(Direct):
    """Begin and end of an answer within the elements of one input column."""

    def __init__(self, width: int, about: int) -> None:
        super().__init__()
        self.ends, self.about = nn.Linear(width, 2), about

    def logits(self, signal: Signal) -> Tensor:
        here = signal.about(self.about)
        return self.ends(here.values).masked_fill((here.documents() < 0)[..., None], -1e9).transpose(1, 2)  # (B, 2, T)

    def teach(self, target: Block, draw: Draw | None) -> tuple[Signal | None, Goal]:
        return None, Goal(target, torch.ones(len(target["ends"])))

    def loss(self, signal: Signal, goal: Goal, memory: Memory) -> Tensor:
        ends = goal.values["ends"]
        assert isinstance(ends, Tensor)
        begin, end = self.logits(signal).unbind(1)  # (B, T) each
        return F.cross_entropy(begin, ends[:, 0], reduction="none") + F.cross_entropy(end, ends[:, 1], reduction="none")

    def finish(self, state: dict[str, Signal], memory: Memory) -> dict[str, Any]:
        return {"ends": self.logits(state["signal"]).argmax(-1)}


class ImageHead(Head):
    """An image made from noise by flow matching (Lipman et al. 2023): the answer, with noise, is an input."""

    remembers = False

    def __init__(self, size: int, width: int, steps: int = 20) -> None:
        super().__init__()
        self.cells, self.moment = nn.Conv2d(1, width, 4, 4), nn.Linear(1, width)
        self.out, self.size, self.steps = nn.ConvTranspose2d(width, 1, 4, 4), size, steps
        self.place = nn.Parameter(torch.randn((size // 4) ** 2, width) * 0.1)

    def noised(self, image: Tensor, moment: Tensor) -> Signal:
        cells = self.cells(image).flatten(2).transpose(1, 2) + self.place
        size = (self.size // 4, self.size // 4)
        return Signal(cells + self.moment(moment[:, None])[:, None], "sequence", size=size)

    def velocity(self, signal: Signal) -> Tensor:
        return self.out(signal.values.transpose(1, 2).unflatten(2, signal.size))

    def teach(self, target: Block, draw: Draw | None) -> tuple[Signal | None, Goal]:
        image = target["image"]
        assert isinstance(image, Tensor) and draw is not None
        moment, noise = draw.uniform(), draw.normal((1, self.size, self.size))
        share = moment[:, None, None, None]
        return self.noised((1 - share) * noise + share * image, moment), Goal(
            {"velocity": image - noise}, torch.ones(len(image))
        )

    def loss(self, signal: Signal, goal: Goal, memory: Memory) -> Tensor:
        return (self.velocity(signal) - goal.values["velocity"]).square().flatten(1).mean(1)

    def begin(self, batch: Batch, given: Any = None) -> dict[str, Any]:
        noise = torch.randn(len(batch), 1, self.size, self.size, generator=torch.Generator().manual_seed(0))
        return {"image": noise, "step": 0}

    def next(self, state: dict[str, Any], signal: Signal | None) -> tuple[Signal | None, bool]:
        if signal is not None:
            state["image"] = state["image"] + self.velocity(signal) / self.steps
            state["step"] += 1
        if state["step"] == self.steps:
            return None, True
        moment = torch.full((len(state["image"]),), state["step"] / self.steps)
        return self.noised(state["image"], moment), False

    def finish(self, state: dict[str, Any], memory: Memory) -> dict[str, Any]:
        return {"image": state["image"]}


def concatenated(signals: list[Signal]) -> Signal:
    """Documents one after the other in one row."""
    return replace(
        signals[0],
        values=torch.cat([s.values for s in signals], 1),
        position=torch.cat([s.positions() for s in signals], 1),
        document=torch.cat([torch.full_like(s.documents(), k) for k, s in enumerate(signals)], 1),
    )
