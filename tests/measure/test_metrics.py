"""Each measure equals scikit-learn's; weights count like repeated rows; what is undefined says why."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn import metrics as sk

from netwright.errors import InputError
from netwright.evaluation.metrics import measure, metric, metrics_of, score, selects

N = 300

ANSWER = {"category": "probability", "number": "value", "labels": "probability"}


def _category(classes: int, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Probabilities with ties (rounded), truths drawn from them, weights."""
    random = np.random.default_rng(seed)
    probability = np.round(random.dirichlet(np.ones(classes), N), 2) + 0.01
    probability /= probability.sum(1, keepdims=True)
    truth = (probability.cumsum(1) > random.random((N, 1))).argmax(1)
    return truth, {"probability": probability}, random.integers(1, 4, N).astype(float)


def _number() -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    random = np.random.default_rng(1)
    truth = random.normal(1_000, 3, N)
    return truth, {"value": truth + random.normal(0, 1, N)}, random.integers(1, 4, N).astype(float)


def _labels() -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    random = np.random.default_rng(2)
    truth = (random.random((N, 4)) < [0.5, 0.2, 0.1, 0.0]).astype(np.uint8)  # the last label never stands in a row
    probability = np.clip(0.4 * truth + random.random((N, 4)) * [0.6, 0.6, 0.6, 0.4], 0, 1)
    return truth, {"probability": probability}, random.integers(1, 4, N).astype(float)


def _ece(truth: np.ndarray, given: np.ndarray, w: np.ndarray) -> float:
    """Bin by bin, as Guo et al. 2017 write it."""
    sure, right, total = given.max(1), given.argmax(1) == truth, 0.0
    for low in range(15):
        here = (sure >= low / 15) & ((sure < (low + 1) / 15) | (low == 14))
        if here.any():
            total += w[here].sum() * abs(
                np.average(right[here], weights=w[here]) - np.average(sure[here], weights=w[here])
            )
    return total / w.sum()


CASES = {"number": _number, "labels": _labels, "category 2": lambda: _category(2), "category 5": lambda: _category(5)}


def _expected(case: str, truth: np.ndarray, given: np.ndarray, w: np.ndarray) -> dict[str, float]:
    if case == "number":
        return {
            "r2": sk.r2_score(truth, given, sample_weight=w),
            "mae": sk.mean_absolute_error(truth, given, sample_weight=w),
            "rmse": sk.root_mean_squared_error(truth, given, sample_weight=w),
            "median_absolute_error": sk.median_absolute_error(truth, given, sample_weight=w),
        }
    if case == "labels":
        chosen = (given > 0.5).astype(int)
        columns = range(truth.shape[1])
        return {
            "f1_micro": sk.f1_score(truth, chosen, average="micro", sample_weight=w),
            "f1_macro": sk.f1_score(truth, chosen, average="macro", sample_weight=w, zero_division=np.nan),
            "accuracy": sk.accuracy_score(truth, chosen, sample_weight=w),
            "hamming_loss": sk.hamming_loss(truth, chosen, sample_weight=w),
            "log_loss": float(
                np.mean([sk.log_loss(truth[:, c], given[:, c], sample_weight=w, labels=[0, 1]) for c in columns])
            ),
            "roc_auc": sk.roc_auc_score(truth[:, :3], given[:, :3], average="macro", sample_weight=w),
        }
    chosen, classes = given.argmax(1), given.shape[1]
    scores = given[:, 1] if classes == 2 else given
    out = {
        "accuracy": sk.accuracy_score(truth, chosen, sample_weight=w),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, chosen, sample_weight=w),
        "f1_macro": sk.f1_score(truth, chosen, average="macro", sample_weight=w),
        "log_loss": sk.log_loss(truth, given, sample_weight=w),
        "ece": _ece(truth, given, w),
        "brier": np.average(((given - np.eye(classes)[truth]) ** 2).sum(1), weights=w),
        "roc_auc": sk.roc_auc_score(truth, scores, average="macro", multi_class="ovr", sample_weight=w),
    }
    if classes == 2:
        for name in ("precision", "recall", "f1"):
            out[name] = getattr(sk, f"{name}_score")(truth, chosen, sample_weight=w)
        out["brier"] = sk.brier_score_loss(truth, scores, sample_weight=w)
        out["pr_auc"] = sk.average_precision_score(truth, scores, sample_weight=w)
    return out


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_every_measure_equals_scikit_learn(case: str, weighted: bool) -> None:
    truth, answer, weight = CASES[case]()
    kind = case.split()[0]
    given = answer[ANSWER[kind]]
    expected = _expected(case, truth, given, weight if weighted else np.ones(N))
    assert set(expected) == set(metrics_of(kind, given.shape[-1]))
    got = measure(kind, truth, answer, weight=weight if weighted else None)
    for name, value in expected.items():
        assert score(kind, name, truth, answer, weight if weighted else None) == pytest.approx(value, abs=1e-10), name
        assert got[name]["value"] == pytest.approx(value, abs=1e-10), name


