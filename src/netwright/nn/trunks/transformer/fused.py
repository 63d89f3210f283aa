"""A layer's small maps with their gradients written out: the same numbers in fewer passes over memory.

Autograd keeps and walks each operation, and on a processor these maps are bound by memory. Floats of 32 bits go through
`netwright.runtime.kernels`, in one pass; all else through what is written here for torch: forward and backward of the norm took 0.65
of the time so, of the turning 0.66 (docs/dev/log.md). B rows, T elements, D width, h heads, k heads of keys, d values of a head,
F hidden values.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.runtime import kernels
from netwright.runtime.kernels import many


class RMSNorm(torch.nn.Module):
    """y = w x / √(mean x² + ε) over the last axis (Zhang & Sennrich 2019, arXiv 1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = torch.nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        if kernels.takes_many(x):
            return many.Norm.apply(x, self.weight, self.eps)  # type: ignore[return-value]
        if torch.is_grad_enabled():
            return Norm.apply(x, self.weight, self.eps)  # type: ignore[return-value]
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


def added(x: Tensor, more: Tensor, norm: RMSNorm) -> tuple[Tensor, Tensor]:
    """Two (..., D) -> their sum, and the sum normed."""
    if kernels.takes_many(x):
        return many.Added.apply(x, more, norm.weight, norm.eps)  # type: ignore[return-value]
    x = x + more
    return x, norm(x)


def swiglu(x: Tensor) -> Tensor:
    """(..., 2F) gates and others -> silu(gate) · other (..., F)."""
    if kernels.takes_many(x):
        return many.SwiGLU.apply(x)  # type: ignore[return-value]
    return many.swiglu(x)


def parted(x: Tensor, turn: tuple[Tensor, Tensor], h: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, T, h + 2k, d) -> queries (B, h, T, d), keys and values (B, k, T, d), all but the values turned by their places."""
    if kernels.takes_many(x):
        return many.Parted.apply(x, *turn, h, k)  # type: ignore[return-value]
    # split, not sliced: the parts' gradients are laid side by side, those of slices are added to zeros
    asked, values = x.transpose(1, 2).split([h + k, k], 1)
    queries, keys = rotated(asked, turn).split([h, k], 1)
    return queries, keys, values


def rotated(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """(B, h, T, d) with the pair (i, i + d/2) turned by its angle."""
    return Turned.apply(x, *turn)  # type: ignore[return-value]


class Norm(torch.autograd.Function):
    """With r = 1 / √(mean x² + ε): ∂x = r w∂ - x r³ mean(w∂ x), ∂w = Σ ∂ x r."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        scale = inverse_root(x, eps)
        ctx.save_for_backward(x, weight, scale)
        return (x * scale).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, scale = ctx.saved_tensors
        given = gradients[0]
        D = x.shape[-1]
        own = (given * x).mul_(scale)  # ∂ x r
        weighed = own.flatten(0, -2).sum(0)
        mean = torch.mv(own.flatten(0, -2), weight).view(scale.shape).mul_(scale).mul_(scale).div_(D)
        out = (given * weight).mul_(scale)
        return torch.addcmul(out, x, mean, value=-1), weighed, None


def inverse_root(x: Tensor, eps: float) -> Tensor:
    """(..., D) -> (..., 1): 1 / √(mean x² + ε)."""
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(eps).rsqrt_()


class Turned(torch.autograd.Function):
    """Each pair (i, i + d/2) of the last axis turned by its angle; the gradient is turned back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turned(gradients[0], cos, -sin), None, None


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    if torch.compiler.is_compiling():  # it writes into place by itself, and cannot follow what does so below
        return many.turned(x, cos, sin)
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    torch.mul(a, cos, out=out[..., :half]).addcmul_(b, sin, value=-1)
    torch.mul(b, cos, out=out[..., half:]).addcmul_(a, sin)
    return out
