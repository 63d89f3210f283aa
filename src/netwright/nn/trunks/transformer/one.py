"""One element after its past, on a processor: the layer's own numbers in half the operations.

While a token is written each map has a row or a few, and calling operations took as long as the products (docs/dev/log.md).
B rows, D width, h heads, k heads of keys, d = D / h, P remembered elements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.nn.signal import Signal
from netwright.nn.trunks.transformer.fused import RMSNorm, inverse_root

if TYPE_CHECKING:
    from netwright.nn.trunks.transformer.net import Layer

Pair = tuple[Tensor, Tensor]


def alone(stimulus: Signal, past: tuple[Pair, ...]) -> bool:
    """Whether this way may be gone: one element of 32 bits on a processor, and nothing that learns."""
    values = stimulus.values
    here = values.device.type == "cpu" and values.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return (
        bool(past)
        and values.shape[1] == 1
        and here
        and not torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
    )


def angles(turn: Pair) -> Pair:
    """Cosines and sines (B, 1, 1, d/2) -> (B, 1, 2, d/2) of both halves, as `turned` takes them."""
    cos, sin = turn
    return torch.cat([cos, cos], 2), torch.cat([-sin, sin], 2)


def after(
    layer: Layer, x: Tensor, turn: Pair, mask: Tensor | None, past: Pair, seen: Pair | None, where: Tensor | None
) -> tuple[Tensor, Pair]:
    """(B, D) -> (B, D), and the layer's keys and values (B, k, P + 1, d)."""
    h, k, B = layer.heads, layer.key_heads, len(x)
    mixed = layer.qkv(normed(layer.attention_norm, x)).view(B, h + 2 * k, layer.d)
    asked, values = mixed.split([h + k, k], 1)
    if layer.query_norm is not None and layer.key_norm is not None:
        queries, keys = asked.split([h, k], 1)
        asked = torch.cat([normed(layer.query_norm, queries), normed(layer.key_norm, keys)], 1)
    queries, keys = turned(asked, turn).split([h, k], 1)
    keys, values = torch.cat([past[0], keys[:, :, None]], 2), torch.cat([past[1], values[:, :, None]], 2)
    x = layer.merge(weighed(queries, keys, values, mask)).add_(x)
    if seen is not None and layer.crossed_norm is not None:
        asked = layer.asks(normed(layer.crossed_norm, x)).view(B, h, layer.d)
        x = layer.joins(weighed(asked, *seen, where)).add_(x)
    gate, up = layer.gate_up(normed(layer.dense_norm, x)).chunk(2, -1)
    return layer.down(F.silu(gate).mul_(up)).add_(x), (keys, values)


def normed(norm: RMSNorm, x: Tensor) -> Tensor:
    """(..., D) -> (..., D)."""
    return (x * inverse_root(x, norm.eps)).mul_(norm.weight)


def turned(x: Tensor, turn: Pair) -> Tensor:
    """(B, h, d) with each pair (i, i + d/2) turned by its angle."""
    halves = x.unflatten(-1, (2, -1))
    return torch.addcmul(halves * turn[0], halves.flip(-2), turn[1]).flatten(-2)


def weighed(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Attention: (B, h, d) and (B, k, P, d) twice -> (B, h · d); `mask` (B, 1, 1, P) says which are seen."""
    B, h, d = queries.shape
    k = keys.shape[1]
    scores = torch.matmul(queries.reshape(B, k, h // k, d) * d**-0.5, keys.transpose(2, 3))  # (B, k, h/k, P)
    if mask is not None:
        scores.masked_fill_(~mask, -torch.inf)
    return torch.matmul(scores.softmax(-1), values).view(B, h * d)
