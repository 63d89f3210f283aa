"""`attend.c` as operations of torch, with their gradients: attention of texts so short that a head's scores fit the cache.

B rows, H heads of queries, K of keys, N queries and P keys of d values each.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.runtime import kernels
from netwright.runtime.kernels.many import Laid, Real, Whole, call, offer

SHORT = 256  # keys up to which this is faster than torch's own (docs/dev/log.md)
HELD = 2**24  # shares that are kept for the gradient: 64 MB


def takes(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool) -> bool:
    """Whether C may attend: queries (B, H, N, d), keys and values (B, K, P, d), a mask (B or 1, H or 1, N, P) of booleans where there is one."""
    (B, H, N, d), (_, K, P, _) = q.shape, k.shape
    plain = mask is None or (mask.dtype == torch.bool and mask.ndim == 4 and mask.shape[3] == P and mask.stride(3) == 1)
    plain = plain and v.shape == k.shape and (N == P or not causal)
    return (
        N > 1 and P <= SHORT and B * H * N * P <= HELD and H % K == 0 and d <= 256 and plain and kernels.takes_many(q)
    )


def attended(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool, scale: float | None = None
) -> Tensor:
    """softmax(scale q k') v (B, H, N, d), over the keys where the mask is true; `causal`: none but those up to a query's own.

    H / K heads of queries share a head of keys. What sees no key is 0.

    >>> x = torch.eye(2).view(1, 1, 2, 2)
    >>> attended(x, x, x, None, causal=True)[0, 0, 0].tolist()
    [1.0, 0.0]
    """
    return Attended.apply(q, k, v, mask, causal, q.shape[-1] ** -0.5 if scale is None else scale)  # type: ignore[return-value]


def _heads(x: Tensor) -> Tensor:
    """A tensor whose values of a head lie together."""
    return x if x.stride(-1) == 1 else x.contiguous()


def _of_mask(mask: Tensor | None, q: Tensor, k: Tensor) -> Any:
    if mask is None:
        return None
    return ctypes.byref(Laid.of(mask.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2])))


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float, keep: bool) -> tuple[Tensor, Tensor]:  # fmt: skip
    q, k, v = _heads(q), _heads(k), _heads(v)
    (B, H, N, d), (_, K, P, _) = q.shape, k.shape
    y = q.new_empty(B, N, H, d).transpose(1, 2)
    shares = q.new_empty((B, H, N, P) if keep else (0,))
    laid = [ctypes.byref(Laid.of(part)) for part in (q, k, v)]
    call(
        "attend", *laid, _of_mask(mask, q, k), ctypes.byref(Laid.of(y)), shares if keep else None, *map(Whole, (B, H, K, N, P, d, causal)), Real(scale)
    )  # fmt: skip
    return y, shares


def _attend_back(
    g: Tensor, q: Tensor, k: Tensor, v: Tensor, shares: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    g, q, k, v = _heads(g), _heads(q), _heads(k), _heads(v)
    (B, H, N, d), (_, K, P, _) = q.shape, k.shape
    found = [g.new_empty(B, count, heads, d).transpose(1, 2) for count, heads in ((N, H), (P, K), (P, K))]
    laid = [[ctypes.byref(Laid.of(part)) for part in parts] for parts in ((g, q, k, v), found)]
    call("attend_back", *laid[0], shares, *laid[1], *map(Whole, (B, H, K, N, P, d)), Real(scale))
    return found[0], found[1], found[2]


def _laid(x: Tensor) -> Tensor:
    """As C lays answers: a place's heads beside each other."""
    return x.transpose(1, 2).contiguous().transpose(1, 2)


def _formula(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float, keep: bool) -> tuple[Tensor, Tensor]:  # fmt: skip
    H, K = q.shape[1], k.shape[1]
    scores = q @ k.repeat_interleave(H // K, 1).transpose(2, 3) * scale
    if causal:
        seen = torch.ones(scores.shape[2:], dtype=torch.bool, device=q.device).tril(scores.shape[3] - scores.shape[2])
        mask = seen if mask is None else mask & seen
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    shares = torch.nan_to_num(F.softmax(scores, -1))
    return _laid(shares @ v.repeat_interleave(H // K, 1)), shares


def _back_formula(
    g: Tensor, q: Tensor, k: Tensor, v: Tensor, shares: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    H, K = q.shape[1], k.shape[1]
    ds = g @ v.repeat_interleave(H // K, 1).transpose(2, 3)
    ds = shares * (ds - (shares * ds).sum(-1, keepdim=True)) * scale
    dk, dv = ((a.transpose(2, 3) @ b).unflatten(1, (K, H // K)).sum(2) for a, b in ((ds, q), (shares, g)))
    return _laid(ds @ k.repeat_interleave(H // K, 1)), _laid(dk), _laid(dv)


offer("attend(Tensor q, Tensor k, Tensor v, Tensor? mask, bool causal, float scale, bool keep) -> (Tensor, Tensor)", _attend, _formula)  # fmt: skip
offer("attend_back(Tensor g, Tensor q, Tensor k, Tensor v, Tensor shares, float scale) -> (Tensor, Tensor, Tensor)", _attend_back, _back_formula)  # fmt: skip
do: Any = torch.ops.netwright


class Attended(torch.autograd.Function):
    """Attention whose shares are kept for the gradient."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
        learns = any(ctx.needs_input_grad)
        y, shares = do.attend(q, k, v, mask, causal, scale, learns)
        if learns:
            ctx.save_for_backward(q, k, v, shares)
            ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        return *do.attend_back(gradients[0], *ctx.saved_tensors, ctx.scale), None, None, None
