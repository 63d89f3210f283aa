"""Temperatures do no harm, intervals and sets hold the truth as often as they say, thresholds serve their metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import f1_score

import netwright as nw
from netwright.errors import InputError
from netwright.evaluation import calibration
from netwright.events import Event, listening
from netwright.kinds.category import Options as CategoryOptions
from netwright.kinds.category import Target as Category
from netwright.kinds.number import Options as NumberOptions
from netwright.kinds.number import Target as Number
from netwright.recipe import Trust as Settings
from netwright.report.page.found import Found
from netwright.report.page.verdict import sentence
from netwright.report.page.verdict import verdict as shown
from netwright.runtime.run import Run

CLASSES = Category.fit(pl.DataFrame({"y": ["a", "b"]}), CategoryOptions())
THREE = Category.fit(pl.DataFrame({"y": ["a", "b", "c"]}), CategoryOptions())
NUMBER = Number.fit(pl.DataFrame({"y": [0.0, 1.0]}), NumberOptions())


def drawn(rows: int, sharp: float, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truths drawn from probabilities, and those probabilities made `sharp` times too sure."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, classes)) * 1.5
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = (true.cumsum(1) > random.random((rows, 1))).argmax(1)
    shown = np.exp(sharp * logits)
    return truth, shown / shown.sum(1, keepdims=True)


def log_loss(truth: np.ndarray, probability: np.ndarray) -> float:
    return float(-np.log(probability[np.arange(len(truth)), truth]).mean())


def test_the_temperature_of_answers_that_are_too_sure_is_found() -> None:
    truth, shown = drawn(4000, sharp=2.0)
    learned = calibration.fit(CLASSES, truth, {"probability": shown}, None, Settings())
    assert learned.temperature == pytest.approx(2.0, rel=0.1)
    new, theirs = drawn(4000, sharp=2.0, seed=1)
    assert log_loss(new, learned.apply({"probability": theirs})["probability"]) < log_loss(new, theirs) - 0.05


@pytest.mark.parametrize("seed", range(5))
def test_calibrated_answers_and_few_rows_are_left_as_they_are(seed: int) -> None:
    truth, shown = drawn(60, sharp=1.05, seed=seed)
    assert calibration.fit(CLASSES, truth, {"probability": shown}, None, Settings()).temperature == 1.0
    few, sure = drawn(10, sharp=5.0, seed=seed)
    assert calibration.fit(CLASSES, few, {"probability": sure}, None, Settings()) == calibration.Trust()
    off = Settings(calibrate=False)
    wild, wrong = drawn(500, sharp=4.0, seed=seed)
    assert calibration.fit(CLASSES, wild, {"probability": wrong}, None, off).temperature == 1.0


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_sets_hold_the_truth_as_often_as_stated(coverage: float) -> None:
    settings, held = Settings(coverage=coverage), []
    for seed in range(20):
        truth, shown = drawn(600, sharp=1.5, classes=5, seed=seed)
        learned = calibration.fit(CLASSES, truth[:300], {"probability": shown[:300]}, None, settings)
        answer = learned.apply({"probability": shown[300:]})
        found = calibration.found(CLASSES, truth[300:], answer, learned)
        held.append(found["coverage"]["found"])
        assert (answer["set"].sum(1) >= 1).all()
    assert coverage - 0.01 < np.mean(held) < max(coverage + 0.03, 0.75)  # the most probable class is always in


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_intervals_hold_the_truth_as_often_as_stated(coverage: float) -> None:
    held = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        truth = random.normal(size=400)
        answer = {"value": truth + random.standard_t(3, size=400)}
        learned = calibration.fit(
            NUMBER, truth[:200], {"value": answer["value"][:200]}, None, Settings(coverage=coverage)
        )
        applied = learned.apply({"value": answer["value"][200:]})
        held.append(calibration.found(NUMBER, truth[200:], applied, learned)["coverage"]["found"])
    assert coverage - 0.01 < np.mean(held) < coverage + 0.02


def test_too_few_rows_promise_nothing() -> None:
    truth = np.arange(25.0)
    assert calibration.fit(NUMBER, truth, {"value": truth}, None, Settings(coverage=0.99)).reach is None
    assert "low" not in calibration.Trust().apply({"value": truth})


def test_the_threshold_is_the_best_for_its_metric() -> None:
    random = np.random.default_rng(0)
    second = random.beta(1, 6, 2000)  # few rows are of the second class
    truth = (random.random(2000) < second).astype(np.int64)
    answer = {"probability": np.stack([1 - second, second], 1)}
    learned = calibration.fit(CLASSES, truth, answer, None, Settings(threshold="f1"))
    assert learned.threshold is not None and learned.threshold < 0.4
    chosen = learned.apply(answer)["choice"]
    best = max(f1_score(truth, second >= cut) for cut in np.linspace(0.05, 0.6, 100))
    assert f1_score(truth, chosen) >= best - 0.01


@pytest.mark.parametrize("seed", range(10))
def test_few_rows_that_are_all_right_make_no_answer_surer(seed: int) -> None:
    """On 27 validation rows of wine, which had chosen the epoch, a temperature of 0.22 once made test answers far too sure."""
    truth, shown = drawn(27, sharp=3.0, seed=seed)
    sure = np.full_like(shown, 0.02)
    sure[np.arange(27), truth] = 0.96
    assert calibration.fit(CLASSES, truth, {"probability": sure}, None, Settings()).temperature >= 1.0


@pytest.mark.parametrize("seed", range(5))
def test_answers_that_are_rightly_sure_stay_so(seed: int) -> None:
    """Platt's doubt alone once took a temperature of 2.2, by which the ): ): validation log-loss rose from 0.041 to 0.054."""
    random = np.random.default_rng(seed)
    logits = random.normal(-10, 12, 120)
    second = 1 / (1 + np.exp(-logits))
    truth = (random.random(120) < second).astype(np.int64)
    learned = calibration.fit(CLASSES, truth, {"probability": np.stack([1 - second, second], 1)}, None, Settings())
    assert learned.temperature == 1.0 and learned.log_loss_after == learned.log_loss_before


