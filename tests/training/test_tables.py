"""A large table learns as under torch's own gradient, though only the rows that were read are summed and clipped."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from netwright.runtime.kernels import native
from netwright.training.adam import AdamW
from netwright.training.tables import LARGE, Tables


class Reader(nn.Module):
    """Tokens -> the mean of what a map makes of their vectors; `tied`: and of all vectors."""

    def __init__(self, tied: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.map, self.tied = nn.Embedding(LARGE, 4, padding_idx=0), nn.Linear(4, 3), tied

    def forward(self, tokens: Tensor) -> Tensor:
        out = self.map(self.table(tokens)).square().mean()
        return out + self.table.weight.square().mean() if self.tied else out


def learnt(few: bool, clip: float, tied: bool) -> dict[str, Tensor]:
    """The weights after five steps of two batches each, by AdamW with decay."""
    net = Reader(tied)
    tables = Tables(net, few=few)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, weight_decay=0.1, fused=True)
    for step in range(5):
        optimizer.zero_grad(set_to_none=True)
        tables.clear()
        for part in range(2):
            tokens = torch.randint(20 * step, 20 * step + 40, (3, 7), generator=torch.Generator().manual_seed(part))
            with tables.apart():
                net(tokens).backward()
        nn.utils.clip_grad_norm_(tables.weights(), clip)
        tables.lay()
        optimizer.step()
    assert not net.table.sparse
    return net.state_dict()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("clip", [1e-3, 1e3])
def test_a_table_learns_as_under_torchs_gradient(clip: float, tied: bool) -> None:
    """Rows read once, twice and never, over several batches, clipped and not."""
    mine, theirs = (learnt(few, clip, tied) for few in (True, False))
    for name, weight in theirs.items():
        torch.testing.assert_close(mine[name], weight, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("compiled", [pytest.param(True, marks=pytest.mark.compiled), False])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("clip", [0.0, 1e-2, 1e3])
def test_our_adam_is_torch_s(
    clip: float, decay: float, threads: int, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights and state, from rows read at different steps; going on from a state gives the same bits as never stopping."""

    if not compiled:
        monkeypatch.setattr(native, "library", lambda: None)

    def learnt(ours: bool, stops: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        net = Reader(tied=False)
        net.map.bias.requires_grad_(False)
        groups = [{"params": [net.table.weight], "weight_decay": decay}, {"params": [net.map.weight], "weight_decay": 0.0}]  # fmt: skip
        tables = Tables(net, few=ours)
        optimizer = AdamW(groups, tables, lr=0.1) if ours else torch.optim.AdamW(groups, lr=0.1, fused=True)
        for step in range(8):
            if stops and step == 4:
                kept, tables = optimizer.state_dict(), Tables(net, few=True)
                optimizer = AdamW(groups, tables, lr=0.1)
                optimizer.load_state_dict(kept)

            def gradient(step: int = step, tables: Tables = tables, optimizer: torch.optim.Optimizer = optimizer) -> Tensor:  # fmt: skip
                optimizer.zero_grad(set_to_none=True)
                tables.clear()
                tokens = torch.randint(20 * step, 20 * step + 40, (3, 7), generator=torch.Generator().manual_seed(step))
                with tables.apart():
                    loss = net(tokens)
                    loss.backward()
                weights = tables.weights()
                if clip and isinstance(optimizer, AdamW):
                    optimizer.clip(weights, clip)
                elif clip:
                    nn.utils.clip_grad_norm_(weights, clip)
                return loss.detach()

            assert optimizer.step(gradient) > 0
        return net.state_dict(), {f"{name} {key}": value for name, weight in net.named_parameters() for key, value in optimizer.state[weight].items()}  # fmt: skip

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        mine, theirs, resumed = learnt(True), learnt(False), learnt(True, stops=True)
    finally:
        torch.set_num_threads(before)
    for ours, its, again in zip(mine, theirs, resumed, strict=True):
        assert list(ours) == list(its)
        for name, value in its.items():
            torch.testing.assert_close(ours[name], value, atol=1e-6, rtol=1e-4, msg=name)
            assert torch.equal(ours[name], again[name]), name


def test_only_rows_that_were_read_are_looked_at() -> None:
    net = Reader(tied=False)
    tables = Tables(net, few=True)
    with tables.apart():
        net(torch.tensor([[5, 7, 5, 0]])).backward()
    assert sorted(weight.shape for weight in tables.weights()) == [(2, 4), (3,), (3, 4)]  # padding learns nothing
    tables.lay()
    assert net.table.weight.grad is not None and net.table.weight.grad.any(1).nonzero()[:, 0].tolist() == [5, 7]
    tables.clear()
    assert not net.table.weight.grad.any()
