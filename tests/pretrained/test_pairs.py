"""Pairs: texts that belong together get vectors alike; their losses, ranks and scores against plain computations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import spearmanr

import netwright as nw
from netwright.errors import InputError
from netwright.evaluation import metrics
from netwright.evaluation.metrics.match import ranks
from netwright.kinds.match import TRUTH
from netwright.kinds.match import Target as MatchTarget
from netwright.nn.batch import Goal
from netwright.nn.heads.match.net import Net
from netwright.nn.heads.match.settings import Settings
from netwright.nn.shapes import Shape

from .checkpoints import folder

WORDS = ["apple", "river", "stone", "cloud", "horse", "music", "paper", "light", "glass", "bread", "storm", "wheel"]
QUICK = {"epochs": 2, "batch_size": 16}


def pairs(count: int, score: bool = False) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    rows = []
    for number in range(count):
        one, two = random.choice(WORDS, 2, replace=False)
        good = number % 3 > 0 or not score
        other = f"the {one} lies near a {two} {number}" if good else f"nothing of it {number}"
        rows.append({"ask": f"where is {one} with {two} {number}", "text": other, **({"s": 5.0 if good else 1.0} if score else {})})  # fmt: skip
    return rows


def trained(rows: list[dict[str, Any]], folder: Path, model: Any = "mlp", **more: Any) -> nw.Model:
    column = {"kind": "match", **more.pop("column", {})}
    settings = {
        "inputs": ["ask"],
        "columns": {"text": column},
        "training": {**QUICK, **more.pop("training", {})},
        **more,
    }
    return nw.train(rows, target="text", model=model, output=folder, settings=settings)


def head(scored: bool = False) -> Net:
    kind = MatchTarget(columns=("b",), about="a", score="s" if scored else "")
    return Net(kind, Settings(temperature=0.1), Shape("vector", 4), ready=False)


def goal(asked: list[int], own: list[int], score: list[float], weight: list[float] | None = None) -> Goal:
    values = {"asked": torch.tensor(asked), "own": torch.tensor(own), "score": torch.tensor(score)}
    return Goal(values, None if weight is None else torch.tensor(weight))  # type: ignore[arg-type]


def test_the_loss_of_pairs_is_the_mean_of_both_cross_entropies() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(5, 4, requires_grad=True), torch.randn(5, 4)
    found = head().compared(left, right, goal([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [1.0] * 5))
    a, b = (part / part.norm(dim=1, keepdim=True) for part in (left, right))
    cosines = (a @ b.T / 0.1).detach().numpy().astype(np.float64)
    wanted = [
        -(cosines[i, i] - np.log(np.exp(cosines[i]).sum())) / 2
        - (cosines[i, i] - np.log(np.exp(cosines[:, i]).sum())) / 2
        for i in range(5)
    ]
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-5)
    found.sum().backward()
    assert left.grad is not None and bool(left.grad.isfinite().all())


def test_texts_that_stand_in_several_pairs_are_not_held_against_each_other() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(4, 4), torch.randn(4, 4)
    all_, three = (
        head().compared(left[:count], right[:count], goal([1, 2, 3, 1][:count], [5, 6, 7, 8][:count], [1.0] * count))
        for count in (4, 3)
    )
    assert all_[0] == pytest.approx(three[0].item())  # the fourth has the text of the first: neither is wrong for it
    assert all_[1] > three[1]
    unknown = head().compared(left, right, goal([1, 2, 3, 4], [5, 6, 7, 8], [1.0] * 4, [1.0, 1.0, 1.0, 0.0]))
    torch.testing.assert_close(unknown[:3], three)


def test_with_scores_the_loss_is_the_squared_distance_of_the_cosine() -> None:
    left, right = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[2.0, 0.0], [1.0, -1.0]])
    found = head(scored=True).compared(left, right, goal([1, 2], [3, 4], [0.5, 1.0]))
    torch.testing.assert_close(found, torch.tensor([0.25, 1.0]))


def test_ranks_are_those_of_a_plain_search() -> None:
    random = np.random.default_rng(3)
    n = 60
    truth = np.zeros(n, TRUTH)
    truth["score"], truth["asked"], truth["own"] = 1, random.integers(1, 30, n), random.integers(1, 40, n)
    left, right = random.normal(size=(n, 5)).round(1), random.normal(size=(41, 5)).round(1)[truth["own"]]
    found = ranks(left, right, truth)
    for row in range(n):
        mates = {truth["own"][other] for other in range(n) if truth["asked"][other] == truth["asked"][row]}
        rivals = {own: left[row] @ right[truth["own"] == own][0] for own in truth["own"] if own not in mates}
        assert found[row] == 1 + sum(value >= left[row] @ right[row] for value in rivals.values())
    same = ranks(np.ones((n, 2)), np.ones((n, 2)), truth)
    assert same.min() > 20  # who gives all the same vector finds nothing


def test_measures_of_pairs() -> None:
    random = np.random.default_rng(1)
    truth = np.zeros(50, TRUTH)
    truth["score"], truth["asked"], truth["own"] = random.random(50), np.arange(1, 51), np.arange(1, 51)
    cosine, both = random.normal(size=50), random.normal(size=(2, 50, 8))
    found = metrics.measure("match", truth, {"cosine": cosine, "left": both[0], "right": both[1]})
    assert found["spearman"]["value"] == pytest.approx(spearmanr(cosine, truth["score"]).statistic)
    place = ranks(both[0], both[1], truth)
    there = place > 0
    assert there.sum() == (truth["score"] >= 0.5).sum()
    assert found["mrr"]["value"] == pytest.approx((1 / place[there]).mean())
    assert found["found_10"]["value"] == pytest.approx((place[there] <= 10).mean())
    truth["score"] = 1
    assert "spearman" not in metrics.measure("match", truth, {"cosine": cosine, "left": both[0], "right": both[1]})


@pytest.mark.parametrize("model", ["mlp", "recurrent", "transformer"])
def test_pairs_are_learnt_and_answered_alike_by_file_and_by_vector(tmp_path: Path, model: str) -> None:
    rows = pairs(120)
    run = trained(rows, tmp_path / "run", {"family": model, **({} if model == "mlp" else {"width": 16})})
    assert {"mrr", "found_1", "cosine"} <= set(run.metrics["test"]) and "shared" in run.metrics["baseline"]
    again = nw.load(tmp_path / "run")
    found = again.predict(rows)["text_predicted"].to_numpy()
    left, right = (np.stack(again.embed([{name: row[key]} for row in rows])["vector"].to_list()) for name, key in (("ask", "ask"), ("text", "text")))  # fmt: skip
    np.testing.assert_allclose(found, (left * right).sum(1), atol=1e-5)
    swapped = np.stack(again.embed([{"ask": row["text"]} for row in rows])["vector"].to_list())
    np.testing.assert_allclose(swapped, right, atol=1e-6)
    assert np.abs(found).max() <= 1 + 1e-6 and len(again.evaluate(rows)["metrics"]) >= 4


def test_a_pretrained_encoder_learns_pairs_whole(tmp_path: Path) -> None:
    start = folder(tmp_path / "bert", "bert")
    run = trained(pairs(60), tmp_path / "run", str(start))
    assert run.recipe.model["adapt"]["how"] == "full"
    vector = run.embed([{"ask": "where is apple"}])["vector"].to_numpy()
    assert np.linalg.norm(vector[0]) == pytest.approx(1, abs=1e-5)
    with pytest.raises(InputError, match="--adapt frozen leaves nothing to train"):
        trained(
            pairs(60), tmp_path / "frozen", {"family": "pretrained", "start": str(start), "adapt": {"how": "frozen"}}
        )


def test_scores_are_followed(tmp_path: Path) -> None:
    rows = pairs(240, score=True)
    run = trained(rows, tmp_path / "run", column={"score": "s"}, training={"epochs": 12})
    assert run.metrics["test"]["spearman"]["value"] > 0.5
    found = run.predict(rows)["text_predicted"].to_numpy()
    score = np.array([row["s"] for row in rows])
    assert found[score == 5].mean() > found[score == 1].mean() + 0.2


def test_a_training_of_pairs_gives_the_same_bits_twice(tmp_path: Path) -> None:
    one, two = (trained(pairs(80), tmp_path / name, plan={"threads": 1}) for name in ("one", "two"))
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, two.network.state_dict()[name])


@pytest.mark.parametrize(
    ("rows", "settings", "match"),
    [
        ([{"ask": "a b", "text": "c", "n": 1.0}] * 30, {"inputs": None}, "it is not clear which of ask, n it belongs to"),
        (pairs(30), {"column": {"score": "t"}}, "has no column 't'"),
        (pairs(30), {"column": {"score": "ask"}}, "one of the pair's texts"),
        ([{**row, "s": "much"} for row in pairs(30)], {"column": {"score": "s"}}, "which is no number"),
        (pairs(30), {"column": {"about": "b"}}, "'b' is no input"),
        ([{**row, "s": 2.0} for row in pairs(30)], {"column": {"score": "s"}}, "is always 2 in s"),
        ([{"ask": k, "text": f"c {k}"} for k in range(30)], {}, "are to be texts"),
        ([{"ask": f"{k}.png", "text": f"c {k}"} for k in range(30)], {}, "its values are images"),
        (pairs(30), {"split": {"folds": 3}}, "each fold's network"),
        (pairs(30), {"model": "linear"}, "a match compares vectors; mlp does"),
    ],
)  # fmt: skip
def test_what_is_no_pair_is_refused(
    tmp_path: Path, rows: list[dict[str, Any]], settings: dict[str, Any], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        trained(rows, tmp_path / "run", **settings)


def test_missing_halves_are_said(tmp_path: Path) -> None:
    rows = pairs(60)
    for row in rows[:5]:
        row["text"] = None
    run = trained(rows, tmp_path / "run")
    assert len(run.predict(rows)) == 60
    with pytest.raises(InputError, match="lacks the input column 'text'"):
        run.predict([{"ask": "where"}])
    with pytest.raises(InputError, match="match target"):
        nw.export(tmp_path / "run", to="onnx", output=tmp_path / "x")
    assert pl.read_csv(tmp_path / "run" / "predictions.csv").columns == ["id", "text", "text_predicted"]


def test_a_fitted_match_survives_json(tmp_path: Path) -> None:
    run = trained(pairs(30, score=True), tmp_path / "run", column={"score": "s"}, training={"epochs": 1})
    (kind,) = run.fitted.targets.values()
    assert isinstance(kind, MatchTarget) and kind.low == 1 and kind.high == 5
    assert MatchTarget.model_validate(kind.model_dump(mode="json")) == kind
