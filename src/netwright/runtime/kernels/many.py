"""`many.c` as operations of torch, with their gradients. A recorded step keeps them like torch's own.

N rows, D width, B rows of T elements, h heads, k heads of keys, d values of a head, F hidden values, V tokens.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.runtime import kernels

Ops = torch.library.Library("netwright", "DEF")
Whole, Real = ctypes.c_int64, ctypes.c_float


class Laid(ctypes.Structure):
    """Where values (B, h, T, d) stand and how far their rows, heads and places lie apart."""

    _fields_ = [("at", ctypes.c_void_p), ("b", Whole), ("h", Whole), ("t", Whole)]

    @classmethod
    def of(cls, values: Tensor) -> Laid:
        """Return where the values of a tensor stand, whose last axis lies together."""
        return cls(values.data_ptr(), *values.stride()[:3])


def call(name: str, *given: Any) -> None:
    """Call C with tensors' addresses, whole numbers and real ones, and the number of threads last."""
    few = kernels.library()
    assert few is not None, "only where `kernels.takes_many`"
    sent = [
        ctypes.c_void_p(kernels.address(part)) if part is None or isinstance(part, Tensor) else part for part in given
    ]
    if getattr(few, name)(*sent, Whole(torch.get_num_threads())):
        raise MemoryError(name)


