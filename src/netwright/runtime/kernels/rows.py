"""Norms, SwiGLU, GELU, rotary positions and the loss of tokens, each in one pass over memory where torch takes several.

N rows, D width, B rows of T elements, h heads, k heads of keys, d values of a head, F hidden values, V tokens. The compiled
code is in `rows.c`; the formulas below are what it computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.runtime.kernels.layout import together, where
from netwright.runtime.kernels.native import call
from netwright.runtime.kernels.operation import define, differentiable, drawn, operation, plain

SIZES = ((1, 1), (3, 7), (65, 16), (130, 33), (700, 130))


def _norm(x: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    x = x.contiguous()
    y, scale = torch.empty_like(x), x.new_empty(*x.shape[:-1], 1)
    call("norm", x, None, weight, None, y, scale, scale.numel(), x.shape[-1], epsilon)
    return y, scale


def _added_norm(x: Tensor, more: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    x, more = x.contiguous(), more.contiguous()
    total, y, scale = torch.empty_like(x), torch.empty_like(x), x.new_empty(*x.shape[:-1], 1)
    call("norm", x, more, weight, total, y, scale, scale.numel(), x.shape[-1], epsilon)
    return total, y, scale


def _norm_back(given: Tensor, more: Tensor | None, x: Tensor, weight: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    given, x = given.contiguous(), x.contiguous()
    dx, dw = torch.empty_like(x), torch.empty_like(weight)
    more = None if more is None else more.contiguous()
    call("norm_back", given, more, x, weight, scale, dx, dw, scale.numel(), x.shape[-1])
    return dx, dw


norm_ = define("norm(Tensor x, Tensor weight, float epsilon) -> (Tensor, Tensor)", _norm)
added_norm_ = define("added_norm(Tensor x, Tensor more, Tensor weight, float epsilon) -> (Tensor, Tensor, Tensor)", _added_norm)  # fmt: skip
norm_back_ = define("norm_back(Tensor given, Tensor? more, Tensor x, Tensor weight, Tensor scale) -> (Tensor, Tensor)", _norm_back)  # fmt: skip


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        y, scale = norm_(x, weight, epsilon)
        ctx.save_for_backward(x, weight, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        return *norm_back_(gradients[0], None, *ctx.saved_tensors), None


class _AddedNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, more: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
        total, y, scale = added_norm_(x, more, weight, epsilon)
        ctx.save_for_backward(total, weight, scale)
        return total, y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        of_total, of_y = gradients
        dx, dw = norm_back_(of_y, of_total, *ctx.saved_tensors)
        return dx, dx, dw, None


def _norms() -> Iterator[tuple[Any, ...]]:
    for rows, width in SIZES:
        yield drawn(2, rows, width), drawn(width, seed=2), 1e-5


def _sums() -> Iterator[tuple[Any, ...]]:
    for rows, width in SIZES:
        yield drawn(2, rows, width), drawn(2, rows, width, seed=1), drawn(width, seed=2), 1e-5


@operation(
    compiled=differentiable(_Norm, lambda x, weight, epsilon: norm_(x, weight, epsilon)[0]),
    takes=lambda x, weight, epsilon: plain(x, weight),
    examples=_norms,
)
def norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """(..., D) -> y = w x / √(mean x² + ε) over the last axis (Zhang & Sennrich 2019, arXiv 1910.07467)."""
    return F.rms_norm(x, weight.shape, weight, epsilon)


@operation(
    compiled=differentiable(_AddedNorm, lambda x, more, weight, epsilon: added_norm_(x, more, weight, epsilon)[:2]),
    takes=lambda x, more, weight, epsilon: plain(x, more, weight),
    examples=_sums,
)
def added_norm(x: Tensor, more: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Two (..., D) -> their sum, and the sum normed as `norm` does."""
    total = x + more
    return total, F.rms_norm(total, weight.shape, weight, epsilon)


