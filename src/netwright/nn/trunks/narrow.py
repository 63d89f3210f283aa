"""Maps whose weights stay and are held in 8 bits while something beside them learns. O outputs, I inputs.

Each output's weights are w ≈ s · q with q from -127 to 127 and s = max|w| / 127; a product makes them floats anew, forward and
backward, and keeps none of them (after Dettmers et al. 2023, arXiv 2305.14314, section 3, which holds 4 bits).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Product(torch.autograd.Function):
    """y = x Wᵀ + b of W = s · q; ∂x = ∂y W. W itself does not learn."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, q: Tensor, s: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(q, s)
        return F.linear(x, floats(q, s), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        q, s = ctx.saved_tensors
        return gradients[0] @ floats(q, s), None, None, None


class Narrow(nn.Module):
    """A linear map in 8 bits. `eighths` (O, I) int8, `unit` (O, 1)."""

    eighths: Tensor
    unit: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        unit = (weight.abs().amax(1, keepdim=True) / 127).clamp(min=torch.finfo(weight.dtype).tiny)
        self.register_buffer("eighths", (weight / unit).round_().to(torch.int8))
        self.register_buffer("unit", unit)
        self.bias = linear.bias

    @property
    def weight(self) -> Tensor:
        """(O, I) as floats."""
        return floats(self.eighths, self.unit)

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        return cast(Tensor, Product.apply(x, self.eighths, self.unit, self.bias))

    def wide(self) -> nn.Linear:
        """Return the map in floats: the same one, for what was rounded stays so."""
        outputs, inputs = self.eighths.shape
        out = nn.Linear(inputs, outputs, bias=False, device="meta")
        out.weight, out.bias = nn.Parameter(self.weight), self.bias
        return out


def floats(q: Tensor, s: Tensor) -> Tensor:
    """(O, I): s · q.

    >>> floats(torch.tensor([[127, -127]], dtype=torch.int8), torch.tensor([[0.5]])).tolist()
    [[63.5, -63.5]]
    """
    return q.to(s.dtype).mul_(s)


def widened(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's weights with those in 8 bits as floats."""
    out = dict(state)
    for name in [name for name in state if name.endswith(".eighths")]:
        stem = name.removesuffix("eighths")
        out[f"{stem}weight"] = floats(out.pop(name), out.pop(f"{stem}unit"))
    return out