def _norm(x: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    x = x.contiguous()
    y, scale = torch.empty_like(x), x.new_empty(*x.shape[:-1], 1)
    call("many_norm", x, None, weight, None, y, scale, Whole(scale.numel()), Whole(x.shape[-1]), Real(epsilon))
    return y, scale


def _added(x: Tensor, more: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    x, more = x.contiguous(), more.contiguous()
    total, y, scale = torch.empty_like(x), torch.empty_like(x), x.new_empty(*x.shape[:-1], 1)
    call("many_norm", x, more, weight, total, y, scale, Whole(scale.numel()), Whole(x.shape[-1]), Real(epsilon))
    return total, y, scale


def _norm_back(given: Tensor, more: Tensor | None, x: Tensor, weight: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    given, x = given.contiguous(), x.contiguous()
    dx, dw = torch.empty_like(x), torch.empty_like(weight)
    more = None if more is None else more.contiguous()
    call("many_norm_back", given, more, x, weight, scale, dx, dw, Whole(scale.numel()), Whole(x.shape[-1]))
    return dx, dw


def _swiglu(x: Tensor) -> Tensor:
    x = x.contiguous()
    y = x.new_empty(*x.shape[:-1], x.shape[-1] // 2)
    call("many_swiglu", x, y, Whole(y.numel() // y.shape[-1]), Whole(y.shape[-1]))
    return y


def _swiglu_back(given: Tensor, x: Tensor) -> Tensor:
    given, x = given.contiguous(), x.contiguous()
    dx = torch.empty_like(x)
    call("many_swiglu_back", given, x, dx, Whole(given.numel() // given.shape[-1]), Whole(given.shape[-1]))
    return dx


def _part(x: Tensor, cos: Tensor, sin: Tensor, heads: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
    x, cos, sin = x.contiguous(), cos.contiguous(), sin.contiguous()
    B, T, _, d = x.shape
    q, k, v = (x.new_empty(B, count, T, d) for count in (heads, keys, keys))
    call("many_turn", x, cos, sin, q, k, v, *map(Whole, (B, T, heads, keys, d, len(cos))))
    return q, k, v


def _part_back(dq: Tensor, dk: Tensor, dv: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    dq, dk, dv = (part if part.stride(-1) == 1 else part.contiguous() for part in (dq, dk, dv))
    cos, sin = cos.contiguous(), sin.contiguous()
    B, heads, T, d = dq.shape
    keys = dk.shape[1]
    dx = dq.new_empty(B, T, heads + 2 * keys, d)
    laid = [ctypes.byref(Laid.of(part)) for part in (dq, dk, dv)]
    call("many_turn_back", *laid, cos, sin, dx, *map(Whole, (B, T, heads, keys, d, len(cos))))
    return dx


def _entropy(x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    losses, logs = x.new_empty(len(x)), x.new_empty(len(x))
    call("many_entropy", x, tokens.contiguous(), losses, logs, *map(Whole, x.shape))
    return losses, logs


def _entropy_back(given: Tensor, x: Tensor, tokens: Tensor, logs: Tensor) -> Tensor:
    call("many_entropy_back", given.contiguous(), tokens.contiguous(), logs, x, *map(Whole, x.shape))
    return x


def _layer(
    x: Tensor, bias: Tensor, more: Tensor, weight: Tensor, beta: Tensor, epsilon: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    x, more = x.contiguous(), more.contiguous()
    y, scale = torch.empty_like(x), x.new_empty(*x.shape[:-1], 1)
    kept = torch.empty_like(x) if keep else x.new_empty(0)
    call("many_layer", x, bias, more, weight, beta, kept if keep else None, y, scale, Whole(scale.numel()), Whole(x.shape[-1]), Real(epsilon))  # fmt: skip
    return y, kept, scale


def _layer_back(given: Tensor, kept: Tensor, weight: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    given = given.contiguous()
    dx, sums = torch.empty_like(kept), kept.new_empty(3, kept.shape[-1])
    call("many_layer_back", given, kept, weight, scale, dx, sums, Whole(scale.numel()), Whole(kept.shape[-1]))
    return dx, sums


def _gelu(x: Tensor, bias: Tensor | None, keep: bool) -> tuple[Tensor, Tensor]:
    x = x.contiguous()
    y, slope = torch.empty_like(x), torch.empty_like(x) if keep else x.new_empty(0)
    call("many_gelu", x, bias, slope if keep else None, y, Whole(x.numel() // x.shape[-1]), Whole(x.shape[-1]))
    return y, slope


def _gelu_back(given: Tensor, slope: Tensor, biased: bool) -> tuple[Tensor, Tensor]:
    given, D = given.contiguous(), slope.shape[-1]
    dx, db = torch.empty_like(slope), slope.new_empty(D if biased else 0)
    call("many_gelu_back", given, slope, dx, db if biased else None, Whole(slope.numel() // D), Whole(D))
    return dx, db


# what the same operations are in torch: a compiler sees through these, and C stands for them


def _norm_formula(x: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    scale = (x.square().mean(-1, keepdim=True) + epsilon).rsqrt()
    return x * scale * weight, scale


def _added_formula(x: Tensor, more: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    total = x + more
    return total, *_norm_formula(total, weight, epsilon)


def _norm_back_formula(
    given: Tensor, more: Tensor | None, x: Tensor, weight: Tensor, scale: Tensor
) -> tuple[Tensor, Tensor]:
    own = given * x * scale
    mean = (own * weight).mean(-1, keepdim=True) * scale.square()
    dx = given * weight * scale - x * mean
    return dx if more is None else dx + more, own.flatten(0, -2).sum(0)


def swiglu(x: Tensor) -> Tensor:
    """(..., 2F) gates and others -> silu(gate) · other (..., F)."""
    gate, other = x.chunk(2, -1)
    return F.silu(gate) * other


def _swiglu_back_formula(given: Tensor, x: Tensor) -> Tensor:
    gate, other = x.chunk(2, -1)
    s = gate.sigmoid()
    return torch.cat([given * other * s * (1 + gate * (1 - s)), given * gate * s], -1)


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Each pair (i, i + d/2) of the last axis turned by its angle."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def _part_formula(x: Tensor, cos: Tensor, sin: Tensor, heads: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = x.transpose(1, 2).split([heads, keys, keys], 1)
    return turned(q, cos, sin), turned(k, cos, sin), v.contiguous()


def _part_back_formula(dq: Tensor, dk: Tensor, dv: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    return torch.cat([turned(dq, cos, -sin), turned(dk, cos, -sin), dv], 1).transpose(1, 2).contiguous()


def _entropy_formula(x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    logs = x.logsumexp(1)
    return logs - x.gather(1, tokens[:, None])[:, 0], logs


def _entropy_back_formula(given: Tensor, x: Tensor, tokens: Tensor, logs: Tensor) -> Tensor:
    share = (x - logs[:, None]).exp() * given[:, None]
    return x.copy_(share.scatter_add(1, tokens[:, None], -given[:, None]))


def _layer_formula(
    x: Tensor, bias: Tensor, more: Tensor, weight: Tensor, beta: Tensor, epsilon: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    total = x + bias + more
    variance, mean = torch.var_mean(total, -1, correction=0, keepdim=True)
    scale = (variance + epsilon).rsqrt()
    kept = (total - mean) * scale
    return kept * weight + beta, kept if keep else x.new_empty(0), scale


def _layer_back_formula(given: Tensor, kept: Tensor, weight: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    own = given * weight
    dx = scale * (own - own.mean(-1, keepdim=True) - kept * (own * kept).mean(-1, keepdim=True))
    return dx, torch.stack([part.flatten(0, -2).sum(0) for part in (given * kept, given, dx)])


def _gelu_formula(x: Tensor, bias: Tensor | None, keep: bool) -> tuple[Tensor, Tensor]:
    total = x if bias is None else x + bias
    slope = torch.ops.aten.gelu_backward(torch.ones_like(x), total) if keep else x.new_empty(0)
    return F.gelu(total), slope


def _gelu_back_formula(given: Tensor, slope: Tensor, biased: bool) -> tuple[Tensor, Tensor]:
    dx = given * slope
    return dx, dx.flatten(0, -2).sum(0) if biased else slope.new_empty(0)


FORMULAS: dict[Any, Any] = {}  # by operation


def offer(schema: str, function: Any, formula: Any) -> None:
    """Make a function an operation of torch on a processor; `formula` is the same in torch's own."""
    name = schema.partition("(")[0]
    Ops.define(schema)
    Ops.impl(name, function, "CPU")
    FORMULAS[getattr(torch.ops.netwright, name).default] = formula


for _schema, _function, _formula in (
    ("norm(Tensor x, Tensor weight, float epsilon) -> (Tensor, Tensor)", _norm, _norm_formula),
    ("added(Tensor x, Tensor more, Tensor weight, float epsilon) -> (Tensor, Tensor, Tensor)", _added, _added_formula),
    ("norm_back(Tensor given, Tensor? more, Tensor x, Tensor weight, Tensor scale) -> (Tensor, Tensor)", _norm_back, _norm_back_formula),
    ("swiglu(Tensor x) -> Tensor", _swiglu, swiglu),
    ("swiglu_back(Tensor given, Tensor x) -> Tensor", _swiglu_back, _swiglu_back_formula),
    ("layer(Tensor x, Tensor bias, Tensor more, Tensor weight, Tensor beta, float epsilon, bool keep) -> (Tensor, Tensor, Tensor)", _layer, _layer_formula),
    ("layer_back(Tensor given, Tensor kept, Tensor weight, Tensor scale) -> (Tensor, Tensor)", _layer_back, _layer_back_formula),
    ("gelu(Tensor x, Tensor? bias, bool keep) -> (Tensor, Tensor)", _gelu, _gelu_formula),
    ("gelu_back(Tensor given, Tensor slope, bool biased) -> (Tensor, Tensor)", _gelu_back, _gelu_back_formula),
    ("part(Tensor x, Tensor cos, Tensor sin, int heads, int keys) -> (Tensor, Tensor, Tensor)", _part, _part_formula),
    ("part_back(Tensor dq, Tensor dk, Tensor dv, Tensor cos, Tensor sin) -> Tensor", _part_back, _part_back_formula),
    ("entropy(Tensor x, Tensor tokens) -> (Tensor, Tensor)", _entropy, _entropy_formula),
    ("entropy_back(Tensor given, Tensor(a!) x, Tensor tokens, Tensor logs) -> Tensor(a!)", _entropy_back, _entropy_back_formula),
):  # fmt: skip
    offer(_schema, _function, _formula)
do: Any = torch.ops.netwright


class Norm(torch.autograd.Function):
    """(..., D) -> y = w x / √(mean x² + ε)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        y, scale = do.norm(x, weight, epsilon)
        ctx.save_for_backward(x, weight, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        return *do.norm_back(gradients[0], None, *ctx.saved_tensors), None


class Added(torch.autograd.Function):
    """Two (..., D) -> their sum, and the sum normed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, more: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
        total, y, scale = do.added(x, more, weight, epsilon)
        ctx.save_for_backward(total, weight, scale)
        return total, y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        of_total, of_y = gradients
        dx, dw = do.norm_back(of_y, of_total, *ctx.saved_tensors)
        return dx, dx, dw, None


class SwiGLU(torch.autograd.Function):
    """(..., 2F) gates and others -> silu(gate) · other (..., F)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return do.swiglu(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return do.swiglu_back(gradients[0], *ctx.saved_tensors)


class Layer(torch.autograd.Function):
    """A map's answers (..., D) without its bias (D,) and what they are added to -> the sum's layer norm (..., D)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, bias: Tensor, more: Tensor, weight: Tensor, beta: Tensor, epsilon: float
    ) -> Tensor:
        learns = any(ctx.needs_input_grad)
        y, kept, scale = do.layer(x, bias, more, weight, beta, epsilon, learns)
        if learns:
            ctx.save_for_backward(kept, weight, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        dx, (dw, dbeta, dbias) = do.layer_back(gradients[0], *ctx.saved_tensors)
        return dx, dbias, dx, dw, dbeta, None


class GELU(torch.autograd.Function):
    """t times the share of a normal distribution below t (Hendrycks & Gimpel 2016, arXiv 1606.08415), t = x (..., D) + bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None) -> Tensor:
        learns, ctx.biased = any(ctx.needs_input_grad), bias is not None
        y, slope = do.gelu(x, bias, learns)
        if learns:
            ctx.save_for_backward(slope)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None]:
        dx, db = do.gelu_back(gradients[0], *ctx.saved_tensors, ctx.biased)
        return dx, db if ctx.biased else None


class Parted(torch.autograd.Function):
    """(B, T, h + 2k, d) -> queries (B, h, T, d), keys and values (B, k, T, d), all but the values turned by their places."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor, heads: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(cos, sin)
        return do.part(x, cos, sin, heads, keys)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        return do.part_back(*gradients, *ctx.saved_tensors), None, None, None, None


class Entropy(torch.autograd.Function):
    """Logits (N, V) and tokens (N,) -> -ln p(token) (N,). Their gradient takes the logits' place: they are the largest values
    of a step, and are read by nobody else."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, tokens: Tensor) -> Tensor:
        x = x.contiguous()
        losses, logs = do.entropy(x, tokens)
        ctx.save_for_backward(x, tokens, logs)
        return losses

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return do.entropy_back(gradients[0], *ctx.saved_tensors), None
