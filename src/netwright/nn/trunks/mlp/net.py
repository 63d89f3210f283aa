"""The multi-layer perceptron, alone or as an ensemble in one. See `settings.py` for the papers.

B rows, K members, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.fusion import largest
from netwright.nn.trunks.mlp.settings import Settings

SIZES, FILTERS = (2, 3), 64  # neighbours that a filter of a text's tokens sees, and filters of each size
LEFT_OUT = 0.2  # of a text's tokens while training
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "leaky_relu": nn.LeakyReLU,
}  # fmt: skip


class Net(Trunk):
    """Dense layers over the stems' vectors joined end to end."""

    def __init__(self, settings: Settings, inputs: Sequence[Shape], outputs: int) -> None:
        super().__init__()
        s = settings
        assert s.width is not None and s.depth is not None and s.members is not None
        assert s.dropout is not None and s.activation is not None
        self.texts = nn.ModuleList(Pooled(shape.width) for shape in inputs if shape.layout == "sequence")
        inputs = [
            Shape("vector", 2 * (shape.width + FILTERS * len(SIZES))) if shape.layout == "sequence" else shape
            for shape in inputs
        ]
        width = inside = sum(shape.width for shape in inputs)
        self.members = s.members
        layers: list[nn.Module] = []
        for index in range(s.depth):
            layers.append(
                Shared(width, s.width, s.members, first=index == 0) if s.members else nn.Linear(width, s.width)
            )
            layers += [ACTIVATIONS[s.activation](), nn.Dropout(s.dropout)]
            width = s.width
        self.layers, self.skip = nn.Sequential(*layers), bool(s.skip)
        self.out = Shape("vector", width + (inside if self.skip else 0), members=s.members)
        self.looks: Tensor | None
        self.register_buffer("looks", _views(inputs, s.members), persistent=False)

    def read(self, signals: Sequence[Signal]) -> Memory:
        texts = iter(self.texts)
        parts = [next(texts)(signal) if signal.layout == "sequence" else signal.values for signal in signals]
        x = torch.cat(parts, 1)  # (B, D)
        if self.members:
            x = x[:, None].expand(-1, self.members, -1)  # (B, K, D)
            x = x if self.looks is None else x * self.looks
        hidden = self.layers(x)
        return Memory(Signal(torch.cat([hidden, x], -1) if self.skip else hidden, "vector"))


def _views(inputs: Sequence[Shape], members: int) -> Tensor | None:
    """(K, D) ones where a member looks: of inputs with several views at one, in turns; None where there are none."""
    if not members or not any(shape.views for shape in inputs):
        return None
    parts = []
    for shape in inputs:
        part, at = torch.ones(members, shape.width), 0
        for number, width in enumerate(shape.views):
            part[:, at : at + width] = (torch.arange(members) % len(shape.views) == number).float()[:, None]
            at += width
        parts.append(part)
    return torch.cat(parts, 1)


class Shared(nn.Module):
    """A dense layer shared by K members: y_k = s_k ∘ ((r_k ∘ x_k) W) + b_k (BatchEnsemble).

    Only the first layer's r starts at random (signs), so that members see different inputs; all other scales start at
    one (TabM, section 3.3).
    """

    def __init__(self, inputs: int, outputs: int, members: int, *, first: bool) -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        scale = torch.randint(0, 2, (members, inputs)) * 2.0 - 1 if first else torch.ones(members, inputs)
        self.before = nn.Parameter(scale)
        self.after = nn.Parameter(torch.ones(members, outputs))
        self.bias = nn.Parameter(torch.empty(members, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, inputs) -> (B, K, outputs)."""
        return nn.functional.linear(x * self.before, self.weight) * self.after + self.bias


class Pooled(nn.Module):
    """Of a text's token vectors, and of filters over 2 and 3 neighbours, the mean and the largest of each value.

    A filter is relu(Σ_j x[t + j] W_j + b); the products of all places and filters are one. While training a share of the tokens
    is left out, so that no single one decides. B rows, T tokens, D width, F filters.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, FILTERS * sum(SIZES), bias=False)
        self.bias = nn.Parameter(torch.zeros(len(SIZES), FILTERS))
        self.left = nn.Dropout(LEFT_OUT)

    def forward(self, signal: Signal) -> Tensor:
        """(B, T, D) -> (B, 2 D + 2 F · sizes)."""
        kept = self.left(torch.ones_like(signal.values[..., 0])) > 0
        document = signal.documents().masked_fill(~kept, -1)
        x = signal.values * (document >= 0)[..., None]
        parts, found = list(self.map(x).split(FILTERS, -1)), [x]
        for number, size in enumerate(SIZES):
            y = parts.pop(0)
            for step in range(1, size):  # a window that begins on a token may end behind the text
                y = y + F.pad(parts.pop(0), (0, 0, 0, step))[:, step:]
            found.append(F.relu(y + self.bias[number]))
        whole = Signal(torch.cat(found, -1), "sequence", document=document)
        return torch.cat([whole.pooled(), largest(whole)], 1)
