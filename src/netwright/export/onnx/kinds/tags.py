"""Tags in a graph, whose sizes follow from the inputs' alone: what the head works out by counting is said by comparing.

B rows, T tokens, D width, C tags.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from netwright.evaluation.calibration import Trust
from netwright.export.onnx import base
from netwright.kinds.tags import Target as Tags
from netwright.nn.network import Network
from netwright.nn.signal import Signal


class Ends(base.Ends):
    """Each word's tag and its probability."""

    def __init__(self, kind: Tags, trust: Trust) -> None:
        super().__init__(kind, trust)
        self.about = kind.about
        each = {"shape": ["rows", f"{kind.about}.tokens"], "words_of": kind.about}
        stored = "int64" if kind.whole else "string"
        predicted = {"name": f"{self.name}_predicted", "type": stored, "values": list(kind.tags), **each}
        self.outputs = [predicted, {"name": f"{self.name}_probability", "type": "float32", **each}]

    def answer(self, network: Network, key: str, signal: Signal, signals: list[Signal], raw: dict[str, Tensor]) -> list[Tensor]:  # fmt: skip
        head: Any = network.heads[key]
        return tags(head, base.elements(signals, signal.each(), head.block), raw[f"{self.about}.word"])


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
