"""The trunk of a pretrained network. See `settings.py`. B rows, T tokens, D width."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.fusion import Fusion
from netwright.nn.trunks.pretrained.inner import Encoder, Eye, built, silenced
from netwright.nn.trunks.pretrained.settings import Settings, told_marks
from netwright.pretrained import Marks


class Net(Trunk):
    """The checkpoint's network over its own columns, pooled; other columns joined with that vector and fused.

    `inner` is the part that the checkpoint fills; its blocks are `blocks`, first to last. A network that stays as it is
    gives a row the same vector each time: `known` computes it, and `fused` goes on from there.
    """

    def __init__(self, settings: Settings, inputs: Sequence[Shape], outputs: int) -> None:
        super().__init__()
        s = settings
        assert s.config is not None and s.role and s.layout and s.width and s.dropout is not None
        self.vision, self.pooling, self.most = s.role == "vision", s.pooling or "mean", s.length or 512
        self.marks = told_marks(s.marks)
        self.inner: Encoder | Eye = built(
            s.layout, s.role, s.config if s.inner_dropout is None else silenced(s.config, s.inner_dropout)
        )
        layout = "grid" if self.vision else "sequence"
        self.own = [number for number, shape in enumerate(inputs) if shape.layout == layout]
        self.others = [number for number in range(len(inputs)) if number not in self.own]
        self.dropout = nn.Dropout(s.dropout)
        D = self.inner.width * (len(self.own) if self.vision else 1)
        widths = [D, *(inputs[number].width for number in self.others)]
        self.fusion = Fusion(widths, s.width, s.dropout)
        self.out = Shape("vector", self.fusion.width, elements=0 if self.vision else self.inner.width)

    @property
    def body(self) -> nn.Module:
        """The part that the checkpoint fills."""
        return self.inner

    @property
    def blocks(self) -> list[nn.Module]:
        """The inner network's blocks, first to last: embeddings before them are none."""
        return self.inner.blocks

    def take(self, state: dict[str, Tensor]) -> None:
        """Give the inner network a checkpoint's weights."""
        self.inner.take(state)

    def read(self, signals: Sequence[Signal]) -> Memory:
        own = [signals[number] for number in self.own]
        if not self.keeps_elements:
            return self.fused(self._pooled(own), signals)
        states, real, where = self._states(own)
        return self.fused(pooled(states, real, self.pooling), signals, self._elements(states, own, where))

    def known(self, signals: Sequence[Signal]) -> Tensor:
        """(B, D) what the inner network makes of a batch's own columns."""
        return self._pooled([signals[number] for number in self.own])

    def _pooled(self, own: Sequence[Signal]) -> Tensor:
        if isinstance(self.inner, Eye):
            return torch.cat([self.inner(signal.values) for signal in own], 1)
        states, real, _ = self._states(own)
        return pooled(states, real, self.pooling)

    def fused(self, vector: Tensor, signals: Sequence[Signal], elements: Signal | None = None) -> Memory:
        """The vector with the other columns. `signals`: all of them, or the others alone."""
        others = signals if len(signals) == len(self.others) else [signals[number] for number in self.others]
        fused = self.fusion([vector, *(signal.pooled() for signal in others)])
        return Memory(Signal(fused, "vector", elements=elements))

    def _states(self, own: Sequence[Signal]) -> tuple[Tensor, Tensor, list[Tensor]]:
        """States (B, T, D) of the joined texts, which are real (B, T), and each text's places in them (B, Tₖ)."""
        tokens, real, second, where = joined(own, self.marks, self.most)
        assert isinstance(self.inner, Encoder)
        return self.inner(tokens, real, second if self.marks is not None and self.marks.typed else None), real, where

    def _elements(self, states: Tensor, own: Sequence[Signal], where: list[Tensor]) -> Signal:
        """The states of each text's own tokens, the texts behind one another as they came."""
        parts = [states.gather(1, place[..., None].expand(-1, -1, states.shape[2])) for place in where]
        columns = [torch.full_like(signal.columns(), number) for number, signal in zip(self.own, own, strict=True)]
        return Signal(
            self.dropout(torch.cat(parts, 1)), "sequence", torch.cat(columns),
            torch.cat([signal.positions() for signal in own], 1), torch.cat([signal.documents() for signal in own], 1),
        )  # fmt: skip


