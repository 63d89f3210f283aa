"""Recurrent cells over rows of unlike length, one or two ways. B rows, T elements, D width, H units.

- RNN (Elman 1990): h' = tanh(x W + h U + b)
- LSTM (Hochreiter & Schmidhuber 1997; Gers et al. 2000): i, f, o = σ(x W + h U + b), g = tanh(...), c' = f c + i g,
  h' = o tanh(c')
- GRU (Cho et al. 2014): r, z = σ(...), n = tanh(x W + r (h U + b)), h' = (1 - z) n + z h
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Cells(nn.Module):
    """One recurrent layer, or two of which the second reads each row backwards from its own last element.

    Backwards is a gather by each row's length, never a packed sequence, so that it can be exported.
    """

    def __init__(self, name: str, inputs: int, units: int, *, both_ways: bool) -> None:
        super().__init__()
        ways = 2 if both_ways else 1
        self.ways = nn.ModuleList(CELLS[name](inputs, units, batch_first=True) for _ in range(ways))
        self.width = units * ways
        for way in self.ways:
            for key, weight in way.named_parameters():
                if key.startswith("weight_hh"):  # each gate's square orthogonal, as Keras does
                    for gate in weight.chunk(weight.shape[0] // units):
                        nn.init.orthogonal_(gate)
                elif key.startswith("weight"):
                    for gate in weight.chunk(weight.shape[0] // units):
                        nn.init.xavier_uniform_(gate)
                else:
                    nn.init.zeros_(weight)
            if name == "lstm":  # remember by default (Jozefowicz, Zaremba & Sutskever 2015)
                nn.init.ones_(way.bias_ih_l0[units : 2 * units])  # type: ignore[index]

    def forward(self, x: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) and each row's length (B,) -> all states (B, T, ways·H), and the last ones (B, ways·H)."""
        B, T, _ = x.shape
        rows, ends = torch.arange(B, device=x.device), length - 1
        states = [self.ways[0](x)[0]]
        last = [states[0][rows, ends]]
        if len(self.ways) == 2:
            place = torch.arange(T, device=x.device).expand(B, T)
            back = torch.where(place < length[:, None], length[:, None] - 1 - place, place)[..., None]  # (B, T, 1)
            turned = self.ways[1](x.gather(1, back.expand_as(x)))[0]
            last.append(turned[rows, ends])
            states.append(turned.gather(1, back.expand_as(turned)))
        return (torch.cat(states, 2), torch.cat(last, 1)) if len(states) == 2 else (states[0], last[0])
