"""Recurrent layers that go on with a text: each reads the states of the last, one way. B rows, T elements, D width."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.cells import Cells
from netwright.nn.trunks.recurrent.settings import Settings

State = tuple[Tensor, Tensor]


class Writer(nn.Module):
    """x + cells(x), layer by layer, then layer norm. What it remembers of a row is each layer's last state."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        s = settings
        assert s.cell and s.width and s.depth and s.dropout is not None
        self.cell = s.cell
        self.layers = nn.ModuleList(Cells(s.cell, s.width, s.width, both_ways=False) for _ in range(s.depth))
        self.norm, self.dropout = nn.LayerNorm(s.width), nn.Dropout(s.dropout)

    def step(self, memory: Memory, stimulus: Signal) -> tuple[Signal, Memory]:
        """Read the next elements. Padding stands before a text (a prompt shorter than others) or after it."""
        x, kept = self.dropout(stimulus.values), []
        before = None if memory.cache or stimulus.document is None else stimulus.document < 0  # (B, T)
        for number, cells in enumerate(self.layers):
            way: nn.RNNBase = cells.ways[0]  # type: ignore[index, assignment]
            state = memory.cache[number] if memory.cache else None
            if before is not None and bool(before.any()):
                out, last = self._unlike(way, x, before)
            else:
                out, last = self._run(way, x, state)
            x = x + self.dropout(out)
            kept.append(last)
        return Signal(self.norm(x), "sequence"), Memory(memory.inputs, tuple(kept))

    def _run(self, way: nn.RNNBase, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """(B, T, D) -> all states, and the last: (h, c) of an LSTM, (h, h) of others, each (B, H)."""
        if self.cell == "lstm":
            out, (h, c) = way(x, None if state is None else (state[0][None], state[1][None]))
            return out, (h[0], c[0])
        out, h = way(x, None if state is None else state[0][None])
        return out, (h[0], h[0])

    def _unlike(self, way: nn.RNNBase, x: Tensor, before: Tensor) -> tuple[Tensor, State]:
        """The same for rows that begin with padding: only their last state is of use, and stands at the end."""
        lengths = (~before).sum(1)
        T = x.shape[1]
        place = (torch.arange(T, device=x.device) + (T - lengths)[:, None]).clamp(max=T - 1)
        moved = x.gather(1, place[..., None].expand_as(x))
        packed = pack_padded_sequence(moved, lengths.cpu(), batch_first=True, enforce_sorted=False)
        out, last = way(packed)
        h, c = last if self.cell == "lstm" else (last, last)
        padded, _ = nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=T)
        back = (torch.arange(T, device=x.device) - (T - lengths)[:, None]).clamp(min=0)
        return padded.gather(1, back[..., None].expand_as(padded)), (h[0], c[0])
