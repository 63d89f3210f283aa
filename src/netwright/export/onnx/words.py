"""Answers about the words of a text, as one pass through a graph gives them: sizes follow from the inputs' alone.

What the heads `tags` and `span` work out by counting is said here by comparing. B rows, T tokens, D width, C tags.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from netwright.nn.heads.span.net import CLOSED
from netwright.nn.signal import Signal


def elements(signals: list[Signal], each: Signal, block: int) -> Tensor:
    """(B, T, D): those of the block's text among all elements, which stand in the blocks' order."""
    before = sum(signal.values.shape[1] for signal in signals[:block] if signal.layout == "sequence")
    return each.values[:, before : before + signals[block].values.shape[1]]


def tags(head: Any, values: Tensor, word: Tensor) -> list[Tensor]:
    """(B, T) each: the number of the k-th word's tag, and its probability; of words that there are not, anything.

    `word` (B, T): the word that each token is of, -1: none.
    """
    own = word[:, None, :] == torch.arange(word.shape[1])[None, :, None]  # (B, words, T)
    if head.settings.reads == "first":
        first = torch.cat([torch.ones_like(word[:, :1], dtype=torch.bool), word[:, 1:] != word[:, :-1]], 1)
        own = own & first[:, None]
    shares = own.to(values.dtype)
    words = shares @ values / shares.sum(2, keepdim=True).clamp(min=1)
    sure, tag = head.readout(words).float().softmax(-1).max(-1)
    return [tag, sure]


def span(head: Any, values: Tensor, each: Signal, real: Tensor, begin: Tensor, end: Tensor) -> list[Tensor]:
    """(B,) each: the first character of the answer and that behind its last, -1 for none, and its probability.

    `begin`, `end` (B, T): the characters that each token stands for; `real`: whether it is one.
    """
    logits = head.ends(values).masked_fill(~real[..., None], CLOSED)
    none = head.none(each.pooled()) if head.none is not None else torch.full_like(logits[:, 0], 2 * CLOSED)
    logs = torch.cat([none[:, None], logits], 1).transpose(1, 2).float().log_softmax(-1)  # (B, 2, 1 + T)
    place = torch.arange(begin.shape[1])
    fits = (end[:, None, :] - begin[:, :, None] <= head.longest) & (place[:, None] < place)  # (B, T, T)
    fits = (fits | (place[:, None] == place)) & real[:, :, None] & real[:, None, :]
    sums = (logs[:, 0, 1:, None] + logs[:, 1, None, 1:]).masked_fill(~fits, 2 * CLOSED)
    by_first, ends_at = sums.max(2)  # (B, T): the best end for each beginning
    score, first = by_first.max(1)
    last = ends_at.gather(1, first[:, None])[:, 0]
    nothing = logs[:, :, 0].sum(1)
    given = (score > nothing) & (score > CLOSED / 2)
    ends = (begin.gather(1, first[:, None])[:, 0], end.gather(1, last[:, None])[:, 0])
    return [*(torch.where(given, part, -1) for part in ends), torch.where(given, score, nothing).exp()]
