"""What holds for every family with every sort of inputs that it takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from netwright.inference.model import Answers, answers
from netwright.nn.network import Network
from netwright.runtime.arrays import take
from netwright.runtime.plan import Plan
from netwright.training.loop import Loop
from netwright.training.pipeline import start_network

from .cases import BY_BATCH, PAIRS, case

EVERY = pytest.mark.parametrize(("family", "inputs"), PAIRS, ids=[f"{family}-{inputs}" for family, inputs in PAIRS])


def test_each_sort_of_inputs_is_taken_by_some_family_and_each_family_takes_some() -> None:
    assert {inputs for _, inputs in PAIRS} == {"table", "text", "image", "mixed"}
    assert {"linear", "mlp", "convnet", "layers", "module", "transformer"} <= {family for family, _ in PAIRS}


def at_random(network: Network) -> Network:
    """Each weight at random, so that nothing that starts at zero hides a difference."""
    with torch.no_grad():
        for weight in network.parameters():
            nn.init.normal_(weight, std=0.3)
        for name, buffer in network.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
    return network.eval()


@EVERY
def test_a_batch_gives_what_its_rows_give_one_at_a_time(family: str, inputs: str) -> None:
    """So padding changes nothing: rows of unlike length, an empty one among them, stand in one batch."""
    work, module = case(family, inputs)
    network = at_random(start_network(work, Plan(), module)[0])
    rows = np.arange(12)

    def of(chosen: np.ndarray) -> Answers:
        return answers(network, {key: take(arrays, chosen) for key, arrays in work.inputs.items()}, len(chosen), Plan())

    together = of(rows)
    for row in rows:
        for key, found in of(rows[row : row + 1]).items():
            for name, array in found.items():
                np.testing.assert_allclose(
                    array[0], together[key][name][row], atol=1e-5, rtol=1e-5, err_msg=f"row {row}"
                )


@EVERY
def test_each_parameter_gets_a_finite_gradient(family: str, inputs: str) -> None:
    work, module = case(family, inputs, gradient_clip=0.0)
    network, data = start_network(work, Plan(), module)
    loop = Loop(network, data, None, work.recipe.training, Plan(), kept=None)
    loop.take.gradient(loop.take.batches(next(loop.calls())))
    lost = [
        name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.isfinite().all()
    ]
    assert not lost


@EVERY
def test_eight_rows_are_learnt_by_heart(family: str, inputs: str) -> None:
    convex = {"optimizer": "lbfgs", "batch_size": "all", "learning_rate": 1.0}
    usual = {"optimizer": "adam", "batch_size": 8, "learning_rate": 0.01}
    chosen = convex if family == "linear" else usual
    work, module = case(family, inputs, 8, **chosen, l2=0.0, schedule="constant", augment=False)
    network, data = start_network(work, Plan(), module)
    loop = Loop(network, data, None, work.recipe.training.model_copy(update={"epochs": 300}), Plan(), kept=None)
    for epoch in range(300):
        loop.at.epoch, loop.at.step, loop.at.loss_sum = epoch, 0, 0.0
        loop.step(next(loop.calls()))
        if loop.at.loss_sum < 0.02:
            break
    found = answers(network, work.inputs, 8, Plan())
    slack = 1.0 if family in BY_BATCH else 0.4  # running statistics trail behind the batch's own
    assert np.abs(found["target_1"]["value"] - work.targets["target_1"]["values"][:, 0]).max() < slack  # type: ignore[index]
    assert (found["target_2"]["probability"].argmax(1) == work.targets["target_2"]["codes"][:, 0] - 2).all()  # type: ignore[index]
    assert ((found["target_3"]["probability"] > 0.5) == work.targets["target_3"]["hot"]).all()
