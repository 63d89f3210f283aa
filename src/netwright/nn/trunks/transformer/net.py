"""The Transformer trunk: inputs that see themselves whole, and a stimulus that sees them and its own past.

B rows, T elements, D width, h heads, k heads of keys, d = D / h, P remembered elements, N elements of the stimulus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.transformer.decoder import Cache, decoder
from netwright.nn.trunks.transformer.layer import Layer, Pair, RMSNorm, frequencies, rotation
from netwright.nn.trunks.transformer.settings import Settings


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
        x, turn = self.dropout(stimulus.values), self._turn(stimulus)
        if self.encoder is None:
            x, cache, room = decoder(self.layers, self.norm, x, turn, mask, past, memory.room, causal=causal)  # type: ignore[arg-type]
            return replace(stimulus, values=x), Memory(memory.inputs, cache, document, room)
        own = []
        for index, layer in enumerate(self.layers):
            x, kept = layer(x, turn, mask, past[index] if past else None, causal=causal, seen=seen[index], where=where)
            own.append(kept)
        return replace(stimulus, values=self.norm(x)), Memory(memory.inputs, (*seen, *own), document)

    @property
    def seen(self) -> int:
        return self.depth if self.encoder is not None else 0

    def _turn(self, stimulus: Signal) -> Pair:
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


def _same(asks: Tensor, document: Tensor, *, own: bool = True) -> Tensor:
    """(B, N, P) whether an element that asks sees another: both of one document, neither padding.

    `own`: padding sees itself, so that no row of the softmax is empty.
    """
    seen = (asks[:, :, None] == document[:, None, :]) & (document[:, None, :] >= 0)
    if own:
        seen = seen | torch.eye(document.shape[1], dtype=torch.bool, device=document.device)
    return seen
