"""One step of the loop: the weighted mean of the rows' losses, penalties once, clipped, whatever the batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from netwright.errors import InputError
from netwright.inference.model import precisely
from netwright.recipe import Training
from netwright.runtime.plan import Plan
from netwright.training.loop import Data, Loop, Score
from netwright.training.pipeline import start_network
from netwright.training.sampler import order, share

from .small import worked

ROWS = 24
PLAN = Plan(precision="float64")


def data() -> dict[str, Any]:
    random = np.random.default_rng(0)
    y = random.normal(size=ROWS)
    y[5] = np.nan  # a row that teaches the category alone
    return {
        "a": random.normal(size=ROWS), "b": random.normal(size=ROWS), "y": y, "c": np.array(list("uvw"))[np.arange(ROWS) % 3],
        "w": np.linspace(0.1, 2.0, ROWS),
    }  # fmt: skip


def loop(**settings: Any) -> Loop:
    """A loop over two targets, one of which a row lacks, with unlike weights and shares; float64."""
    model = {"family": "mlp", "width": 8, "depth": 1, "members": 0, "dropout": 0.0, "embedding": "none"}
    columns = {"y": "number", "c": "category"}
    recipe = {"weight": "w", "columns": columns, "heads": {"c": {"share": 0.3}}, "split": {"validation": 0, "test": 0}}
    work = worked(data(), ["y", "c"], model, recipe)
    with precisely(PLAN):
        network, rows = start_network(work, PLAN, None)
    given = Training(**{"epochs": 1, "optimizer": "sgd", "learning_rate": 0.1, "seed": 1, **settings})
    return Loop(network, rows, None, given, PLAN, kept=None)


def batches(own: Loop) -> list[Any]:
    """The batches of the loop's next step."""
    with precisely(PLAN):
        return own.take.batches(next(own.calls()))


def gradients(own: Loop, batches: list[Any]) -> dict[str, Tensor]:
    with precisely(PLAN):
        totals = own.take.weights(batches) if len(batches) > 1 else None
        own.take.gradient(batches, totals)
    return {name: weight.grad.clone() for name, weight in own.network.named_parameters() if weight.grad is not None}


def test_the_loss_is_the_weighted_mean_over_rows_summed_over_targets_plus_penalties() -> None:
    own = loop(l1=0.02, l2=0.05)
    with precisely(PLAN):
        batch = batches(own)[0]
        losses = own.network(batch)
        assert losses["target_1"][1].tolist().count(0.0) == 1
        weight = batch.weight
        assert weight is not None
        torch.testing.assert_close(losses["target_2"][1], weight.double())
        expected = sum(
            share * (rows * w).sum() / w.sum() for share, (rows, w) in zip((1.0, 0.3), losses.values(), strict=True)
        )
        for matrix in own.network.parameters():
            if matrix.ndim >= 2:
                expected = expected + 0.02 * matrix.abs().sum() + 0.025 * matrix.square().sum()
        slopes = torch.autograd.grad(expected, list(own.network.parameters()))
        torch.testing.assert_close(own.take.gradient([batch]), expected.detach())
        for mine, theirs in zip(own.network.parameters(), slopes, strict=True):
            torch.testing.assert_close(mine.grad, theirs)


