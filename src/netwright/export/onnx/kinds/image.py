"""Images in a graph: pixels of one size. B rows."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from netwright.export.onnx import base
from netwright.kinds.base import Target
from netwright.kinds.image import Input
from netwright.nn.batch import Block


class Columns(base.Columns):
    """Images of one size, as they are."""

    def __init__(self, kind: Input, targets: Iterable[Target] = ()) -> None:
        (name,) = kind.columns
        shape = ["rows", kind.height, kind.wide, kind.channels]
        super().__init__([{"name": name, "column": name, "type": "uint8", "shape": shape, **kind.value(name).form}])
        self.name = name

    def block(self, raw: dict[str, Tensor]) -> Block:
        return {"pixels": raw[self.name]}
