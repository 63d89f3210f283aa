"""Several inputs in one vector: what was read of each is joined, and fused by two dense layers. B rows, D width."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from netwright.nn.signal import Signal


class Fusion(nn.Module):
    """relu(relu([a, b, ...] W₁ + b₁) W₂ + b₂) of all parts joined; a lone part stays as it is."""

    def __init__(self, widths: Sequence[int], width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.layers = None
        self.width = sum(widths)
        if len(widths) > 1:
            self.layers = nn.Sequential(
                nn.Linear(self.width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width), nn.ReLU()
            )
            self.width = width

    def forward(self, parts: Sequence[Tensor]) -> Tensor:
        """[(B, D) ...] -> (B, width)."""
        joined = self.dropout(torch.cat(list(parts), 1) if len(parts) > 1 else parts[0])
        return joined if self.layers is None else self.layers(joined)


def largest(signal: Signal) -> Tensor:
    """(B, D): the largest of each value over a sequence's real elements; zeros where there are none."""
    if signal.document is None:
        return signal.values.amax(1)
    real = signal.document >= 0  # (B, T)
    most = signal.values.masked_fill(~real[..., None], -torch.inf).amax(1)
    return most.masked_fill(most.isinf(), 0.0)
