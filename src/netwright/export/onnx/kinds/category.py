"""Categories in a graph: texts are looked up before it, numbers compared in it; classes calibrated and named. B rows, C classes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from netwright.evaluation.calibration import Trust
from netwright.export.onnx import base
from netwright.kinds.base import Target
from netwright.kinds.category import FIRST, MISSING, Input, Stored
from netwright.kinds.category import Target as Category
from netwright.nn.batch import Block
from netwright.nn.network import Network
from netwright.nn.signal import Signal

TEXTS: Stored = "text"


class Columns(base.Columns):
    """Codes: texts are looked up before; numbers and booleans are compared with the values here."""

    def __init__(self, kind: Input, targets: Iterable[Target] = ()) -> None:
        inputs, texts = [], {}
        self.values: dict[str, Tensor] = {}
        for name, values, stored in zip(kind.columns, kind.values, kind.stored, strict=True):
            numbers = None if stored == TEXTS else _numbers(values)
            form = {"form": "list", "values": list(values), "of": len(values), "numbers": numbers is not None}
            item = {"name": name, "column": name, "shape": ["rows"], **form}
            if numbers is None:
                inputs.append({**item, "type": "string"})
                texts[name] = {"": MISSING, **{value: code for code, value in enumerate(values, FIRST)}}
            else:
                inputs.append({**item, "type": "float64"})
                self.values[name] = torch.tensor(numbers, dtype=torch.float64)
        super().__init__(inputs, texts)
        self.names = kind.columns

    def block(self, raw: dict[str, Tensor]) -> Block:
        return {"codes": torch.stack([self._codes(name, raw[name]) for name in self.names], 1)}

    def _codes(self, name: str, x: Tensor) -> Tensor:
        if name not in self.values:
            return x
        same = (x[:, None] == self.values[name]).long()  # (B, values)
        codes = (same * torch.arange(FIRST, FIRST + same.shape[1])).sum(1)
        return torch.where(x.isnan(), MISSING, codes)


class Ends(base.Ends):
    """The class in the target's own type, the calibrated probabilities, and the set of classes."""

    def __init__(self, kind: Category, trust: Trust) -> None:
        super().__init__(kind, trust)
        each = {"shape": ["rows", len(kind.classes)], "columns": list(kind.classes)}
        stored = {"text": "string", "whole": "int64", "number": "float64", "boolean": "bool"}[kind.stored[0]]
        name = self.name
        self.outputs = [
            {"name": f"{name}_predicted", "type": stored, "shape": ["rows"], "values": list(kind.classes)},
            {"name": f"{name}_probability", "type": "float32", **each},
        ]
        if trust.reach is not None:
            self.outputs.append({"name": f"{name}_set", "type": "bool", **each})

    def answer(self, network: Network, key: str, signal: Signal, signals: list[Signal], raw: dict[str, Tensor]) -> list[Tensor]:  # fmt: skip
        p = base.direct(network, key, signal)["probability"].double()  # (B, C)
        trust = self.trust
        if trust.temperature != 1.0:
            p = (p.clamp(1e-12, 1.0).log() / trust.temperature).softmax(1)
        best = p.argmax(1)
        chosen = best if trust.threshold is None else (p[:, 1] >= trust.threshold).long()
        if trust.reach is None:
            return [chosen, p.float()]
        held = (1 - p <= trust.reach + 1e-12) | (best[:, None] == torch.arange(p.shape[1]))
        return [chosen, p.float(), held]


def _numbers(values: tuple[str, ...]) -> list[float] | None:
    """Values of a column that was stored as numbers or booleans, as numbers."""
    named = {"true": 1.0, "false": 0.0}
    try:
        return [named[value] if value in named else float(value) for value in values]
    except ValueError:
        return None
