"""The Transformer trunk: inputs that see themselves whole, and a stimulus that sees them and its own past.

B rows, T elements, D width, h heads, k heads of keys, d = D / h, P remembered elements, N elements of the stimulus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.transformer import in_c, one
from netwright.nn.trunks.transformer.fused import RMSNorm, added, parted, rotated, swiglu
from netwright.nn.trunks.transformer.settings import Settings
from netwright.runtime import kernels
from netwright.runtime.kernels import attention

Cache = tuple[tuple[Tensor, Tensor], ...]
Turn = tuple[Tensor, Tensor]


class Net(Trunk):
    """Layers of self-attention over the elements of all blocks.

    `causal`: whether elements of a stimulus see only those before them (text) or all of it (image generation). In the
    form `encoder_decoder` the inputs go through layers of their own, and the writer's layers also attend to them.
    """

    frequency: Tensor

    def __init__(self, settings: Settings, inputs: Sequence[Shape], outputs: int, *, causal: bool = True) -> None:
        super().__init__()
        s = settings
        assert s.width is not None and s.depth is not None and s.heads is not None and s.dropout is not None
        self.causal, self.depth = causal, s.depth
        rate = frequencies(s.head_size or s.width // s.heads, s.rotary_base, s.rotary_scaling)
        self.register_buffer("frequency", rate, persistent=False)
        two = s.form == "encoder_decoder" and bool(inputs)
        self.layers = nn.ModuleList(Layer(s, crossed=two) for _ in range(s.depth))
        self.norm = RMSNorm(s.width, s.epsilon)
        self.encoder = nn.ModuleList(Layer(s) for _ in range(s.depth)) if two else None
        self.encoder_norm = RMSNorm(s.width, s.epsilon) if two else None
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
        padded = any(signal.document is not None for signal in signals)
        document = joined.documents()
        mask = _same(document, document)[:, None] if padded else None  # (B, 1, T, T)
        x, turn = self.dropout(joined.values), rotation(joined.positions(), self.frequency, joined.values.dtype)
        layers, norm = (self.layers, self.norm) if self.encoder is None else (self.encoder, self.encoder_norm)
        cache = []
        for layer in layers:
            x, kept = layer(x, turn, mask)
            cache.append(kept)
        assert norm is not None
        inputs = replace(joined, values=norm(x), document=document if padded else None)
        if self.encoder is None:
            return Memory(inputs, tuple(cache), document)
        return Memory(inputs, tuple(layer.seen(inputs.values) for layer in self.layers))  # type: ignore[operator]

    def step(self, memory: Memory, stimulus: Signal | None = None) -> tuple[Signal, Memory]:
        if stimulus is None:
            return super().step(memory)
        seen: Cache = ()
        past, before = memory.cache, memory.document
        if self.encoder is not None:  # the first half of the cache is the inputs', the second the writer's own
            seen, past = past[: self.depth], past[self.depth :]
        mask, document = self._mask(before, stimulus, past[0][0].shape[2] if past else 0)
        causal = mask is None and self.causal and not past
        where = None
        if seen and memory.inputs is not None and memory.inputs.document is not None:
            where = (memory.inputs.document >= 0)[:, None, None, :]  # (B, 1, 1, P)
        turn, cache = self._turn(stimulus), []
        if one.alone(stimulus, past):
            x = stimulus.values[:, 0]
            found = in_c.step(self, x, turn, mask, past, memory.room)
            if found is not None:
                x, room = found
                return replace(stimulus, values=x[:, None]), Memory(memory.inputs, room.cache(), document, room)
            turn = one.angles(turn)
            for index, layer in enumerate(self.layers):
                x, kept = one.after(layer, x, turn, mask, past[index], seen[index] if seen else None, where)  # type: ignore[arg-type]
                cache.append(kept)
            return replace(stimulus, values=self.norm(x)[:, None]), Memory(memory.inputs, (*seen, *cache), document)
        x = self.dropout(stimulus.values)
        for index, layer in enumerate(self.layers):
            x, kept = layer(x, turn, mask, past[index] if past else None, causal=causal, seen=seen[index] if seen else None, where=where)  # fmt: skip
            cache.append(kept)
        return replace(stimulus, values=self.norm(x)), Memory(memory.inputs, (*seen, *cache), document)

    @property
    def goes_in_c(self) -> bool:
        return self.encoder is None and kernels.library() is not None

    @property
    def seen(self) -> int:
        return self.depth if self.encoder is not None else 0

    def _turn(self, stimulus: Signal) -> Turn:
        """Rotary angles: of places that are the same in each row, computed once."""
        if stimulus.position is not None:
            return rotation(stimulus.position, self.frequency, stimulus.values.dtype)
        places = torch.arange(stimulus.values.shape[1], device=stimulus.values.device)[None]
        return rotation(places, self.frequency, stimulus.values.dtype)

    def _mask(self, before: Tensor | None, stimulus: Signal, past: int) -> tuple[Tensor | None, Tensor | None]:
        """Which elements see which, (B, 1, N, P + N), None where nothing but the past is to be told apart; documents."""
        if stimulus.document is None and before is None and (not past or stimulus.values.shape[1] == 1):
            return None, None
        document = stimulus.documents()
        if before is None and past:
            before = document.new_zeros(len(document), past)
        N = document.shape[1]
        mask = _same(document, document, own=False)
        if self.causal:
            mask = mask & torch.ones(N, N, dtype=torch.bool, device=mask.device).tril()
        mask = mask | torch.eye(N, dtype=torch.bool, device=mask.device)
        if before is not None:
            mask = torch.cat([_same(document, before, own=False), mask], 2)  # (B, N, P + N)
            document = torch.cat([before, document], 1)
        return mask[:, None], document

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
        self.qkv = nn.Linear(D, (h + 2 * self.key_heads) * self.d, bias=settings.biased)
        self.merge = nn.Linear(h * self.d, D, bias=False)
        self.query_norm, self.key_norm = (
            RMSNorm(self.d, settings.epsilon) if settings.normed else None for _ in range(2)
        )
        self.gate_up, self.down = nn.Linear(D, 2 * self.hidden, bias=False), nn.Linear(self.hidden, D, bias=False)
        self.crossed_norm = RMSNorm(D, settings.epsilon) if crossed else None
        if crossed:
            self.asks, self.sees = (nn.Linear(D, size * self.d, bias=False) for size in (h, 2 * self.key_heads))
            self.joins = nn.Linear(h * self.d, D, bias=False)
        self.dropout = nn.Dropout(settings.dropout or 0.0)

    def forward(
        self, x: Tensor, turn: Turn, mask: Tensor | None, past: tuple[Tensor, Tensor] | None = None, *,
        causal: bool = False, seen: tuple[Tensor, Tensor] | None = None, where: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:  # fmt: skip
        """(B, T, D) -> (B, T, D), and this layer's keys and values (B, k, P + T, d)."""
        h, k = self.heads, self.key_heads
        mixed = self.qkv(self.attention_norm(x)).unflatten(-1, (h + 2 * k, self.d))  # (B, T, h + 2k, d)
        if self.query_norm is None or self.key_norm is None:
            queries, keys, values = parted(mixed, turn, h, k)
        else:
            queries, keys, values = mixed.transpose(1, 2).split([h, k, k], 1)
            queries, keys = rotated(torch.cat([self.query_norm(queries), self.key_norm(keys)], 1), turn).split(
                [h, k], 1
            )
        if past is not None:
            keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
        more = self.dropout(self.merge(attended(queries, keys, values, mask, causal=causal)))
        if seen is not None and self.crossed_norm is not None:
            x, y = added(x, more, self.crossed_norm)
            asked = self.asks(y).unflatten(-1, (h, self.d)).transpose(1, 2)
            more = self.dropout(self.joins(attended(asked, *seen, where, causal=False)))
        x, y = added(x, more, self.dense_norm)
        return x + self.dropout(self.down(swiglu(self.gate_up(y)))), (keys, values)

    def seen(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(B, P, D) -> the inputs' keys and values (B, k, P, d) for this layer's writer."""
        both = self.sees(inputs).unflatten(-1, (2 * self.key_heads, self.d)).transpose(1, 2)
        return both[:, : self.key_heads], both[:, self.key_heads :]


def attended(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, *, causal: bool) -> Tensor:
    """Attention: queries (B, h, N, d), keys and values (B, k, P, d) -> (B, N, h · d); h / k heads share a head of keys."""
    B, h, N, d = queries.shape
    k = keys.shape[1]
    if h != k and N == 1:  # the heads that share keys are rows of one product
        out = F.scaled_dot_product_attention(queries.reshape(B, k, h // k, d), keys, values, attn_mask=mask)
        return out.reshape(B, 1, h * d)
    if attention.takes(queries, keys, values, mask, causal=causal):
        return attention.attended(queries, keys, values, mask, causal=causal).transpose(1, 2).reshape(B, N, h * d)
    here = queries.device.type == "cpu" and not torch.compiler.is_compiling() and not torch.compiler.is_exporting()
    shared = h != k and here  # keys and values are read where they stand
    if h != k and not shared:
        keys, values = keys.repeat_interleave(h // k, 1), values.repeat_interleave(h // k, 1)
    out = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=causal, enable_gqa=shared)
    return out.transpose(1, 2).reshape(B, N, h * d)


def frequencies(d: int, base: float, scaling: dict[str, Any] | None = None) -> Tensor:
    """(d/2,) angles a place, base^(-2i/d), stretched for longer texts where `scaling` says so.

    `linear` divides all by a factor, `factors` each by its own. `llama3` divides those whose wave is longer than the length that was trained on, over
    `low_freq_factor`; leaves those shorter than that length over `high_freq_factor`; and goes from one to the other between.
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


def rotation(position: Tensor, frequency: Tensor, dtype: torch.dtype) -> Turn:
    """Cosine and sine (B, 1, T, d/2) of position · frequency, by which pairs of values are turned."""
    angle = position[:, None, :, None].float() * frequency
    return angle.cos().to(dtype), angle.sin().to(dtype)


def _same(asks: Tensor, document: Tensor, *, own: bool = True) -> Tensor:
    """(B, N, P) whether an element that asks sees another: both of one document, neither padding.

    `own`: padding sees itself, so that no row of the softmax is empty.
    """
    seen = (asks[:, :, None] == document[:, None, :]) & (document[:, None, :] >= 0)
    if own:
        seen = seen | torch.eye(document.shape[1], dtype=torch.bool, device=document.device)
    return seen