@pytest.mark.parametrize("case", CASES)
def test_a_weight_of_two_is_a_row_twice_and_a_weight_of_zero_no_row(case: str) -> None:
    truth, answer, weight = CASES[case]()
    weight = weight - 1
    kind = case.split()[0]
    often = np.repeat(np.arange(N), weight.astype(int))
    repeated = {name: values[often] for name, values in answer.items()}
    for name in metrics_of(kind, answer[ANSWER[kind]].shape[-1]):
        once = score(kind, name, truth, answer, weight)
        assert once == pytest.approx(score(kind, name, truth[often], repeated), abs=1e-10), name


@pytest.mark.parametrize("classes", [2, 4])
def test_rows_of_one_class_leave_roc_auc_undefined_with_a_reason(classes: int) -> None:
    answer = {"probability": np.full((5, classes), 1 / classes)}
    got = measure("category", np.zeros(5, int), answer)
    assert got["roc_auc"] == {"value": None, "low": None, "high": None, "reason": "the rows are all of one class"}
    assert got["accuracy"] == pytest.approx({"value": 1.0, "low": 0.5655, "high": 1.0}, abs=1e-4)
    assert np.isnan(score("category", "roc_auc", np.zeros(5, int), answer))


def test_without_rows_of_the_second_class_its_measures_are_undefined() -> None:
    got = measure("category", np.zeros(3, int), {"probability": np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])})
    for name in ("precision", "recall", "f1", "pr_auc"):
        assert got[name]["value"] is None and got[name]["reason"] == "no row is of the second class"


def test_precision_is_zero_where_the_second_class_is_never_answered() -> None:
    answer = {"probability": np.array([[0.9, 0.1], [0.8, 0.2]])}
    assert score("category", "precision", np.array([0, 1]), answer) == 0


def test_classes_that_the_rows_lack_do_not_count_in_roc_auc() -> None:
    truth, answer, _ = _category(5)
    some = truth != 4
    parts = [sk.roc_auc_score(truth[some] == c, answer["probability"][some, c]) for c in range(4)]
    got = score("category", "roc_auc", truth[some], {"probability": answer["probability"][some]})
    assert got == pytest.approx(np.mean(parts))


def test_equal_truths_leave_r2_undefined_but_not_the_errors() -> None:
    got = measure("number", np.full(4, 0.1), {"value": np.array([0.1, 0.2, 0.3, 0.4])})
    assert got["r2"]["value"] is None and got["r2"]["reason"] == "the true values are all equal"
    assert got["mae"]["value"] == pytest.approx(0.15)


def test_labels_that_stand_nowhere_leave_f1_and_roc_auc_undefined() -> None:
    got = measure("labels", np.zeros((3, 2), int), {"probability": np.full((3, 2), 0.1)})
    assert {name for name, each in got.items() if each["value"] is None} == {"f1_micro", "f1_macro", "roc_auc"}
    assert got["accuracy"]["value"] == 1.0


def test_no_rows_no_weight_and_answers_that_are_no_numbers_are_told() -> None:
    none = measure("number", np.zeros(0), {"value": np.zeros(0)})
    assert none["mae"]["reason"] == "there are no rows"
    lost = measure("number", np.zeros(3), {"value": np.array([1.0, np.nan, np.inf])})
    assert lost["rmse"] == {"value": None, "low": None, "high": None, "reason": "2 predictions are not finite"}
    assert np.isnan(score("number", "rmse", np.zeros(3), {"value": np.array([1.0, np.nan, np.inf])}))
    weightless = measure("number", np.zeros(3), {"value": np.zeros(3)}, weight=np.zeros(3))
    assert weightless["mae"]["reason"] == "the rows' weights sum to 0"


def test_a_wrong_class_held_for_impossible_has_a_finite_log_loss() -> None:
    answer = {"probability": np.array([[1.0, 0.0]])}
    expected = sk.log_loss([1], answer["probability"], labels=[0, 1])
    assert score("category", "log_loss", np.array([1]), answer) == pytest.approx(expected)


def test_shapes_never_broadcast() -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 1\) does not fit the truth's, \(3,\), of a number"):
        score("number", "mae", np.zeros(3), {"value": np.zeros((3, 1))})
    with pytest.raises(ValueError, match="does not fit"):
        score("category", "accuracy", np.zeros(3, int), {"probability": np.zeros((1, 2))})


def test_the_nearest_right_name_is_told() -> None:
    with pytest.raises(InputError, match=r"did you mean accuracy\?"):
        metric("category", "acuracy", 3)
    with pytest.raises(InputError, match="'pr_auc' is not a metric for a category target of 3 classes"):
        metric("category", "pr_auc", 3)
    with pytest.raises(InputError, match=r"did you mean number\?"):
        metrics_of("nmber")


def test_what_selects_exists_and_says_which_way_is_better() -> None:
    assert {metric(kind, selects(kind)).better for kind in ANSWER} == {"lower"}


def test_measuring_loads_no_scikit_learn() -> None:
    code = "import sys, netwright.evaluation.metrics; assert not {'sklearn', 'scipy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_warns_on_hard_rows() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows in (1, 2, 3):
            measure("category", np.arange(rows) % 2, {"probability": np.eye(2)[np.zeros(rows, int)]})
            measure("number", np.arange(rows) * 1.0, {"value": np.zeros(rows)})
            measure("labels", np.eye(3, dtype=int)[:rows], {"probability": np.zeros((rows, 3))})
