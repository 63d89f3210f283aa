"""A span out: how likely each token of the text is the first one of the answer, and how likely the last.

With logits b and e over the text's tokens, and over a place beside them that stands for "no answer" where training rows
have none, the loss is -ln softmax(b)[first] - ln softmax(e)[last] over two, as in BERT (Devlin et al. 2018, arXiv
1810.04805, section 4.2). All windows of a long text share one softmax (Clark & Gardner 2017, arXiv 1710.10723,
section 3.3). The answer is the span of the largest b[i] + e[j] with i ≤ j that is not too long, where it beats the place
for no answer. B rows, T tokens, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.kinds.span import NONE
from netwright.kinds.span import Target as Span
from netwright.nn.batch import Block, Goal
from netwright.nn.heads.base import Direct, about
from netwright.nn.heads.span.settings import Settings
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal

CLOSED = -1e9


def outputs(kind: Span, settings: Settings) -> int:
    """Return how many outputs the head reads."""
    return 2


class Net(Direct):
    """Logits of begin and end for each token, and for no answer."""

    def __init__(self, kind: Span, settings: Settings, coming: Shape, *, ready: bool) -> None:
        super().__init__()
        self.block, D = about(kind.about, kind.columns[0], coming, ready=ready)
        self.longest = settings.longest or max(kind.longest, 1)
        self.ends = nn.Linear(D, 2)
        self.none = nn.Linear(D, 2) if kind.unanswerable else None

    def teach(self, target: Block, draw: Draw | None) -> tuple[Signal | None, Goal]:
        ends = target["ends"]
        assert isinstance(ends, Tensor)
        taught = (
            torch.ones(len(ends), dtype=torch.bool, device=ends.device) if self.none is not None else ends[:, 0] >= 0
        )
        return None, Goal({"ends": ends}, taught.to(torch.get_default_dtype()))

    def logits(self, signal: Signal) -> tuple[Tensor, Tensor]:
        """(B, 2, 1 + T), no answer first; and the tokens' characters (B, T, 2)."""
        each = signal.each()
        here = each.about(self.block)
        assert here.ends is not None, "the text that a span is a piece of knows its characters"
        closed = (here.documents() < 0)[..., None]  # (B, T, 1)
        logits = self.ends(here.values).masked_fill(closed, CLOSED)
        none = self.none(each.pooled()) if self.none is not None else logits.new_full((len(logits), 2), 2 * CLOSED)
        return torch.cat([none[:, None], logits], 1).transpose(1, 2), here.ends.masked_fill(closed, -1)

    def loss(self, signal: Signal, goal: Goal, memory: Memory) -> Tensor:
        (logits, characters), ends = self.logits(signal), goal.values["ends"]
        assert isinstance(ends, Tensor)
        begin, end = (1 + place for place in tokens(characters, ends))
        answered = ends[:, 0] >= 0
        wanted = torch.where(answered[:, None], torch.stack([begin, end], 1), 0)  # (B, 2)
        return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").view(-1, 2).mean(1)

    def finish(self, state: dict[str, Signal], memory: Memory) -> dict[str, Any]:
        logits, characters = self.logits(state["signal"])
        logs = logits.float().log_softmax(-1)
        none = logs[:, :, 0].sum(1)  # (B,) the logarithm of the probability of no answer
        score, first, last = best(logs[:, :, 1:], characters, self.longest)
        rows = torch.arange(len(first), device=first.device)
        given = (score > none) & (score > CLOSED / 2)
        begin, end = (
            torch.where(given, characters[rows, place, side], NONE) if characters.shape[1] else none.long().fill_(NONE)
            for side, place in ((0, first), (1, last))
        )
        sure = torch.where(given, score, none).exp()
        return {
            "begin": begin.cpu().numpy(), "end": end.cpu().numpy(), "probability": sure.double().cpu().numpy(),
        }  # fmt: skip


def tokens(characters: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) the first and the last token (B, T, 2) of a span's characters (B, 2): those that reach into it.

    >>> places = torch.tensor([[[0, 3], [4, 7], [8, 9]]])
    >>> [place.item() for place in tokens(places, torch.tensor([[5, 9]]))]
    [1, 2]
    """
    real = characters[..., 1] >= 0
    T = real.sum(1)
    first = ((characters[..., 1] <= ends[:, :1]) & real).sum(1)
    last = ((characters[..., 0] < ends[:, 1:]) & real).sum(1) - 1
    most = (T - 1).clamp(min=0)
    first = torch.minimum(first, most)
    return first, torch.maximum(torch.minimum(last, most), first)


def best(logs: Tensor, characters: Tensor, longest: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B,) the largest begin + end (B, 2, T) of spans up to `longest` characters, and its first and last token."""
    B, _, T = logs.shape
    score = logs.new_full((B,), 2 * CLOSED)
    first, last = (torch.zeros(B, dtype=torch.long, device=logs.device) for _ in range(2))
    for more in range(T):  # spans of more + 1 tokens, all at once
        size = characters[:, more:, 1] - characters[:, : T - more, 0]  # (B, T - more)
        fits = (size <= longest) & (characters[:, more:, 1] >= 0)
        if more and not bool(fits.any()):
            break
        sums = logs[:, 0, : T - more] + logs[:, 1, more:]
        top, place = sums.masked_fill(~fits if more else characters[:, :, 1] < 0, 2 * CLOSED).max(1)
        better = top > score
        score = torch.where(better, top, score)
        first, last = torch.where(better, place, first), torch.where(better, place + more, last)
    return score, first, last