def _layer_norm(
    x: Tensor, bias: Tensor, more: Tensor, weight: Tensor, beta: Tensor, epsilon: float, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    x, more = x.contiguous(), more.contiguous()
    y, scale = torch.empty_like(x), x.new_empty(*x.shape[:-1], 1)
    kept = torch.empty_like(x) if keep else x.new_empty(0)
    call("layer", x, bias, more, weight, beta, kept if keep else None, y, scale, scale.numel(), x.shape[-1], epsilon)
    return y, kept, scale


def _layer_norm_back(given: Tensor, kept: Tensor, weight: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    given = given.contiguous()
    dx, sums = torch.empty_like(kept), kept.new_empty(3, kept.shape[-1])
    call("layer_back", given, kept, weight, scale, dx, sums, scale.numel(), kept.shape[-1])
    return dx, sums


layer_norm_ = define("layer_norm(Tensor x, Tensor bias, Tensor more, Tensor weight, Tensor beta, float epsilon, bool keep) -> (Tensor, Tensor, Tensor)", _layer_norm)  # fmt: skip
layer_norm_back_ = define("layer_norm_back(Tensor given, Tensor kept, Tensor weight, Tensor scale) -> (Tensor, Tensor)", _layer_norm_back)  # fmt: skip


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, bias: Tensor, more: Tensor, weight: Tensor, beta: Tensor, epsilon: float
    ) -> Tensor:
        learns = any(ctx.needs_input_grad)
        y, kept, scale = layer_norm_(x, bias, more, weight, beta, epsilon, learns)
        if learns:
            ctx.save_for_backward(kept, weight, scale)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        dx, (dw, dbeta, dbias) = layer_norm_back_(gradients[0], *ctx.saved_tensors)
        return dx, dbias, dx, dw, dbeta, None


def _without_gradient(x: Tensor, bias: Tensor, more: Tensor, weight: Tensor, beta: Tensor, epsilon: float) -> Tensor:
    return layer_norm_(x, bias, more, weight, beta, epsilon, False)[0]


def _layer_norms() -> Iterator[tuple[Any, ...]]:
    for shape in ((3, 7), (2, 5, 33), (200, 384)):
        vectors = [drawn(shape[-1], seed=seed) for seed in (2, 3, 4)]
        yield drawn(*shape), vectors[0], drawn(*shape, seed=1), vectors[1], vectors[2], 1e-12


@operation(
    compiled=differentiable(_LayerNorm, _without_gradient),
    takes=lambda x, bias, more, weight, beta, epsilon: plain(x, bias, more, weight, beta),
    examples=_layer_norms,
)
def added_layer_norm(
    x: Tensor, bias: Tensor, more: Tensor, weight: Tensor, beta: Tensor, epsilon: float
) -> Tensor:  # fmt: skip
    """A map's answers x (..., D) without its bias (D,), and what they are added to -> the sum's layer norm (..., D).

    y = w (t - mean t) / √(var t + ε) + β with t = x + bias + more (Ba et al. 2016, arXiv 1607.06450).
    """
    return F.layer_norm(x + bias + more, weight.shape, weight, beta, epsilon)


def _swiglu(x: Tensor) -> Tensor:
    x = x.contiguous()
    y = x.new_empty(*x.shape[:-1], x.shape[-1] // 2)
    call("swiglu", x, y, y.numel() // y.shape[-1], y.shape[-1])
    return y


def _swiglu_back(given: Tensor, x: Tensor) -> Tensor:
    given, x = given.contiguous(), x.contiguous()
    dx = torch.empty_like(x)
    call("swiglu_back", given, x, dx, given.numel() // given.shape[-1], given.shape[-1])
    return dx


swiglu_ = define("swiglu(Tensor x) -> Tensor", _swiglu)
swiglu_back_ = define("swiglu_back(Tensor given, Tensor x) -> Tensor", _swiglu_back)


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return swiglu_(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return swiglu_back_(gradients[0], *ctx.saved_tensors)


def _gates() -> Iterator[tuple[Any, ...]]:
    for rows, width in SIZES:
        yield ((3 * drawn(rows, 2 * width, learns=False)).requires_grad_(),)


@operation(compiled=differentiable(_SwiGLU, lambda x: swiglu_(x)), takes=lambda x: plain(x), examples=_gates)
def swiglu(x: Tensor) -> Tensor:
    """(..., 2F) gates and others -> silu(gate) · other (..., F) (Shazeer 2020, arXiv 2002.05202)."""
    gate, other = x.chunk(2, -1)
    return F.silu(gate) * other


def _gelu(x: Tensor, bias: Tensor | None, keep: bool) -> tuple[Tensor, Tensor]:
    x = x.contiguous()
    y, slope = torch.empty_like(x), torch.empty_like(x) if keep else x.new_empty(0)
    call("gelu", x, bias, slope if keep else None, y, x.numel() // x.shape[-1], x.shape[-1])
    return y, slope


def _gelu_back(given: Tensor, slope: Tensor, biased: bool) -> tuple[Tensor, Tensor]:
    given, D = given.contiguous(), slope.shape[-1]
    dx, db = torch.empty_like(slope), slope.new_empty(D if biased else 0)
    call("gelu_back", given, slope, dx, db if biased else None, slope.numel() // D, D)
    return dx, db


gelu_ = define("gelu(Tensor x, Tensor? bias, bool keep) -> (Tensor, Tensor)", _gelu)
gelu_back_ = define("gelu_back(Tensor given, Tensor slope, bool biased) -> (Tensor, Tensor)", _gelu_back)


class _GELU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None) -> Tensor:
        learns, ctx.biased = any(ctx.needs_input_grad), bias is not None
        y, slope = gelu_(x, bias, learns)
        if learns:
            ctx.save_for_backward(slope)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None]:
        dx, db = gelu_back_(gradients[0], *ctx.saved_tensors, ctx.biased)
        return dx, db if ctx.biased else None


def _biased() -> Iterator[tuple[Any, ...]]:
    for shape in ((3, 7), (2, 5, 33), (200, 384)):
        x = (3 * drawn(*shape, learns=False)).requires_grad_()
        yield from ((x, drawn(shape[-1], seed=1)), (x, None))


@operation(
    compiled=differentiable(_GELU, lambda x, bias: gelu_(x, bias, False)[0]),
    takes=lambda x, bias: plain(x),
    examples=_biased,
)
def gelu(x: Tensor, bias: Tensor | None) -> Tensor:
    """(..., D) -> t times the share of a normal distribution below t, t = x + bias (Hendrycks & Gimpel 2016, arXiv 1606.08415)."""
    return F.gelu(x if bias is None else x + bias)


def _rotary(x: Tensor, cos: Tensor, sin: Tensor, heads: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
    x, cos, sin = x.contiguous(), cos.contiguous(), sin.contiguous()
    B, T, _, d = x.shape
    q, k, v = (x.new_empty(B, count, T, d) for count in (heads, keys, keys))
    call("turn", x, cos, sin, q, k, v, B, T, heads, keys, d, len(cos))
    return q, k, v


def _rotary_back(dq: Tensor, dk: Tensor, dv: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    dq, dk, dv = together(dq), together(dk), together(dv)
    cos, sin = cos.contiguous(), sin.contiguous()
    B, heads, T, d = dq.shape
    keys = dk.shape[1]
    dx = dq.new_empty(B, T, heads + 2 * keys, d)
    call("turn_back", *map(where, (dq, dk, dv)), cos, sin, dx, B, T, heads, keys, d, len(cos))
    return dx


rotary_ = define("rotary(Tensor x, Tensor cos, Tensor sin, int heads, int keys) -> (Tensor, Tensor, Tensor)", _rotary)
rotary_back_ = define("rotary_back(Tensor dq, Tensor dk, Tensor dv, Tensor cos, Tensor sin) -> Tensor", _rotary_back)


class _Rotary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor, heads: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(cos, sin)
        return rotary_(x, cos, sin, heads, keys)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        return rotary_back_(*gradients, *ctx.saved_tensors), None, None, None, None


def _turns() -> Iterator[tuple[Any, ...]]:
    for heads, keys, d in ((4, 4, 8), (6, 2, 34), (2, 1, 64)):
        for places in (1, 3):
            angle = drawn(places, 1, 40, d // 2, seed=1, learns=False)
            yield drawn(3, 40, heads + 2 * keys, d), angle.cos(), angle.sin(), heads, keys


@operation(
    compiled=differentiable(_Rotary, rotary_),
    takes=lambda x, cos, sin, heads, keys: plain(x, cos, sin),
    examples=_turns,
)
def rotary(x: Tensor, cos: Tensor, sin: Tensor, heads: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, T, h + 2k, d) -> queries (B, h, T, d), keys and values (B, k, T, d); queries and keys turned by their places.

    Each pair (a, b) of values i and i + d/2 becomes (a cos - b sin, b cos + a sin) (Su et al. 2021, arXiv 2104.09864); the
    angles are (B or 1, 1, T, d/2).
    """
    asked, values = x.transpose(1, 2).split([heads + keys, keys], 1)
    a, b = asked.chunk(2, -1)
    queries, turned = torch.cat([a * cos - b * sin, b * cos + a * sin], -1).split([heads, keys], 1)
    return queries, turned, values


def _entropy(x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    losses, logs = x.new_empty(len(x)), x.new_empty(len(x))
    call("entropy", x, tokens.contiguous(), losses, logs, *x.shape)
    return losses, logs


def _entropy_back(given: Tensor, x: Tensor, tokens: Tensor, logs: Tensor) -> None:
    call("entropy_back", given.contiguous(), tokens.contiguous(), logs, x, *x.shape)


entropy_ = define("entropy(Tensor x, Tensor tokens) -> (Tensor, Tensor)", _entropy)
entropy_back_ = define("entropy_back(Tensor given, Tensor(a!) x, Tensor tokens, Tensor logs) -> ()", _entropy_back)


class _Entropy(torch.autograd.Function):
    """The gradient takes the logits' place: they are the largest values of a step, and nobody else reads them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, tokens: Tensor) -> Tensor:
        x = x.contiguous()
        losses, logs = entropy_(x, tokens)
        ctx.save_for_backward(x, tokens, logs)
        ctx.used = False
        return losses

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        if ctx.used:
            raise RuntimeError("the loss of tokens has one backward pass: its gradient took the logits' place")
        ctx.used = True
        x, tokens, logs = ctx.saved_tensors
        entropy_back_(gradients[0], x, tokens, logs)
        return x, None


def _logits() -> Iterator[tuple[Any, ...]]:
    for rows, tokens in ((1, 2), (5, 17), (300, 100)):
        for times in (1.0, 60.0):  # large ones as well: nothing overflows
            x = (times * drawn(rows, tokens, learns=False)).requires_grad_()
            yield x, torch.arange(rows) * 7 % tokens


@operation(compiled=_Entropy.apply, takes=lambda x, tokens: plain(x), examples=_logits)
def cross_entropy(x: Tensor, tokens: Tensor) -> Tensor:
    """Logits (N, V) and tokens (N,) -> -ln p(token) = ln Σ eˣ - x[token] (N,). A gradient may overwrite the logits."""
    return F.cross_entropy(x, tokens, reduction="none")
