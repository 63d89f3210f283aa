"""Attention, compiled for texts so short that all scores of a head fit the cache (`attention.c`).

B rows, H heads of queries, K of keys, N queries and P keys of d values each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.runtime.kernels.layout import Laid, together, where
from netwright.runtime.kernels.native import call
from netwright.runtime.kernels.operation import define, drawn, operation, plain

SHORT = 256  # keys up to which the compiled code is faster than torch's (docs/dev/kernels.md)
HELD = 2**24  # shares that are kept for the gradient: 64 MB
WIDE = 256  # values of a head up to which the compiled code takes them


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float, keep: bool) -> tuple[Tensor, Tensor]:  # fmt: skip
    q, k, v = together(q), together(k), together(v)
    (B, H, N, d), (_, K, P, _) = q.shape, k.shape
    y = q.new_empty(B, N, H, d).transpose(1, 2)
    shares = q.new_empty((B, H, N, P) if keep else (0,))
    if not q.is_meta:
        seen: Laid | None = None if mask is None else where(mask.expand(B, H, N, P))
        call("attend", where(q), where(k), where(v), seen, where(y), shares if keep else None, B, H, K, N, P, d, causal, scale)  # fmt: skip
    return y, shares


def _attend_back(
    g: Tensor, q: Tensor, k: Tensor, v: Tensor, shares: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    g, q, k, v = together(g), together(q), together(k), together(v)
    (B, H, N, d), (_, K, P, _) = q.shape, k.shape
    dq, dk, dv = (g.new_empty(B, count, heads, d).transpose(1, 2) for count, heads in ((N, H), (P, K), (P, K)))
    call("attend_back", *map(where, (g, q, k, v)), shares, *map(where, (dq, dk, dv)), B, H, K, N, P, d, scale)
    return dq, dk, dv


attend_ = define("attend(Tensor q, Tensor k, Tensor v, Tensor? mask, bool causal, float scale, bool keep) -> (Tensor, Tensor)", _attend)  # fmt: skip
attend_back_ = define("attend_back(Tensor g, Tensor q, Tensor k, Tensor v, Tensor shares, float scale) -> (Tensor, Tensor, Tensor)", _attend_back)  # fmt: skip


class _Attention(torch.autograd.Function):
    """Attention whose shares are kept for the gradient."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
        learns = any(ctx.needs_input_grad)
        y, shares = attend_(q, k, v, mask, causal, scale, learns)
        if learns:
            ctx.save_for_backward(q, k, v, shares)
            ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        return *attend_back_(gradients[0], *ctx.saved_tensors, ctx.scale), None, None, None


def _compiled(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False, scale: float | None = None
) -> Tensor:
    return _Attention.apply(q, k, v, mask, causal, q.shape[-1] ** -0.5 if scale is None else scale)  # type: ignore[return-value]


def _takes(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False, scale: float | None = None
) -> bool:
    """Short texts; a mask, where there is one, of booleans; causal where queries and keys are as many."""
    (B, H, N, d), (_, K, P, _) = q.shape, k.shape
    masked = mask is None or (mask.dtype == torch.bool and mask.ndim == 4 and mask.shape[3] == P and mask.stride(3) == 1)  # fmt: skip
    short = N > 1 and P <= SHORT and B * H * N * P <= HELD and d <= WIDE
    return short and masked and v.shape == k.shape and H % K == 0 and (N == P or not causal) and plain(q, k, v)


def _examples() -> Iterator[tuple[Any, ...]]:
    """Short, causal, with shared keys, crossed, long, of one key; each whole, and those that are not causal masked."""
    for B, H, K, N, P, d, causal in (
        (3, 4, 4, 7, 7, 8, False), (2, 4, 4, 33, 33, 16, True), (2, 6, 2, 40, 40, 20, True), (2, 3, 3, 5, 130, 34, False),
        (1, 2, 1, 256, 256, 64, True), (2, 2, 2, 3, 1, 4, False),
    ):  # fmt: skip
        parts = []
        for seed, (heads, count) in enumerate(
            ((H, N), (K, P), (K, P))
        ):  # as a network lays them: heads beside each other
            parts.append(drawn(B, count, heads, d, seed=seed, learns=False).transpose(1, 2).requires_grad_())
        if causal:
            yield *parts, None, {"causal": True}
        else:
            mask = drawn(B, 1, N, P, learns=False) > -0.3
            mask[..., 0] = True
            yield from ((*parts, None), (*parts, mask))


@operation(compiled=_compiled, takes=_takes, examples=_examples, tolerance=2e-5)
def attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool = False, scale: float | None = None
) -> Tensor:
    """softmax(scale q k') v (B, H, N, d) of queries (B, H, N, d), keys and values (B, K, P, d); scale 1 / √d.

    A mask (B or 1, H or 1, N, P) of booleans says which keys are seen; what sees none is 0. `causal`: none but those up to
    a query's own. H / K heads of queries share a head of keys (Vaswani et al. 2017, arXiv 1706.03762; Ainslie et al. 2023,
    arXiv 2305.13245).
    """
    (B, H, N, d), K = q.shape, k.shape[1]
    if N == 1 and (
        mask is None or (mask.dtype == torch.bool and mask.shape[1] == 1)
    ):  # heads that share keys are rows of a product
        scores = (q.reshape(B, K, H // K, d) * (d**-0.5 if scale is None else scale)) @ k.transpose(2, 3)
        if mask is None:
            return (scores.softmax(-1) @ v).view(B, H, 1, d)
        shares = scores.masked_fill(~mask, -torch.inf).softmax(-1).masked_fill(~mask, 0.0)
        return (shares @ v).view(B, H, 1, d)
    here = q.device.type == "cpu" and not torch.compiler.is_compiling() and not torch.compiler.is_exporting()
    shared = H != K and here  # keys and values are read where they stand
    if H != K and not shared:
        k, v = k.repeat_interleave(H // K, 1), v.repeat_interleave(H // K, 1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=shared)
