"""Labels in a graph: looked up before it, counted in it. B rows, L labels."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from netwright.evaluation.calibration import Trust
from netwright.export.onnx import base
from netwright.kinds.base import Target
from netwright.kinds.labels import Input
from netwright.kinds.labels import Target as Labels
from netwright.nn.batch import Block
from netwright.nn.network import Network
from netwright.nn.signal import Signal


class Columns(base.Columns):
    """Labels: several a row; those that training never saw count for nothing."""

    def __init__(self, kind: Input, targets: Iterable[Target] = ()) -> None:
        (name,) = kind.columns
        item = {"name": name, "column": name, "type": "string", "shape": ["rows", f"{name}.labels"]}
        places = {value: place for place, value in enumerate(kind.values, 1)}
        super().__init__([{**item, **kind.value(name).form}], {name: places})
        self.name, self.count = name, len(kind.values)

    def block(self, raw: dict[str, Tensor]) -> Block:
        codes = raw[self.name]  # (B, T), 0: none
        hot = (codes[:, :, None] == torch.arange(1, self.count + 1)).any(1)
        return {"hot": hot.to(torch.uint8)}


class Ends(base.Ends):
    """Which labels a row has, and their probabilities."""

    def __init__(self, kind: Labels, trust: Trust) -> None:
        super().__init__(kind, trust)
        each = {"shape": ["rows", len(kind.values)], "columns": list(kind.values)}
        parts = (("predicted", "bool"), ("probability", "float32"))
        self.outputs = [{"name": f"{self.name}_{end}", "type": stored, **each} for end, stored in parts]

    def answer(self, network: Network, key: str, signal: Signal, signals: list[Signal], raw: dict[str, Tensor]) -> list[Tensor]:  # fmt: skip
        found = base.direct(network, key, signal)["probability"]
        return [found > 0.5, found.float()]