@pytest.mark.parametrize("size", [1, 5, 8])
def test_accumulated_small_batches_are_one_large_batch(size: int) -> None:
    large = loop(batch_size="all", l2=0.05)
    batch = batches(large)
    small = loop(batch_size=size, accumulate=-(-ROWS // size), l2=0.05)
    parts = batches(small)
    assert len(parts) == -(-ROWS // size) and small.steps_an_epoch == 1
    for name, gradient in gradients(small, parts).items():
        torch.testing.assert_close(gradient, gradients(large, batch)[name], atol=1e-12, rtol=1e-9)


def test_a_row_of_weight_0_teaches_nothing() -> None:
    own = loop()
    with precisely(PLAN):
        rows = torch.arange(ROWS)
        for goal in own.data.rows.goals.values():
            assert goal.weight is not None
            goal.weight[:] = goal.weight.clamp(max=1).ceil() * (rows < 12)
        whole = gradients(own, [own.take.batch(rows)])
        some = gradients(own, [own.take.batch(rows[:12])])
    for name, gradient in some.items():
        torch.testing.assert_close(whole[name], gradient, atol=1e-12, rtol=1e-9)


def test_rows_that_all_weigh_1_give_the_same_loss_without_weights() -> None:
    own = loop()
    with precisely(PLAN):
        rows = torch.arange(8, 20)
        for goal in own.data.rows.goals.values():
            goal.weight = torch.ones(ROWS, dtype=torch.float64)
        weighed = own.take.gradient([own.take.batch(rows)])
        for goal in own.data.rows.goals.values():
            goal.weight = None
        torch.testing.assert_close(own.take.gradient([own.take.batch(rows)]), weighed)


def test_clipping_shortens_a_long_gradient_and_keeps_its_direction() -> None:
    free, clipped, wide = (loop(gradient_clip=limit) for limit in (0.0, 0.01, 1e6))
    batch = batches(free)
    longs, shorts, same = (gradients(own, batch) for own in (free, clipped, wide))
    norm = torch.stack([g.square().sum() for g in longs.values()]).sum().sqrt()
    assert float(norm) > 0.01
    for name, gradient in longs.items():
        torch.testing.assert_close(shorts[name], gradient * 0.01 / norm, atol=1e-9, rtol=1e-4)
        assert torch.equal(same[name], gradient)


def test_the_schedules_rate_is_the_optimizers() -> None:
    own = loop(epochs=4, batch_size=6, schedule="linear", learning_rate=0.2)
    for epoch in range(4):
        own.at.epoch = epoch
        own.at.step = 0
        for step, rows in enumerate(own.calls()):
            with precisely(PLAN):
                own.step(rows)
            assert own.take.optimizer.param_groups[0]["lr"] == pytest.approx(0.2 * (1 - (4 * epoch + step) / 16))


def test_an_epoch_takes_each_row_once_in_another_order_each_time() -> None:
    rows = torch.arange(10, 40)
    first, second = (order(rows, seed=3, epoch=epoch) for epoch in (0, 1))
    assert first.sort().values.tolist() == rows.tolist() == second.sort().values.tolist()
    assert first.tolist() != second.tolist() and first.tolist() == order(rows, seed=3, epoch=0).tolist()


def test_batches_of_texts_are_of_like_length_and_still_random() -> None:
    lengths = torch.randint(1, 100, (1000,), generator=torch.Generator().manual_seed(0))
    rows = torch.arange(20, 990)
    first, second = (order(rows, seed=3, epoch=epoch, lengths=lengths, size=16) for epoch in (0, 1))
    assert first.sort().values.tolist() == rows.tolist() and first.tolist() != second.tolist()

    def padded(ordered: Tensor) -> int:
        return sum(int(lengths[batch].max()) * len(batch) for batch in ordered.split(16))

    assert padded(first) < 1.1 * int(lengths[rows].sum())
    assert padded(order(rows, seed=3, epoch=0)) > 1.7 * int(lengths[rows].sum())
    means = torch.stack([lengths[batch].float().mean() for batch in first[:960].split(16)])
    assert float(means[:30].mean()) == pytest.approx(
        float(means[30:].mean()), rel=0.3
    )  # short and long ones take turns


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_divide_a_batch_among_them(world: int) -> None:
    batch = torch.arange(10)
    parts = [share(batch, rank=rank, world=world).tolist() for rank in range(world)]
    assert sorted(sum(parts, [])) == batch.tolist()


class Weight(nn.Module):
    """A network of one weight that grows by the learning rate at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, batch: Any) -> dict[str, tuple[Tensor, Tensor]]:
        return {"y": (-self.weight.expand(1), torch.ones(1))}


class NoRows:
    inputs: dict[str, Any] = {}
    targets: dict[str, Any] = {}

    def begin(self, seed: int, epoch: int) -> None:
        return None

    def take(self, rows: Tensor, **_: Any) -> None:
        return None


def run(scores: list[float], better: str = "lower", **settings: Any) -> tuple[Loop, list[dict[str, float]]]:
    """Train the one weight for as many epochs as there are scores; one step of 1 each."""
    given = Training(**{"epochs": len(scores), "optimizer": "sgd", "learning_rate": 1.0, **settings})
    values = iter(scores)
    own = Loop(
        Weight(),
        Data(NoRows(), torch.arange(1), {}),
        Score(lambda: next(values), "score", better),
        given,
        Plan(),
        kept=None,
    )  # type: ignore[arg-type]
    return own, own.run()


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    own, history = run([3.0, 1.0, 2.0, 1.0])
    assert own.network.weight.item() == 2.0  # the first of two equal epochs
    assert [entry["score"] for entry in history] == [3.0, 1.0, 2.0, 1.0]
    own, _ = run([0.1, 0.4, 0.3], better="higher")
    assert own.network.weight.item() == 2.0


def test_training_stops_when_patience_is_spent_and_never_where_it_is_0() -> None:
    scores = [3.0, 2.0, 2.5, 2.5, 2.5, 1.0]
    assert len(run(scores, patience=3)[1]) == 5
    assert len(run(scores, patience=4)[1]) == 6
    assert len(run(scores, patience=0)[1]) == 6


def test_a_plateau_cuts_the_rate() -> None:
    own, _ = run([1.0, 1.0, 1.0, 1.0, 1.0], schedule="plateau", step_every=2, step_factor=0.5)
    assert own.take.optimizer.param_groups[0]["lr"] == 0.5 and own.schedule.cut == 0.25


def test_a_loss_that_is_no_longer_finite_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(InputError) as caught:
        own = loop(learning_rate=1e200, epochs=3)
        with precisely(PLAN):
            own.run()
    assert str(caught.value).startswith("epoch 2, step 1: the loss is not finite any more")
    assert "lower training.learning_rate (now 1e+200), or set training.gradient_clip 1" in str(caught.value)
