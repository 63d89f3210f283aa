"""Maps whose gradients are written out equal torch's, forward and backward."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from netwright.nn.trunks.transformer import one
from netwright.nn.trunks.transformer.fused import Norm, RMSNorm, Turned
from netwright.nn.trunks.transformer.net import Layer, frequencies, rotation
from netwright.nn.trunks.transformer.settings import Settings


def test_their_gradients_are_those_of_differences() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, dtype=torch.double, requires_grad=True)
    w = torch.randn(8, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: Norm.apply(x, w, 1e-6), (x, w))
    turn = rotation(torch.arange(3)[None], frequencies(8, 10_000.0), torch.double)
    q = torch.randn(2, 2, 3, 8, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda q: Turned.apply(q, *turn), (q,))


def test_the_norm_equals_torchs_while_training_and_after() -> None:
    torch.manual_seed(0)
    ours = RMSNorm(16, 1e-6)
    ours.weight.data.normal_()
    here, other = (
        torch.randn(4, 5, 16, generator=torch.Generator().manual_seed(1), requires_grad=True) for _ in range(2)
    )
    mine, theirs = ours(here), F.rms_norm(other, (16,), ours.weight.detach(), 1e-6)
    torch.testing.assert_close(mine, theirs)
    mine.square().sum().backward()
    theirs.square().sum().backward()
    torch.testing.assert_close(here.grad, other.grad)
    with torch.no_grad():
        torch.testing.assert_close(ours(here), theirs)


def test_turning_keeps_lengths_and_tells_distances_alone() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def turned(x: torch.Tensor, place: int) -> torch.Tensor:
        return Turned.apply(x, *rotation(torch.tensor([[place]]), frequencies(8, 10_000.0), torch.float32))  # type: ignore[return-value]

    torch.testing.assert_close(turned(q, 9).norm(), q.norm())
    near, far = ((turned(q, a) * turned(k, b)).sum() for a, b in ((3, 5), (103, 105)))
    torch.testing.assert_close(near, far, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("normed", [False, True])
def test_one_element_after_its_past_is_what_the_layer_gives(normed: bool, crossed: bool) -> None:
    """Shared heads of keys, rows of unlike length, biases: the short way of writing and the layer's own."""
    torch.manual_seed(0)
    layer = Layer(Settings(width=24, heads=6, key_heads=2, depth=1, biased=True, normed=normed), crossed=crossed)
    for norm in (part for part in layer.modules() if isinstance(part, RMSNorm)):
        norm.weight.data.normal_()
    turn = rotation(torch.tensor([[7], [4]]), frequencies(4, 10_000.0), torch.float32)
    past = torch.randn(2, 2, 7, 4), torch.randn(2, 2, 7, 4)
    mask = torch.ones(2, 1, 1, 8, dtype=torch.bool)
    mask[1, ..., :3] = False
    seen = (torch.randn(2, 2, 5, 4), torch.randn(2, 2, 5, 4)) if crossed else None
    where = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])[:, None, None]
    x = torch.randn(2, 1, 24)
    wanted, kept = layer(x, turn, mask, past, seen=seen, where=where)
    with torch.no_grad():
        found, own = one.after(layer, x[:, 0], one.angles(turn), mask, past, seen, where)
    torch.testing.assert_close(found[:, None], wanted)
    torch.testing.assert_close(own, kept)