def test_who_names_a_purpose_is_told_how_well_it_is_served(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=400)
    rows = [{"x": float(v), "y": "yes" if v + draw.normal() > 1.2 else "no"} for v in x]
    with listening(said := []):
        nw.train(rows, target="y", model="linear", output=tmp_path / "run", settings={"trust": {"threshold": "f1"}})
    (verdict,) = [event for event in said if event.name == "verdict"]
    assert verdict.data["metric"] == "f1" and verdict.text.endswith("baselines use a threshold of 0.5")
    found = Found.read(Run.open(tmp_path / "run"))
    assert sentence(shown(found, "y")).startswith("The network reaches ") and shown(found, "y").metric == "f1"


def test_a_threshold_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    rows = {"x": [k % 7 / 3 for k in range(90)], "y": ["a", "b", "c"] * 30}
    said: list[Event] = []
    with listening(said), pytest.raises(InputError, match="trust.threshold: there are 3 classes"):
        nw.train(rows, target="y", output=tmp_path / "run", settings={"trust": {"threshold": "f1"}})
    assert "network" not in [event.name for event in said] and not (tmp_path / "run").exists()
    two = {"x": [k % 7 / 3 for k in range(90)], "y": ["a", "b"] * 45}
    with pytest.raises(InputError, match="trust.threshold: 'f2' is not a metric for"):
        nw.train(two, target="y", output=tmp_path / "run", settings={"trust": {"threshold": "f2"}})


def test_a_threshold_for_what_has_none_is_refused() -> None:
    truth, shown = drawn(100, sharp=1.0)
    with pytest.raises(InputError, match=r"trust.threshold: there are 3 classes. Allowed: a target of two classes"):
        calibration.fit(THREE, truth, {"probability": shown}, None, Settings(threshold="f1"))
    two, both = drawn(100, sharp=1.0, classes=2)
    with pytest.raises(InputError, match="trust.threshold: log_loss does not depend on a threshold. Allowed: accuracy"):
        calibration.fit(CLASSES, two, {"probability": both}, None, Settings(threshold="log_loss"))
