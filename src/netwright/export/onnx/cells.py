"""Recurrent cells as ONNX has them. torch's exporter would fix the number of elements that it was shown.

The weights are put in ONNX's order of gates beforehand. B rows, T elements, D width, H units, G gates.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from netwright.nn.trunks.cells import Cells

GATES = {
    "lstm": (0, 3, 1, 2),
    "gru": (1, 0, 2),
    "rnn": (0,),
}  # ONNX's order in torch's: i, o, f, c of i, f, g, o; z, r, h of r, z, n


@torch.library.custom_op("netwright::cells", mutates_args=())
def cells(x: Tensor, inside: Tensor, own: Tensor, bias: Tensor, cell: str) -> Tensor:
    """(B, T, D) -> (B, T, H): a name in a graph, which nothing runs but the other engine."""
    raise NotImplementedError("a name in a graph")


@cells.register_fake
def _(x: Tensor, inside: Tensor, own: Tensor, bias: Tensor, cell: str) -> Tensor:
    return x.new_empty(x.shape[0], x.shape[1], own.shape[2])


class Way(nn.Module):
    """One recurrent layer, called as torch's own."""

    def __init__(self, cell: str, of: nn.RNNBase) -> None:
        super().__init__()
        self.cell = cell

        def ordered(weight: Any) -> Tensor:
            parts = weight.detach().chunk(len(GATES[cell]))
            return torch.cat([parts[place] for place in GATES[cell]])

        self.register_buffer("inside", ordered(of.weight_ih_l0)[None])  # (1, G·H, D)
        self.register_buffer("own", ordered(of.weight_hh_l0)[None])  # (1, G·H, H)
        self.register_buffer("bias", torch.cat([ordered(of.bias_ih_l0), ordered(of.bias_hh_l0)])[None])  # (1, 2·G·H)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (cells(x, self.inside, self.own, self.bias, self.cell),)


def exportable(network: nn.Module) -> None:
    """Put ONNX's cells in the place of torch's."""
    for module in network.modules():
        if isinstance(module, Cells):
            names = {nn.LSTM: "lstm", nn.GRU: "gru", nn.RNN: "rnn"}
            module.ways = nn.ModuleList(Way(names[type(way)], way) for way in module.ways)  # type: ignore[index, arg-type]


def translated(x: Any, inside: Any, own: Any, bias: Any, cell: str) -> Any:
    """The operation in ONNX."""
    import onnxscript

    op: Any = onnxscript.opset18

    hidden = int(own.shape[2])
    ordered = op.Transpose(x, perm=[1, 0, 2])
    if cell == "lstm":
        states, _, _ = op.LSTM(ordered, inside, own, bias, hidden_size=hidden)
    elif cell == "gru":
        states, _ = op.GRU(ordered, inside, own, bias, hidden_size=hidden, linear_before_reset=1)
    else:
        states, _ = op.RNN(ordered, inside, own, bias, hidden_size=hidden)
    return op.Transpose(op.Squeeze(states, [1]), perm=[1, 0, 2])  # (T, 1, B, H) -> (B, T, H)
