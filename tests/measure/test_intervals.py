"""Intervals: they cover the truth about as often as they say, are the same for the same seed, and take little time."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from netwright.evaluation.metrics import bootstrap, measure, metrics_of
from netwright.evaluation.metrics.base import average_precision, middle, roc_area


@pytest.mark.parametrize("name, true", [("accuracy", 0.8), ("roc_auc", 0.760)])
def test_a_95_percent_interval_covers_the_true_value_about_that_often(name: str, true: float) -> None:
    """Scores N(1, 1) and N(0, 1): AUC = Φ(1 / √2) = 0.760; p right with probability 0.8: accuracy 0.8."""
    random, covered, runs = np.random.default_rng(0), 0, 200
    for run in range(runs):
        truth = random.integers(0, 2, 150)
        if name == "accuracy":
            second = np.where(random.random(150) < true, truth, 1 - truth).astype(float)
        else:
            second = 1 / (1 + np.exp(-(truth + random.normal(size=150))))
        answer = {"probability": np.column_stack([1 - second, second])}
        got = measure("category", truth, answer, seed=run, names=[name])[name]
        covered += got["low"] <= true <= got["high"]
    assert 0.90 <= covered / runs <= 0.985


def test_the_width_is_that_of_the_normal_approximation() -> None:
    random = np.random.default_rng(0)
    errors = random.normal(size=2_000)
    got = measure("number", np.zeros(2_000) + random.normal(size=2_000) * 0, {"value": errors}, names=["mae"])["mae"]
    expected = 2 * 1.96 * np.abs(errors).std() / np.sqrt(2_000)
    assert got["high"] - got["low"] == pytest.approx(expected, rel=0.1)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    random = np.random.default_rng(0)
    truth, answer = random.normal(size=400), {"value": random.normal(size=400)}
    assert measure("number", truth, answer, seed=3) == measure("number", truth, answer, seed=3)
    assert measure("number", truth, answer, seed=3) != measure("number", truth, answer, seed=4)


def test_a_measure_by_itself_has_the_interval_that_it_has_among_others() -> None:
    random = np.random.default_rng(0)
    truth, answer = random.normal(size=300), {"value": random.normal(size=300)}
    assert measure("number", truth, answer, names=["mae"])["mae"] == measure("number", truth, answer)["mae"]


@pytest.mark.parametrize("make", [roc_area, average_precision, lambda positive, score: middle(score)])
def test_many_weightings_at_once_are_each_by_itself(make) -> None:
    random = np.random.default_rng(0)
    positive, score = random.random(80) < 0.3, random.integers(0, 9, 80) / 8
    weights = random.poisson(1, (80, 20)) * random.random((80, 1))
    over = make(positive, score)
    assert np.allclose(over(weights), [over(weights[:, [r]])[0] for r in range(20)], equal_nan=True)


def test_resamples_without_one_of_the_classes_are_left_out() -> None:
    truth = np.array([0, 1, 1, 1])
    second = np.array([0.1, 0.9, 0.8, 0.7])
    got = measure("category", truth, {"probability": np.column_stack([1 - second, second])}, names=["roc_auc"])
    assert got["roc_auc"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_many_rows_have_fewer_resamples() -> None:
    assert bootstrap.resamples(200) == bootstrap.resamples(20_000) == bootstrap.MOST
    assert bootstrap.LEAST <= bootstrap.resamples(60_000) < bootstrap.MOST
    assert bootstrap.resamples(10**9, classes=50, sorts=True) == bootstrap.LEAST


def test_ten_thousand_rows_of_ten_classes_take_seconds_not_minutes() -> None:
    """About 1 s on a quiet core; ten times that is allowed, as others may be working beside the test."""
    random = np.random.default_rng(0)
    probability = random.dirichlet(np.ones(10), 10_000)
    truth = (probability.cumsum(1) > random.random((10_000, 1))).argmax(1)
    start = time.perf_counter()
    got = measure("category", truth, {"probability": probability})
    assert time.perf_counter() - start < 10
    assert set(got) == set(metrics_of("category", 10))
    assert got["roc_auc"]["value"] == pytest.approx(roc_auc_score(truth, probability, multi_class="ovr"))
    assert all(each["low"] < each["value"] < each["high"] for each in got.values())


def test_few_rows_that_are_all_right_or_all_wrong_have_an_interval_all_the_same() -> None:
    """12 of 12 rows right: Wilson's interval (1927) begins at 0.758, while each drawing of these rows is right."""
    right = {"probability": np.eye(2)[[0, 1] * 6]}
    got = measure("category", np.array([0, 1] * 6), right)
    assert {name: (round(got[name]["low"], 3), got[name]["high"]) for name in ("accuracy", "f1_macro", "recall")} == {
        "accuracy": (0.758, 1.0), "f1_macro": (0.758, 1.0), "recall": (0.758, 1.0),
    }  # fmt: skip
    wrong = measure("category", np.array([0]), {"probability": np.array([[0.2, 0.8]])}, names=["accuracy"])["accuracy"]
    assert (wrong["low"], round(wrong["high"], 2)) == (0.0, 0.79)


def test_rows_that_weigh_little_count_for_little() -> None:
    answer, weight = {"probability": np.eye(2)[[0, 1] * 6]}, np.array([1.0, 1.0] + [1e-6] * 10)
    got = measure("category", np.array([0, 1] * 6), answer, weight=weight, names=["accuracy"])["accuracy"]
    assert round(got["low"], 2) == 0.34  # as two rows have
