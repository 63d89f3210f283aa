"""The Transformer trunk: inputs that see themselves whole, and a stimulus that sees them and its own past.

B rows, T elements, D width, h heads, d = D / h, P remembered elements, N elements of the stimulus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.shapes import Shape
from netwright.signal import Memory, Signal
from netwright.trunks.base import Trunk
from netwright.trunks.transformer.settings import Settings

BASE = 10_000.0  # of the rotary frequencies: Su et al. 2021, section 3.2.2
EPSILON = 1e-6  # of RMSNorm: Llama's; torch's own default follows the precision, and in bfloat16 it is 0.008


class Net(Trunk):
    """Layers of self-attention over the elements of all blocks.

    `causal`: whether elements of a stimulus see only those before them (text) or all of it (image generation).
    """

    def __init__(self, settings: Settings, inputs: Sequence[Shape], outputs: int, *, causal: bool = True) -> None:
        super().__init__()
        s = settings
        assert s.width is not None and s.depth is not None and s.heads is not None and s.dropout is not None
        self.causal, self.heads = causal, s.heads
        self.layers = nn.ModuleList(Layer(s.width, s.heads, s.dropout) for _ in range(s.depth))
        self.norm = nn.RMSNorm(s.width, eps=EPSILON)
        self.dropout = nn.Dropout(s.dropout)
        # which block an element is of; a lone block needs no name
        self.block = nn.Parameter(torch.randn(len(inputs), s.width) * 0.02) if len(inputs) > 1 else None
        lengths = [shape.length for shape in inputs]
        size = inputs[0].size if len(inputs) == 1 else ()
        known = sum(length for length in lengths if length is not None) if None not in lengths else None
        self.out = Shape("sequence", s.width, length=known, size=size)

    def read(self, signals: Sequence[Signal]) -> Memory:
        if not signals:
            return Memory()
        joined = self._joined(signals)
        B, T, _ = joined.values.shape
        padded = any(signal.document is not None for signal in signals)
        document = joined.documents()
        mask = _same(document, document)[:, None] if padded else None  # (B, 1, T, T)
        x, cache = self._through(self.dropout(joined.values), joined.positions(), mask, ())
        inputs = replace(joined, values=self.norm(x), document=document if padded else None)
        return Memory(inputs, cache, document)

    def step(self, memory: Memory, stimulus: Signal | None = None) -> tuple[Signal, Memory]:
        if stimulus is None:
            return super().step(memory)
        document = stimulus.documents()
        N = document.shape[1]
        mask = _same(document, document)
        if self.causal:
            mask = mask & torch.ones(N, N, dtype=torch.bool, device=mask.device).tril()
        mask = mask | torch.eye(N, dtype=torch.bool, device=mask.device)
        if memory.document is not None:
            mask = torch.cat([_same(document, memory.document, own=False), mask], 2)  # (B, N, P + N)
            document = torch.cat([memory.document, document], 1)
        x, cache = self._through(self.dropout(stimulus.values), stimulus.positions(), mask[:, None], memory.cache)
        return replace(stimulus, values=self.norm(x)), Memory(memory.inputs, cache, document)

    def _joined(self, signals: Sequence[Signal]) -> Signal:
        values = [
            signal.values if self.block is None else signal.values + self.block[index]
            for index, signal in enumerate(signals)
        ]
        column = torch.cat([torch.full_like(signal.columns(), index) for index, signal in enumerate(signals)])
        return Signal(
            torch.cat(values, 1), "sequence", column,
            torch.cat([signal.positions() for signal in signals], 1),
            torch.cat([signal.documents() for signal in signals], 1),
            size=signals[0].size if len(signals) == 1 else (),
        )  # fmt: skip

    def _through(
        self, x: Tensor, position: Tensor, mask: Tensor | None, past: tuple[tuple[Tensor, Tensor], ...]
    ) -> tuple[Tensor, tuple[tuple[Tensor, Tensor], ...]]:
        d = x.shape[-1] // self.heads
        turn = rotation(position, d, x.dtype)
        cache = []
        for index, layer in enumerate(self.layers):
            x, kept = layer(x, turn, mask, past[index] if past else None)
            cache.append(kept)
        return x, tuple(cache)


class Layer(nn.Module):
    """x + attention(norm x), then x + SwiGLU(norm x): down(silu(gate x) ∘ up x)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        hidden = -(-8 * width // 3 // 8) * 8  # 8/3 D, as wide as two matrices of 4 D (Shazeer 2020), in eights
        self.attention_norm, self.dense_norm = (nn.RMSNorm(width, eps=EPSILON) for _ in range(2))
        self.qkv, self.merge = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.gate_up, self.down = nn.Linear(width, 2 * hidden, bias=False), nn.Linear(hidden, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, T, D) -> (B, T, D), and this layer's keys and values (B, h, P + T, d)."""
        B, T, D = x.shape
        q, k, v = self.qkv(self.attention_norm(x)).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        q, k = rotated(q, turn), rotated(k, turn)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.dropout(self.merge(mixed.transpose(1, 2).reshape(B, T, D)))
        gate, up = self.gate_up(self.dense_norm(x)).chunk(2, -1)
        return x + self.dropout(self.down(F.silu(gate) * up)), (k, v)


def rotation(position: Tensor, d: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine (B, 1, T, d/2) of position · BASE^(-2i/d), by which pairs of values are turned."""
    frequency = BASE ** (-torch.arange(0, d, 2, device=position.device, dtype=torch.float32) / d)
    angle = position[:, None, :, None].float() * frequency
    return angle.cos().to(dtype), angle.sin().to(dtype)


def rotated(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """(B, h, T, d) with the pair (i, i + d/2) turned by its angle."""
    a, b = x.chunk(2, -1)
    cos, sin = turn
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def _same(asks: Tensor, document: Tensor, *, own: bool = True) -> Tensor:
    """(B, N, P) whether an element that asks sees another: both of one document, neither padding.

    `own`: padding sees itself, so that no row of the softmax is empty.
    """
    seen = (asks[:, :, None] == document[:, None, :]) & (document[:, None, :] >= 0)
    if own:
        seen = seen | torch.eye(document.shape[1], dtype=torch.bool, device=document.device)
    return seen