def joined(texts: Sequence[Signal], marks: Marks | None, most: int) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Return tokens (B, T) of all texts with their marks, which are real, which are of a later text, and places.

    Together they have at most `most` tokens: the longest loses its end first. `places[k]` (B, Tₖ) is where text k's tokens
    stand in the joined ones; of tokens that were cut it is the last one's.
    """
    marks = marks or Marks((), (), ())
    lengths = torch.stack([(text.documents() >= 0).sum(1) for text in texts], 1)  # (B, K)
    room = most - len(marks.before) - len(marks.behind) - len(marks.between) * (len(texts) - 1)
    kept = shortened(lengths, max(room, 1))
    total = kept.sum(1) + most - room
    if torch.compiler.is_exporting():  # a graph's sizes follow from its inputs' sizes alone
        T = sum(text.values.shape[1] for text in texts) + most - room
    else:
        T = max(int(total.max()), 1)
    place = torch.arange(T, device=lengths.device)
    tokens = torch.zeros(lengths.shape[0], T, dtype=torch.long, device=lengths.device)
    second, at, places = torch.zeros_like(tokens), torch.zeros_like(total), []

    def put(values: Tensor, size: Tensor, later: int) -> None:
        nonlocal tokens, second, at
        order = place - at[:, None]  # (B, T)
        inside = (order >= 0) & (order < size[:, None])
        tokens = torch.where(inside, values.gather(1, order.clamp(0, values.shape[1] - 1)), tokens)
        second = torch.where(inside, later, second)
        at = at + size

    def mark(values: tuple[int, ...], later: int) -> None:
        if values:
            every = torch.tensor(values, device=lengths.device).expand(lengths.shape[0], -1)
            put(every, torch.full_like(total, len(values)), later)

    mark(marks.before, 0)
    for number, text in enumerate(texts):
        if number:
            mark(marks.between, int(number > 1))
        size = kept[:, number]
        order = torch.arange(text.values.shape[1], device=lengths.device)
        places.append((at[:, None] + torch.minimum(order, (size - 1).clamp(min=0)[:, None])).clamp(max=T - 1))
        put(text.values.long(), size, int(number > 0))
    mark(marks.behind, int(len(texts) > 1))
    return tokens, place < total[:, None], second, places


def shortened(lengths: Tensor, room: int) -> Tensor:
    """(B, K) lengths that together fit: each is cut to the same bound, the largest that does.

    >>> shortened(torch.tensor([[3, 9], [2, 2]]), 8).tolist()
    [[3, 5], [2, 2]]
    """
    if not torch.compiler.is_exporting() and int(lengths.sum(1).max()) <= room:
        return lengths
    ordered = lengths.sort(1).values
    K = lengths.shape[1]
    before = torch.cat([ordered.new_zeros(ordered.shape[0], 1), ordered.cumsum(1)[:, :-1]], 1)
    rest = K - torch.arange(K, device=lengths.device)
    bound = ((room - before) // rest).amax(1, keepdim=True).clamp(min=1)  # the largest bound that any division gives
    return torch.where(lengths.sum(1, keepdim=True) > room, torch.minimum(lengths, bound), lengths)


def pooled(states: Tensor, real: Tensor, how: str) -> Tensor:
    """(B, D): the first token's state, the last's, or the mean of all real ones."""
    if how == "cls":
        return states[:, 0]
    if how == "last":
        return states[torch.arange(states.shape[0], device=states.device), (real.sum(1) - 1).clamp(min=0)]
    return Signal(states, "sequence", document=torch.where(real, 0, -1)).pooled()
