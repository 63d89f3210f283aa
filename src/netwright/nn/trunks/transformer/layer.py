"""One layer of a Transformer, and the rotary angles of its places.

B rows, T elements, D width, h heads, k heads of keys, d values of a head, F hidden values, P remembered elements.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from netwright.nn.trunks.transformer.settings import Settings
from netwright.runtime.kernels.attention import attention
from netwright.runtime.kernels.products import Linear
from netwright.runtime.kernels.rows import added_norm, norm, rotary, swiglu

Pair = tuple[Tensor, Tensor]


class RMSNorm(nn.Module):
    """y = w x / √(mean x² + ε) over the last axis."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return norm(x, self.weight, self.eps)


class Layer(nn.Module):
    """x + attention(norm x), then x + SwiGLU(norm x): down(silu(gate x) ∘ up x).

    `crossed`: between the two, x + attention of norm x to the inputs.
    """

    def __init__(self, settings: Settings, *, crossed: bool = False) -> None:
        super().__init__()
        D, h = settings.width or 0, settings.heads or 1
        self.heads, self.key_heads, self.d = h, settings.key_heads or h, settings.head_size or D // h
        self.hidden = settings.hidden or -(-8 * D // 3 // 8) * 8
        self.attention_norm, self.dense_norm = (RMSNorm(D, settings.epsilon) for _ in range(2))
        linear = nn.Linear if crossed else Linear  # of few rows torch's are faster one by one
        self.qkv = linear(D, (h + 2 * self.key_heads) * self.d, bias=settings.biased)
        self.merge = linear(h * self.d, D, bias=False)
        self.query_norm, self.key_norm = (
            RMSNorm(self.d, settings.epsilon) if settings.normed else None for _ in range(2)
        )
        self.gate_up, self.down = linear(D, 2 * self.hidden, bias=False), linear(self.hidden, D, bias=False)
        self.crossed_norm = RMSNorm(D, settings.epsilon) if crossed else None
        if crossed:
            self.asks, self.sees = (nn.Linear(D, size * self.d, bias=False) for size in (h, 2 * self.key_heads))
            self.joins = nn.Linear(h * self.d, D, bias=False)
        self.dropout = nn.Dropout(settings.dropout or 0.0)

    def forward(
        self, x: Tensor, turn: Pair, mask: Tensor | None, past: Pair | None = None, *, causal: bool = False, seen: Pair | None = None,
        where: Tensor | None = None,
    ) -> tuple[Tensor, Pair]:  # fmt: skip
        """(B, T, D) -> (B, T, D), and this layer's keys and values (B, k, P + T, d).

        `seen`: the inputs' keys and values, of which `where` tells the real ones.
        """
        h, k = self.heads, self.key_heads
        mixed = self.qkv(self.attention_norm(x)).unflatten(-1, (h + 2 * k, self.d))  # (B, T, h + 2k, d)
        if self.query_norm is not None and self.key_norm is not None:
            queries, keys, values = mixed.split([h, k, k], 2)
            mixed = torch.cat([self.query_norm(queries), self.key_norm(keys), values], 2)
        queries, keys, values = rotary(mixed, *turn, h, k)
        if past is not None:
            keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
        more = self.dropout(self.merge(_beside(attention(queries, keys, values, mask, causal=causal))))
        if seen is not None and self.crossed_norm is not None:
            x, y = added_norm(x, more, self.crossed_norm.weight, self.crossed_norm.eps)
            asked = self.asks(y).unflatten(-1, (h, self.d)).transpose(1, 2)
            more = self.dropout(self.joins(_beside(attention(asked, *seen, where))))
        x, y = added_norm(x, more, self.dense_norm.weight, self.dense_norm.eps)
        return x + self.dropout(self.down(swiglu(self.gate_up(y)))), (keys, values)

    def seen(self, inputs: Tensor) -> Pair:
        """(B, P, D) -> the inputs' keys and values (B, k, P, d) for this layer's writer."""
        both = self.sees(inputs).unflatten(-1, (2 * self.key_heads, self.d)).transpose(1, 2)
        return both[:, : self.key_heads], both[:, self.key_heads :]


def _beside(x: Tensor) -> Tensor:
    """(B, h, T, d) -> (B, T, h · d): the heads of an element beside each other."""
    return x.transpose(1, 2).flatten(2)


def frequencies(d: int, base: float, scaling: dict[str, Any] | None = None) -> Tensor:
    """(d/2,) angles a place, base^(-2i/d), stretched for longer texts where `scaling` says so.

    `linear` divides all by a factor, `factors` each by its own. `llama3` divides those whose wave is longer than the length
    that was trained on, over `low_freq_factor`; leaves those shorter than that length over `high_freq_factor`; and goes from
    one to the other between.
    """
    rate = base ** (-torch.arange(0, d, 2, dtype=torch.float32) / d)
    if not scaling:
        return rate
    if scaling["rope_type"] == "factors":
        return rate / torch.tensor(scaling["factors"])
    factor = float(scaling["factor"])
    if scaling["rope_type"] == "linear":
        return rate / factor
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    waves = scaling["original_max_position_embeddings"] * rate / (2 * torch.pi)  # in the length trained on
    whole = ((waves - low) / (high - low)).clamp(0, 1)
    return rate * (whole + (1 - whole) / factor)


def rotation(position: Tensor, frequency: Tensor, dtype: torch.dtype) -> Pair:
    """Cosine and sine (B, 1, T, d/2) of position · frequency, by which pairs of values are turned."""
    angle = position[:, None, :, None].float() * frequency
    return angle.cos().to(dtype), angle.sin().to(dtype)
