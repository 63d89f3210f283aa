"""The one helper of the parity tests: two ways to compute the same thing agree, forward and gradient, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from netwright.nn.shapes import Shape
from netwright.nn.signal import Signal
from netwright.nn.trunks.layers.net import Step, stack
from netwright.nn.trunks.layers.settings import Settings

SIZES = {"vector": (5,), "sequence": (7, 4), "grid": (3, 9, 8), "volume": (2, 5, 7, 6)}
SHAPES = {
    "vector": Shape("vector", 5),
    "sequence": Shape("sequence", 4),
    "grid": Shape("grid", 3, size=(9, 8)),
    "volume": Shape("volume", 2, size=(5, 7, 6)),
}


def agree(
    ours: Callable[[Tensor], Tensor],
    theirs: Callable[[Tensor], Tensor],
    x: Tensor,
    weights: Iterable[Tensor] = (),
    *,
    atol: float = 1e-10,
    rtol: float = 1e-7,
) -> Tensor:
    """Assert that both give the same for x, and the same gradient for x and for the weights; return what they give.

    Both are to use the very same weight tensors.
    """
    wanted = [x.detach().clone().requires_grad_(), *weights]
    found, expected = ours(wanted[0]), theirs(wanted[0])
    torch.testing.assert_close(found, expected, atol=atol, rtol=rtol)
    direction = torch.randn_like(expected)
    for mine, reference in zip(
        *(torch.autograd.grad((y * direction).sum(), wanted) for y in (found, expected)), strict=True
    ):
        torch.testing.assert_close(mine, reference, atol=atol, rtol=rtol)
    return found


def step(entry: Any, shape: Shape) -> Step:
    """One layer of the `layers` family, as a recipe names it, in float64 and with random weights, biases included."""
    layer = stack(Settings.model_validate({"layers": [entry]}).layers, shape, "model.layers")[0][0]
    for weight in layer.double().parameters():
        nn.init.normal_(weight, std=0.5)
    assert isinstance(layer, Step)
    return layer


def check(
    entry: Any,
    layout: str,
    theirs: Callable[[Tensor, Step], Tensor],
    *,
    document: Tensor | None = None,
    atol: float = 1e-10,
) -> None:
    """Assert that a layer agrees with a reference, a function of the input and of the layer whose weights it is to use.

    The shape that comes out is the one that the layer declared.
    """
    layer = step(entry, SHAPES[layout])
    x = torch.randn(3, *SIZES[layout], dtype=torch.float64)

    def ours(values: Tensor) -> Tensor:
        signal = layer(Signal(values, layout, document=document))  # type: ignore[arg-type]
        axis = 1 if signal.layout in ("grid", "volume") else -1
        assert (signal.layout, signal.values.shape[axis]) == (layer.out.layout, layer.out.width)
        assert not layer.out.size or tuple(signal.values.shape[2:]) == layer.out.size
        return signal.values

    agree(ours, lambda values: theirs(values, layer), x, list(layer.parameters()), atol=atol)


def with_weights(reference: nn.Module, weights: dict[str, Tensor]) -> Callable[..., Any]:
    """A reference module as a function that uses these weights in place of its own."""
    return lambda *inputs, **named: torch.func.functional_call(reference, weights, inputs, named)


LENGTHS = (7, 4, 1)  # of three rows padded to 7 elements


def padding() -> Tensor:
    """(3, 7) documents of rows of unlike length: 0, and -1 behind each row's end."""
    return torch.where(torch.arange(7) < torch.tensor(LENGTHS)[:, None], 0, -1)
