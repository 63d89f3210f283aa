"""Muon: orthogonal steps for matrices of the trunk, AdamW for all else, a state that is kept."""

from __future__ import annotations

import copy

import torch
from torch import nn

from netwright.recipe import Training
from netwright.training.muon import Muon, orthogonal
from netwright.training.optimizers import make


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.head = nn.Linear(6, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.trunk(x).tanh())


def steps(network: nn.Module, optimizer: torch.optim.Optimizer, count: int, start: int = 0) -> list[float]:
    losses = []
    for number in range(start, start + count):
        x = torch.randn(16, 6, generator=torch.Generator().manual_seed(number))
        loss = (network(x) - x[:, :2]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def test_what_is_no_matrix_of_the_trunk_takes_adamws_steps() -> None:
    settings = Training(optimizer="muon", learning_rate=0.01, weight_decay=0.1)
    ours, theirs = Small(), Small()
    steps(ours, make(ours, settings), 1)
    steps(theirs, make(theirs, settings.model_copy(update={"optimizer": "adamw"})), 1)
    for name in ("trunk.bias", "head.weight", "head.bias"):
        torch.testing.assert_close(ours.state_dict()[name], theirs.state_dict()[name])
    assert not torch.equal(ours.trunk.weight, theirs.trunk.weight)


def test_a_matrix_takes_torchs_step_within_bfloat16() -> None:
    weight = nn.Parameter(torch.randn(8, 4, generator=torch.Generator().manual_seed(1)))
    other = nn.Parameter(weight.detach().clone())
    ours = Muon([weight], [], lr=0.1, decay=0.1, betas=(0.9, 0.99), eps=1e-8)
    theirs = torch.optim.Muon([other], lr=0.1, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for number in range(3):
        gradient = torch.randn(8, 4, generator=torch.Generator().manual_seed(10 + number))
        weight.grad, other.grad = gradient.clone(), gradient.clone()
        ours.step()
        theirs.step()
    torch.testing.assert_close(weight, other, atol=0.02, rtol=0)


def test_a_kernel_takes_the_step_of_its_matrix_and_one_of_a_single_input_adamws() -> None:
    draw = torch.Generator().manual_seed(3)
    kernel = nn.Parameter(torch.randn(8, 4, 3, 3, generator=draw).contiguous(memory_format=torch.channels_last))
    matrix = nn.Parameter(kernel.detach().flatten(1).clone())
    ours, theirs = (Muon([weight], [], lr=0.1, decay=0.1, betas=(0.9, 0.99), eps=1e-8) for weight in (kernel, matrix))
    for _ in range(3):
        gradient = torch.randn(8, 4, 3, 3, generator=draw)
        kernel.grad, matrix.grad = gradient.contiguous(memory_format=torch.channels_last), gradient.flatten(1)
        ours.step()
        theirs.step()
    torch.testing.assert_close(kernel.flatten(1), matrix, atol=1e-6, rtol=1e-5)

    network = nn.Module()
    network.trunk = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 3))
    groups = make(network, Training(optimizer="muon", learning_rate=0.01)).param_groups
    (by_matrix,) = [group["params"] for group in groups if group["muon"]]
    assert [tuple(weight.shape) for weight in by_matrix] == [(8, 4, 3, 3)]


def test_long_matrices_take_their_steps_together_to_the_same_end() -> None:
    for shape in ((6, 40), (40, 6), (64, 576)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(4))
        wide = matrix.double() if shape[0] < shape[1] else matrix.double().T
        x = wide / wide.norm()
        for _ in range(5):
            x = 3.4445 * x - 4.775 * x @ x.T @ x + 2.0315 * x @ x.T @ x @ x.T @ x
        torch.testing.assert_close(orthogonal(matrix), (x if shape[0] < shape[1] else x.T).float(), atol=1e-5, rtol=0)


def test_orthogonal_of_either_shape_has_singular_values_near_one() -> None:
    for shape in ((12, 5), (5, 12), (7, 7)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(2))))
        assert float(values.min()) > 0.3 and float(values.max()) < 1.35


def test_it_learns_and_goes_on_from_its_state_to_the_bit() -> None:
    settings = Training(optimizer="muon", learning_rate=0.02)
    network = Small()
    optimizer = make(network, settings)
    first = steps(network, optimizer, 60)
    assert first[-1] < 0.5 * first[0]
    again = copy.deepcopy(network)
    other = make(again, settings)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # as from a file: no tensor is shared
    assert steps(network, optimizer, 5, 60) == steps(again, other, 5, 60)
