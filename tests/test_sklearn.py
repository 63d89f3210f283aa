"""The estimators in scikit-learn's manners: its own checks, and what people do with estimators."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import netwright as nw
from netwright.sklearn import NetClassifier, NetRegressor

SMALL: dict[str, Any] = {
    "model": {"family": "mlp", "width": 32, "members": 1},
    "epochs": 30,
    "learning_rate": 0.03,
    "random_state": 0,
    "settings": {"plan": {"threads": 1}},
}
LINEAR: dict[str, Any] = {"model": "linear", "random_state": 0, "settings": {"plan": {"threads": 1}}}
# columns are scaled, batches drawn and the rows that choose the weights held back row by row: a weight counts in the
# loss and in the score alone, so that a row of weight 2 is not the same as the row twice
EXPECTED = {"check_sample_weight_equivalence_on_dense_data": "weights weigh the loss; scaling and batches count rows"}
ESTIMATORS = [NetClassifier(**SMALL), NetClassifier(**LINEAR), NetRegressor(**LINEAR)]
X, y = load_iris(return_X_y=True)


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: EXPECTED)
@pytest.mark.filterwarnings("default")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


# --- classes and probabilities ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "classes",
    [[10, -3, 7], [1.0, 2.0, 30.0], ["", "x", "y"], ["a", " a", "b"], ["1", "1.0", "x"], [False, True]],
    ids=str,
)
def test_classes_stay_what_they_are(classes):
    labels = np.array(classes)[y % len(classes)]
    net = NetClassifier(**LINEAR).fit(X, labels)
    assert net.classes_.dtype == labels.dtype and net.classes_.tolist() == sorted(classes)
    assert net.score(X, labels) > 0.7
    assert net.predict(X).tolist() == net.classes_[net.predict_proba(X).argmax(1)].tolist()


def test_a_class_of_one_row_is_learnt():
    labels = np.array([*"ab" * 30, "c"])
    rows = np.arange(61.0)[:, None]
    for seed in range(5):
        net = NetClassifier(**(LINEAR | {"random_state": seed})).fit(rows, labels)
        assert net.predict_proba(rows).shape == (61, 3)


def test_probabilities_are_calibrated_and_a_threshold_is_kept():
    labels = np.where(y == 1, "yes", "no")
    net = NetClassifier(**(LINEAR | {"settings": {"trust": {"threshold": "recall"}}})).fit(X, labels)
    again = pickle.loads(pickle.dumps(net))
    assert net.model_.trust["target_1"].threshold is not None and again.model_.trust == net.model_.trust
    assert (again.predict(X) == net.predict(X)).all() and (net.predict(X)[labels == "yes"] == "yes").mean() > 0.9


def test_the_family_may_be_tried_out():
    assert NetClassifier(**(LINEAR | {"model": "auto", "epochs": 2})).fit(X, y).score(X, y) > 0.6


def test_several_numbers():
    both = np.column_stack([X[:, 0], 2 * X[:, 1]])
    net = NetRegressor(**LINEAR).fit(X, both)
    assert np.abs(net.predict(X) - both).max() < 1e-3


def test_weights_of_rows_count():
    weight = (y != 2).astype(float)
    assert set(NetClassifier(**LINEAR).fit(X, y, sample_weight=weight).predict(X)) == {0, 1}


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    n = 120
    held = pd.DataFrame(
        {
            "age": random.normal(40, 10, n),
            "city": random.choice(["Rome", "Bonn", None], n),
            "day": pd.date_range("2024-01-01", periods=n),
            "kind": pd.Categorical(random.choice(["p", "q"], n)),
        }
    )
    held.loc[::7, "age"] = np.nan
    return held


@pytest.mark.parametrize("library", [pd.DataFrame, pl.from_pandas])
def test_frames_of_texts_dates_and_gaps(frame, library):
    labels = np.where((frame["city"] == "Rome") | (frame["age"] > 50), "yes", "no")
    rows = library(frame)
    net = NetClassifier(**LINEAR).fit(rows, labels)
    assert net.feature_names_in_.tolist() == ["age", "city", "day", "kind"] and net.n_features_in_ == 4
    assert net.score(rows, labels) > 0.85
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(rows[["city", "age", "day", "kind"]])


def test_missing_numbers_are_allowed_and_infinite_ones_refused():
    gaps = np.where(X > 6, np.nan, X)
    assert NetClassifier(**LINEAR).fit(gaps, y).score(gaps, y) > 0.9
    with pytest.raises(ValueError, match="infinity"):
        NetClassifier(**LINEAR).fit(np.where(X > 6, np.inf, X), y)


def test_an_array_is_asked_of_an_estimator_that_was_fitted_on_a_frame():
    net = NetClassifier(**LINEAR).fit(pd.DataFrame(X, columns=list("abcd")), y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert (net.predict(X) == net.predict(pd.DataFrame(X, columns=list("abcd")))).all()


def test_columns_of_arrays_are_numbers_whatever_they_look_like():
    rows = np.column_stack(
        [np.arange(60), np.zeros(60), np.arange(60) % 2]
    )  # like an identifier, constant, like a category
    net = NetClassifier(**LINEAR).fit(rows, np.arange(60) // 30)
    assert set(net.model_.fitted.inputs) == {"number"} and net.model_.fitted.left_out == {}


def test_an_array_of_objects_may_hold_texts():
    rows = np.array([[1.0, "a"], [2.0, "b"], [None, "a"], [3.0, None]] * 10, dtype=object)
    assert NetClassifier(**LINEAR).fit(rows, [0, 1, 0, 1] * 10).score(rows, [0, 1, 0, 1] * 10) == 1


# --- with scikit-learn's own tools ------------------------------------------------------------------------------------


def test_cross_validation_pipelines_and_searches():
    assert cross_val_score(NetClassifier(**LINEAR), X, y, cv=3).min() > 0.9
    pipeline = make_pipeline(StandardScaler(), NetClassifier(**SMALL))
    grid = {"netclassifier__model": ["linear", {"family": "mlp", "width": 8, "members": 1}]}
    assert GridSearchCV(pipeline, grid, cv=2).fit(X, y).best_score_ > 0.8


@pytest.mark.parametrize("make", [lambda: NetClassifier(**SMALL), lambda: NetRegressor(**LINEAR)])
def test_what_is_pickled_answers_alike_and_holds_nothing_of_torch(make: Callable[[], Any]):
    net = make().fit(X, y)
    held = pickle.dumps(net)
    assert b"torch" not in held
    assert (pickle.loads(held).predict(X) == net.predict(X)).all()
    assert not hasattr(pickle.loads(pickle.dumps(make())), "model_")


def test_one_seed_gives_one_network():
    first, again, other = (
        NetRegressor(**(LINEAR | SMALL | {"random_state": seed, "epochs": 2})).fit(X, X[:, 0]).predict(X)
        for seed in (1, 1, 2)
    )
    assert (first == again).all() and (first != other).any()


def test_a_clone_is_unfitted_and_alike():
    net = clone(NetClassifier(**SMALL).fit(X, y))
    assert net.get_params() == SMALL | {"batch_size": None, "verbose": 0} and not hasattr(net, "model_")


def test_parameters_go_before_settings():
    settings = {"training": {"epochs": 9, "batch_size": 16, "seed": 4}, "split": {"validation": 0.5}}
    net = NetClassifier(model=SMALL["model"], epochs=2, settings=settings).fit(X, y)
    training = net.model_.recipe.training
    assert (training.epochs, training.batch_size, training.seed, len(net.history_)) == (2, 16, 4, 2)
    assert settings["training"] == {"epochs": 9, "batch_size": 16, "seed": 4}


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "cache"))
    before = torch.get_num_threads()
    texts = pd.DataFrame({"review": [f"a {('dull', 'fine')[k % 2]} film, scene {k}" for k in range(40)]})
    net = NetClassifier(**LINEAR).fit(texts, np.arange(40) % 2)
    assert net.score(texts, np.arange(40) % 2) > 0.9
    assert not list(tmp_path.iterdir()) and torch.get_num_threads() == before


def test_what_is_said_is_shown_where_it_is_asked_for(capsys):
    NetClassifier(**LINEAR).fit(X, y)
    assert capsys.readouterr() == ("", "")
    NetClassifier(**LINEAR, verbose=1).fit(X, y)
    assert "127 training rows, 23 validation" in capsys.readouterr().err


def test_the_names_come_with_netwright():
    assert nw.sklearn.NetClassifier is NetClassifier


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"model": "mpl"}, "there is no family 'mpl'"),
        ({"settings": {"training": {"epoch": 3}}}, "training.epoch: there is no such setting"),
        ({"settings": {"target": "a"}}, "settings.target: is what fit is given"),
        ({"batch_size": 1000}, "training.batch_size: 1000 is above the 127 training rows"),
        ({"random_state": -1}, "training.seed: got -1"),
    ],
)
def test_parameters_that_are_refused(parameters, says):
    with pytest.raises(nw.InputError, match=says):
        NetClassifier(**parameters).fit(X, y)


@pytest.mark.parametrize(
    ("rows", "labels", "says"),
    [
        (X, np.zeros(150), "one class only"),
        (X, X[:, 0], "continuous"),
        (X, ["a", "b", None] * 50, "(?i)none|unknown"),
        (pd.DataFrame(X), y[:5], "inconsistent numbers of samples"),
        (pd.DataFrame({"y": X[:, 0]}), y, "already has the column y"),
        (X, np.column_stack([y, y]), "y should be a 1d array"),
    ],
)
def test_rows_that_are_refused(rows, labels, says):
    with pytest.raises(ValueError, match=says):
        NetClassifier(**LINEAR).fit(rows, labels)


def test_sparse_rows_are_refused_with_the_way_out():
    with pytest.raises(TypeError, match="toarray"):
        NetRegressor(**LINEAR).fit(csr_matrix(load_diabetes().data), load_diabetes().target)
