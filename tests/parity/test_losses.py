"""Every loss equals torch's and its closed formula, row by row, forward and gradient."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional as F

from netwright.errors import InputError
from netwright.inference.model import precisely
from netwright.kinds.base import Kind
from netwright.kinds.category import FIRST
from netwright.kinds.category import Target as CategoryTarget
from netwright.kinds.labels import Input as LabelsInput
from netwright.kinds.number import Options
from netwright.kinds.number import Target as NumberTarget
from netwright.nn.heads.base import Head
from netwright.nn.network import _head_module, head_settings
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.runtime.plan import Plan

from .agreement import agree

VALUES = torch.tensor([0.0, 1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
CLASSES = torch.tensor([0, 2, 1, 1, 2])


def number() -> NumberTarget:
    return NumberTarget.fit(pl.DataFrame({"y": [0.0, 1.0, 2.0]}), Options(scale="none"))


def category(names: str = "abc", counts: tuple[int, ...] | None = None) -> CategoryTarget:
    kind = CategoryTarget.fit(pl.DataFrame({"y": list(names)}), CategoryTarget.Options(kind="category"))
    return kind if counts is None else kind.model_copy(update={"counts": (counts,)})


def head(kind: Kind, outputs: int, **settings: object) -> Head:
    given = head_settings(type(kind).model_fields["kind"].default, settings, where="heads.y")
    return _head_module(given).Net(kind, given, Shape("vector", outputs), ready=True)


def losses(own: Head, target: dict[str, Tensor], answer: Tensor) -> Tensor:
    _, goal = own.teach(target, None)  # type: ignore[arg-type]
    return own.loss(Signal(answer, "vector"), goal, Memory())


def huber(error: Tensor, delta: float) -> Tensor:
    size = error.abs()
    return torch.where(size <= delta, error**2 / 2, delta * (size - delta / 2))


NUMBERS = {
    "mse": (lambda e: e**2, F.mse_loss),
    "mae": (lambda e: e * e.sign(), F.l1_loss),
    "huber": (lambda e: huber(e, 0.7), lambda a, b, reduction: F.huber_loss(a, b, reduction=reduction, delta=0.7)),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_numbers_loss(name: str) -> None:
    own = head(number(), 1, loss=name, delta=0.7)
    formula, torchs = NUMBERS[name]
    target = {"values": VALUES[:, None]}
    answer = torch.tensor([[0.3], [-1.0], [-2.5], [0.6], [9.0]], dtype=torch.float64)
    agree(lambda x: losses(own, target, x), lambda x: formula(x[:, 0] - VALUES), answer)
    agree(lambda x: losses(own, target, x), lambda x: torchs(x[:, 0], VALUES, reduction="none"), answer)


def test_a_row_without_a_target_has_no_weight() -> None:
    for own, target in (
        (
            head(number(), 1),
            {"values": torch.tensor([[1.0], [0.0]]), "values_missing": torch.tensor([[False], [True]])},
        ),
        (head(category(), 3), {"codes": torch.tensor([[FIRST], [1]], dtype=torch.int32)}),
        (
            head(LabelsInput(columns=("y",), values=("a",), separator="|"), 1),
            {"hot": torch.ones(2, 1), "absent": torch.tensor([False, True])},
        ),
    ):
        _, goal = own.teach(target, None)  # type: ignore[arg-type]
        assert goal.weight.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_categorical_cross_entropy(smoothing: float) -> None:
    """-(1 - s) ln p_y - s/C Σ ln p_c."""
    own = head(category(), 3, label_smoothing=smoothing)
    target = {"codes": (CLASSES[:, None] + FIRST).int()}

    def formula(x: Tensor) -> Tensor:
        p = torch.exp(x) / torch.exp(x).sum(1, keepdim=True)
        return -(1 - smoothing) * torch.log(p[torch.arange(5), CLASSES]) - smoothing / 3 * torch.log(p).sum(1)

    x = torch.randn(5, 3, dtype=torch.float64)
    agree(lambda x: losses(own, target, x), formula, x)
    agree(
        lambda x: losses(own, target, x),
        lambda x: F.cross_entropy(x, CLASSES, reduction="none", label_smoothing=smoothing),
        x,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_binary_cross_entropy_and_its_gradient(smoothing: float) -> None:
    """-y ln σ(x) - (1 - y) ln(1 - σ(x)), whose slope is σ(x) - y; y is drawn towards 1/2 by smoothing."""
    own = head(category("ab"), 1, loss="binary_cross_entropy", label_smoothing=smoothing)
    y = torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64)
    target, soft = {"codes": (y[:, None] + FIRST).int()}, y * (1 - smoothing) + smoothing / 2
    x = torch.tensor([[0.3], [-2.0], [1.5]], dtype=torch.float64)

    def formula(x: Tensor) -> Tensor:
        p = 1 / (1 + torch.exp(-x[:, 0]))
        return -soft * torch.log(p) - (1 - soft) * torch.log(1 - p)

    agree(lambda x: losses(own, target, x), formula, x)
    z = x.clone().requires_grad_()
    losses(own, target, z).sum().backward()
    torch.testing.assert_close(z.grad[:, 0], z.detach()[:, 0].sigmoid() - soft)  # type: ignore[index]


def test_binary_cross_entropy_is_the_two_class_one_of_the_logits_difference() -> None:
    y = torch.tensor([0, 1, 1])
    x = torch.randn(3, 2, dtype=torch.float64)
    target = {"codes": (y[:, None] + FIRST).int()}
    two, one = head(category("ab"), 2), head(category("ab"), 1, loss="binary_cross_entropy")
    torch.testing.assert_close(losses(two, target, x), losses(one, target, x[:, 1:] - x[:, :1]))


def test_binary_cross_entropy_of_three_classes_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"heads\.y\.loss: binary_cross_entropy tells two classes apart, and there are 3"
    ):
        _head_module(head_settings("category", {}, where="h")).outputs(
            category(), head_settings("category", {"loss": "binary_cross_entropy"}, where="h")
        )


def test_balanced_class_weights_are_scikit_learns() -> None:
    """n / (C n_c): each class weighs the same in sum; the loop divides by the sum of weights, as torch does."""
    counts = (5, 1, 2)
    own = head(category(counts=counts), 3, class_weights="balanced").double()
    _, goal = own.teach({"codes": (CLASSES[:, None] + FIRST).int()}, None)  # type: ignore[arg-type]
    expected = compute_class_weight("balanced", classes=np.arange(3), y=np.repeat(np.arange(3), counts))
    torch.testing.assert_close(goal.weight.double(), torch.from_numpy(expected)[CLASSES], atol=1e-6, rtol=1e-6)
    x = torch.randn(5, 3, dtype=torch.float64)
    ours = (losses(own, {"codes": (CLASSES[:, None] + FIRST).int()}, x) * goal.weight).sum() / goal.weight.sum()
    torch.testing.assert_close(
        ours, F.cross_entropy(x, CLASSES, weight=torch.from_numpy(expected)), atol=1e-6, rtol=1e-6
    )


def test_labels_loss_is_the_mean_binary_cross_entropy() -> None:
    own = head(LabelsInput(columns=("y",), values=("a", "b", "c"), separator="|"), 3)
    hot = torch.tensor([[1, 0, 1], [0, 0, 0]], dtype=torch.uint8)
    target = {"hot": hot, "absent": torch.zeros(2, dtype=torch.bool)}

    def formula(x: Tensor) -> Tensor:
        p = 1 / (1 + torch.exp(-x))
        return -(hot * torch.log(p) + (1 - hot.double()) * torch.log(1 - p)).mean(1)

    with precisely(Plan(precision="float64")):
        agree(lambda x: losses(own, target, x), formula, torch.randn(2, 3))


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "labels"])
def test_each_member_of_an_ensemble_is_taught_by_itself(loss: str) -> None:
    """The loss of K members is the mean of their losses, not the loss of their mean."""
    if loss == "mse":
        kind: Kind = number()
        target = {"values": VALUES[:, None]}
    elif loss == "labels":
        kind = LabelsInput(columns=("y",), values=("a", "b", "c"), separator="|")
        target = {"hot": torch.randint(0, 2, (5, 3)), "absent": torch.zeros(5, dtype=torch.bool)}
    else:
        kind, target = category(), {"codes": (CLASSES[:, None] + FIRST).int()}
    outputs = 1 if loss == "mse" else 3
    given = head_settings(type(kind).model_fields["kind"].default, {}, where="h")
    own = _head_module(given).Net(kind, given, Shape("vector", 4, members=6), ready=False).double()
    x = torch.randn(5, 6, 4, dtype=torch.float64)
    together = losses(own, target, x)

    def alone(member: int) -> Tensor:
        single = head(kind, outputs)
        return losses(single, target, x[:, member] @ own.readout.weight[member].T + own.readout.bias[member])

    torch.testing.assert_close(together, torch.stack([alone(member) for member in range(6)]).mean(0))
