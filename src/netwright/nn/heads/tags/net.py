"""Tags out: a softmax for each word, read from the tokens that the word is made of.

The loss of a row is the mean over its words of -ln p(right tag), and its weight the number of its words that count, so
that a step's loss is the mean over all of them. B rows, T tokens, N words, C tags, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.kinds.tags import Target as Tags
from netwright.kinds.tags import listed
from netwright.nn.batch import Block, Goal, Lists
from netwright.nn.heads.base import Direct, about
from netwright.nn.heads.tags.settings import Settings
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal


def outputs(kind: Tags, settings: Settings) -> int:
    """Return how many outputs the head reads."""
    return len(kind.tags)


class Net(Direct):
    """Logits of each tag for each word."""

    def __init__(self, kind: Tags, settings: Settings, coming: Shape, *, ready: bool) -> None:
        super().__init__()
        self.settings, self.tags = settings, kind.tags
        self.block, D = about(kind.about, kind.columns[0], coming, ready=ready)
        self.readout = nn.Linear(D, len(kind.tags))

    def teach(self, target: Block, draw: Draw | None) -> tuple[Signal | None, Goal]:
        tags = target["tags"]
        assert isinstance(tags, Lists)
        row = torch.repeat_interleave(torch.arange(len(tags), device=tags.values.device), tags.lengths)
        counted = torch.zeros(len(tags), device=row.device).index_add(0, row, (tags.values >= 0).float())
        return None, Goal({"tags": tags}, counted.to(torch.get_default_dtype()))

    def logits(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """(B, N, C), and how many words each row has (B,)."""
        here = signal.each().about(self.block)
        assert here.word is not None, "the text that tags are about knows its words"
        word = here.word.masked_fill(here.documents() < 0, -1)  # (B, T)
        B, T = word.shape
        counts = word.amax(1) + 1 if T else word.new_zeros(B)
        N = max(int(counts.max()), 1)
        real = word >= 0
        flat = (torch.arange(B, device=word.device)[:, None] * N + word)[real]  # each token's word among B · N
        values = here.values[real]  # (tokens, D)
        words = values.new_zeros(B * N, values.shape[1])
        if self.settings.reads == "first":
            begins = torch.ones_like(flat, dtype=torch.bool)
            begins[1:] = flat[1:] != flat[:-1]
            words = words.index_copy(0, flat[begins], values[begins])
        else:
            tokens = values.new_zeros(B * N).index_add(0, flat, values.new_ones(len(flat)))
            words = words.index_add(0, flat, values) / tokens.clamp(min=1)[:, None]
        return self.readout(words).view(B, N, -1), counts

    def loss(self, signal: Signal, goal: Goal, memory: Memory) -> Tensor:
        (logits, _), tags = self.logits(signal), goal.values["tags"]
        assert isinstance(tags, Lists)
        padded, real = tags.padded()  # (B, N')
        wanted = torch.where(real, padded, -1)
        rows, places = (wanted >= 0).nonzero(as_tuple=True)
        losses = F.cross_entropy(
            logits[rows, places], wanted[rows, places], reduction="none", label_smoothing=self.settings.label_smoothing
        )
        counted = (wanted >= 0).sum(1).clamp(min=1)
        return losses.new_zeros(len(wanted)).index_add(0, rows, losses) / counted

    def finish(self, state: dict[str, Signal], memory: Memory) -> dict[str, Any]:
        logits, counts = self.logits(state["signal"])
        sure, tag = (part.cpu() for part in logits.float().softmax(-1).max(-1))  # (B, N)
        ends = counts.tolist()
        return {
            "tags": listed([[self.tags[k] for k in row[:n]] for row, n in zip(tag.tolist(), ends, strict=True)]),
            "probability": listed([row[:n] for row, n in zip(sure.double().numpy(), ends, strict=True)]),
        }
