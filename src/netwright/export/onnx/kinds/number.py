"""Numbers in a graph: scaled as the kind does, back in the target's own unit. B rows, C columns."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from netwright.evaluation.calibration import Trust
from netwright.export.onnx import base
from netwright.kinds.base import Target
from netwright.kinds.number import LARGEST, QUANTILES, Input
from netwright.kinds.number import Target as Number
from netwright.nn.batch import Block
from netwright.nn.network import Network
from netwright.nn.signal import Signal


class Columns(base.Columns):
    """Scaled as `Number` does: float64 on the way, NaN where missing."""

    def __init__(self, kind: Input, targets: Iterable[Target] = ()) -> None:
        super().__init__([
            {"name": name, "column": name, "type": "float64", "shape": ["rows"], **kind.value(name).form}
            for name in kind.columns
        ])  # fmt: skip
        self.scale, self.names = kind.scale, kind.columns
        for name, values in {"center": kind.center, "spread": kind.spread, "knots": kind.knots}.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64), persistent=False)

    def block(self, raw: dict[str, Tensor]) -> Block:
        x = torch.stack([raw[name] for name in self.names], 1)  # (B, C)
        return base.gapped(self._scaled(x), x.isnan() | (x.abs() > LARGEST))

    def _scaled(self, x: Tensor) -> Tensor:
        if self.scale == "quantile":
            return _normal(_ranks(x, self.knots).clamp(1e-4, 1 - 1e-4))  # type: ignore[arg-type]
        x = ((x - self.center) / self.spread).clamp(-LARGEST, LARGEST)  # type: ignore[operator]
        return x / torch.sqrt(1 + (x / 3) ** 2) if self.scale == "robust" else x


class Ends(base.Ends):
    """The value and its interval."""

    def __init__(self, kind: Number, trust: Trust) -> None:
        super().__init__(kind, trust)
        self.spread, self.center = kind.spread[0], kind.center[0]
        ends = ("predicted",) if trust.reach is None else ("predicted", "low", "high")
        self.outputs = [{"name": f"{self.name}_{end}", "type": "float64", "shape": ["rows"]} for end in ends]

    def answer(self, network: Network, key: str, signal: Signal, signals: list[Signal], raw: dict[str, Tensor]) -> list[Tensor]:  # fmt: skip
        value = base.direct(network, key, signal)["value"].double()
        ends = [] if self.trust.reach is None else [value - self.trust.reach, value + self.trust.reach]
        return [each * self.spread + self.center for each in (value, *ends)]


def _ranks(x: Tensor, knots: Tensor) -> Tensor:
    """Where x (B, C) lies among the knots (C, Q) of its column, 0 to 1, straight lines between them."""
    below = (x[..., None] >= knots).sum(2)  # (B, C)
    left = (below - 1).clamp(0, QUANTILES - 2)
    column = torch.arange(knots.shape[0])
    low, high = knots[column, left], knots[column, left + 1]
    part = torch.where(high > low, (x - low) / torch.where(high > low, high - low, 1.0), 1.0).clamp(0, 1)
    return torch.where(below == 0, 0.0, torch.where(below == QUANTILES, 1.0, (left + part) / (QUANTILES - 1)))


def _normal(p: Tensor) -> Tensor:
    """The normal distribution's quantiles, to nine digits (Peter Acklam's rational approximation)."""
    a = (-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.3577518672690, -30.66479806614716, 2.506628277459239)  # fmt: skip
    b = (-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1.0)
    c = (-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968, 2.938163982698783)  # fmt: skip
    d = (0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1.0)
    q = p - 0.5
    middle = q * _polynomial(a, q * q) / _polynomial(b, q * q)
    tail = (-2 * torch.minimum(p, 1 - p).log()).sqrt()
    ends = _polynomial(c, tail) / _polynomial(d, tail)
    return torch.where(q.abs() <= 0.47575, middle, torch.where(q < 0, ends, -ends))


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    out = torch.full_like(x, coefficients[0])
    for each in coefficients[1:]:
        out = out * x + each
    return out
