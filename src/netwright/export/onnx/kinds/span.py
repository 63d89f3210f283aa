"""Spans in a graph, whose sizes follow from the inputs' alone. B rows, T tokens, D width."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from netwright.evaluation.calibration import Trust
from netwright.export.onnx import base
from netwright.kinds.span import Target as Span
from netwright.nn.heads.span.net import CLOSED
from netwright.nn.network import Network
from netwright.nn.signal import Signal


class Ends(base.Ends):
    """Where the answer begins and ends, and its probability."""

    def __init__(self, kind: Span, trust: Trust) -> None:
        super().__init__(kind, trust)
        self.about, each = kind.about, {"shape": ["rows"], "piece_of": kind.about}
        ends = [{"name": f"{self.name}_{end}", "type": "int64", **each} for end in ("start", "end")]
        self.outputs = [*ends, {"name": f"{self.name}_probability", "type": "float32", "shape": ["rows"]}]

    def answer(self, network: Network, key: str, signal: Signal, signals: list[Signal], raw: dict[str, Tensor]) -> list[Tensor]:  # fmt: skip
        head: Any = network.heads[key]
        each, name = signal.each(), self.about
        values = base.elements(signals, each, head.block)
        return span(head, values, each, raw[name] >= 0, raw[f"{name}.begin"], raw[f"{name}.end"])


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
