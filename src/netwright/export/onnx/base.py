"""What a graph needs of each kind: its raw inputs before the network, and what comes of a head's answer. B rows, T tokens."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from netwright.evaluation.calibration import Trust
from netwright.kinds.base import Target
from netwright.nn.batch import Block, Lists
from netwright.nn.network import Network
from netwright.nn.signal import Signal

EXAMPLE = 3  # rows and tokens of the example that the graph is traced with: 0 and 1 would be taken as fixed
Input = dict[str, Any]
Output = dict[str, Any]


class Columns(nn.Module):
    """The columns of one block. `inputs`: what the graph is given, with the value's form; `texts`: by input, the number of
    each text; `files`: by name, what is to lie beside the graph."""

    def __init__(self, inputs: list[Input], texts: dict[str, dict[str, int]] | None = None) -> None:
        super().__init__()
        self.inputs, self.texts, self.files = inputs, texts or {}, dict[str, str]()

    @abstractmethod
    def block(self, raw: dict[str, Tensor]) -> Block:
        """Return the arrays of a block, by the raw inputs' names."""

    def weights(self, raw: dict[str, Tensor]) -> tuple[Tensor, Tensor] | None:
        """(B, T) entries of a bag and what each weighs in its sum, of columns that are bags; else None."""
        return None

    def example(self) -> dict[str, Tensor]:
        """Return inputs of a few rows."""
        return {item["name"]: torch.zeros(*self._sizes(item), dtype=self._type(item)) for item in self.inputs}

    def _sizes(self, item: Input) -> list[int]:
        return [EXAMPLE if isinstance(size, str) else size for size in item["shape"]]

    def _type(self, item: Input) -> torch.dtype:
        return {"string": torch.int64}.get(item["type"]) or getattr(torch, item["type"])


class Ends:
    """What a graph gives for a target. `outputs`: their names, types and shapes, in the order of `answer`."""

    def __init__(self, kind: Target, trust: Trust) -> None:
        self.name, self.trust = kind.columns[0], trust
        self.outputs: list[Output] = []

    @abstractmethod
    def answer(self, network: Network, key: str, signal: Signal, signals: list[Signal], raw: dict[str, Tensor]) -> list[Tensor]:  # fmt: skip
        """Return the outputs, of the trunk's signal and of the stems'."""


class Padded(Lists):
    """Rows of tokens (B, T) with -1 behind their ends, as the stems of texts read them."""

    def __init__(self, tokens: Tensor, real: Tensor | None = None) -> None:
        self.real = tokens >= 0 if real is None else real
        self.tokens = tokens.clamp(min=0)

    @property
    def lengths(self) -> Tensor:
        return self.real.sum(1)

    def padded(self) -> tuple[Tensor, Tensor]:
        return self.tokens, self.real


def gapped(values: Tensor, missing: Tensor) -> Block:
    """Values (B, C) in the network's precision with 0 in their gaps, and the gaps."""
    narrow = values.float().to(torch.get_default_dtype())  # through float32, in which rows are encoded
    return {"values": torch.where(missing, 0.0, narrow), "values_missing": missing}


def direct(network: Network, key: str, signal: Signal) -> dict[str, Tensor]:
    """Return the tensors of a head that answers at once."""
    head: Any = network.heads[key]
    return head.answer(network.plugged(key, signal))


def elements(signals: list[Signal], each: Signal, block: int) -> Tensor:
    """(B, T, D): those of the block's text among all elements, which stand in the blocks' order."""
    before = sum(signal.values.shape[1] for signal in signals[:block] if signal.layout == "sequence")
    return each.values[:, before : before + signals[block].values.shape[1]]
