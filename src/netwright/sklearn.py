"""netwright in scikit-learn's manners: `NetClassifier` and `NetRegressor`, for pipelines, searches and cross-validation.

They go the way of `netwright train`, in memory: no run folder, and no file, is left. n rows, d columns, k classes.

>>> from sklearn.datasets import load_iris
>>> X, y = load_iris(return_X_y=True)
>>> bool(NetClassifier(model="linear", random_state=0).fit(X, y).score(X, y) > 0.9)
True
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors.torch import load, save
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from netwright.data import readers
from netwright.data.schema import Fitted
from netwright.data.splits import Parts
from netwright.data.table import Table
from netwright.errors import InputError, Problem
from netwright.evaluation.calibration import Trust
from netwright.evaluation.evaluate import learn
from netwright.inference.model import Model, answers, assemble, fill, precisely
from netwright.recipe import Recipe, validate
from netwright.runtime.plan import Plan
from netwright.training import pipeline, selection
from netwright.training.pipeline import Project
from netwright.training.processes import World

__all__ = ["NetClassifier", "NetRegressor"]

_OURS = ("data", "target", "weight")  # settings of a recipe that fit's own arguments say
_FEW = 20  # rows below which none are held back to choose the best weights: they would be one or two


class _Net(BaseEstimator):
    """What both estimators share: how rows come in, and how a network is fitted, asked and kept."""

    def __init__(
        self,
        *,
        model: str | Mapping[str, Any] | None = None,
        epochs: int | None = None,
        batch_size: int | str | None = None,
        learning_rate: float | None = None,
        random_state: Any = None,
        verbose: int = 0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose
        self.settings = settings

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True  # missing values stay missing, and the network is told of them
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """A fitted network as texts and bytes: what is pickled holds nothing of torch."""
        state: Any = super().__getstate__()
        if "model_" in state:
            state = {**state, "model_": _kept(state["model_"])}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if isinstance(state.get("model_"), dict):
            state = {**state, "model_": _revived(state["model_"])}
        super().__setstate__(state)

    def _rows(self, X: Any, y: Any = "no_validation", *, fitting: bool) -> tuple[Any, Any]:
        """Return X, and y where there is one, after scikit-learn's own checks; frames keep their columns' types."""
        if _is_frame(X):
            validate_data(self, X, y, reset=fitting, skip_check_array=True)
            if fitting:
                if y is None:
                    check_array(y)  # raises, in scikit-learn's words
                check_consistent_length(X, y)
            return X, y
        least = 2 if fitting else 1
        form = {"dtype": None, "ensure_all_finite": "allow-nan", "ensure_min_samples": least}
        found = validate_data(self, X, y, reset=fitting, **(form | ({"multi_output": True} if fitting else {})))
        X, y = found if fitting else (found, None)
        if X.dtype.kind in "biufc" and not np.isfinite(X[~np.isnan(X)] if X.dtype.kind == "f" else X).all():
            assert_all_finite(X, allow_nan=True)
        named = None if fitting else getattr(self, "feature_names_in_", None)
        if named is not None:  # fitted on a frame, asked with an array
            X = pl.DataFrame({name: X[:, k] for k, name in enumerate(named)})
        return X, y

    def _fit(self, X: Any, targets: Any, columns: Mapping[str, Any], sample_weight: Any) -> None:
        """Train on rows and targets that were checked; `columns` says the kinds of the targets."""
        table = replace(readers.read((X, targets)), fingerprint="")  # without one nothing is kept in the cache
        values = self._declared(table, X, columns)
        if sample_weight is not None:
            values["weight"] = _unused("sample_weight", table)
            weights = pl.Series(values["weight"], _check_sample_weight(sample_weight, table.frame))
            table = replace(table, frame=table.frame.with_columns(weights))
        with self._heard():
            recipe = validate(Recipe, values)
            described = pipeline.describe_rows(recipe, pipeline.read(recipe, table))
            parts = _with_every_class(described, pipeline.divide(described))
            if recipe.model.get("family") == selection.NAME:
                described = replace(described, recipe=selection.pick(described, parts, World())[0])
            work = pipeline.prepare_rows(described, parts)
            network, plan, self.history_ = pipeline.train(
                work, plan=None, kept=None, module=None, world=World(), ready=lambda plan: None
            )
            self.model_ = Model(network, work.fitted, work.recipe, plan)
            learn(work, self.model_)

    def _declared(self, table: Table, X: Any, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Return the recipe's values: the estimator's parameters over its `settings`, over what suits arrays."""
        values: dict[str, Any] = copy.deepcopy(dict(self.settings or {}))
        said = [name for name in _OURS if name in values]
        if said:
            raise InputError(
                *(Problem(f"settings.{name}", "is what fit is given", fix="leave it out") for name in said)
            )
        names = [name for name in table.columns if name not in columns]
        # an array's columns are numbers, whatever they look like; of a frame's, the kinds are found
        known = (
            {} if _is_frame(X) else {name: {"kind": "number"} for name in names if table.frame[name].dtype.is_numeric()}
        )
        given = values.get("columns") or {}
        values["columns"] = {
            **known,
            **given,
            **{name: {**given.get(name, {}), **kind} for name, kind in columns.items()},
        }
        values["target"] = tuple(columns)
        if self.model is not None:
            values["model"] = dict(self.model) if isinstance(self.model, Mapping) else self.model
        held = 0.0 if len(table) < _FEW else None
        values["split"] = {"test": 0.0, **({} if held is None else {"validation": held}), **(values.get("split") or {})}
        own = {"epochs": self.epochs, "batch_size": self.batch_size, "learning_rate": self.learning_rate}
        training = {
            **(values.get("training") or {}),
            **{name: value for name, value in own.items() if value is not None},
        }
        if self.random_state is not None or "seed" not in training:
            training["seed"] = _seed(self.random_state)
        values["training"] = training
        return values

    def _answers(self, X: Any) -> tuple[Model, dict[str, dict[str, np.ndarray]]]:
        """Return the model and what its heads answer for X, by target key.

        Computed in float64: with a row's order or company the last bit of a float32 product may change (it does on AMD),
        and scikit-learn's estimators answer a row alike whatever stands beside it.
        """
        check_is_fitted(self)
        X, _ = self._rows(X, fitting=False)
        model: Model = self.model_
        with self._heard():
            table = replace(readers.read(X), fingerprint="")
            network, plan = (
                copy.deepcopy(model.network).double(),
                model.plan.model_copy(update={"precision": "float64"}),
            )
            return model, model.trusted(answers(network, model.fitted.encode(table), len(table), plan))

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Within the block, what is said is shown in the terminal where `verbose` asks for it."""
        if not self.verbose:
            yield
            return
        from netwright.runtime.console import rendering

        with rendering():
            yield


class NetClassifier(ClassifierMixin, _Net):
    """A network that predicts a class.

    `model`: a family's name or a dict of its settings (None: chosen, and the reason said); `epochs`, `batch_size`,
    `learning_rate`: as in the recipe (None: chosen); `random_state`: the seed; `verbose`: 1 shows what is said;
    `settings`: any other setting of the recipe, as nested dicts, such as `{"training": {"optimizer": "sgd"}}`; the
    target is the column `y`.

    An array's columns are numbers; a pandas or polars frame may also hold texts, categories and dates, whose kinds are
    found as from a file. Missing values may stand in all of them. Where there are 20 rows or more, a share of them
    (`settings={"split": {"validation": 0.15}}`) chooses the best weights and, where they
    are enough, calibrates the probabilities.

    After `fit`: `classes_` (k,), `n_features_in_`, `feature_names_in_` (of a frame), `model_` (a `netwright.Model`),
    `history_` (a dict for each epoch).

    >>> rows = np.array([[0.0], [0.1], [0.9], [1.0]] * 8)
    >>> net = NetClassifier(model="linear", random_state=0).fit(rows, ["no", "no", "yes", "yes"] * 8)
    >>> net.predict([[0.0], [1.0]]).tolist(), net.predict_proba([[0.0], [1.0]]).shape
    (['no', 'yes'], (2, 2))
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetClassifier:
        """Train on X (n, d) and the classes y (n,), rows weighted by `sample_weight` (n,).

        Raises `ValueError` (`InputError` for settings) for what cannot be learnt from.

        >>> NetClassifier(model="linear").fit([[0], [1]], ["a", "a"])
        Traceback (most recent call last):
        ValueError: y holds one class only: 'a'...
        """
        X, y = self._rows(X, y, fitting=True)
        y = column_or_1d(y, warn=True)
        _without_missing(y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class only: {self.classes_[0]!r}; a classifier needs two")
        names = _class_names(self.classes_)
        target = pl.Series("y", names)[codes]
        self._fit(X, target, {"y": {"kind": "category", "order": names}}, sample_weight)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability (n, k) of each class, in the order of `classes_`.

        Raises `NotFittedError` before `fit`, `ValueError` for columns that are not those of `fit`.

        >>> X, y = np.arange(40.0)[:, None], np.arange(40) // 20
        >>> NetClassifier(model="linear", random_state=0).fit(X, y).predict_proba(X).sum(1).round(6).tolist() == [1.0] * 40
        True
        """
        _, found = self._answers(X)
        probability = found["target_1"]["probability"].astype(np.float64)
        return probability / probability.sum(1, keepdims=True)  # float32's rounding aside, they sum to 1

    def predict(self, X: Any) -> np.ndarray:
        """Return the class (n,) of each row. Raises as `predict_proba` does.

        >>> X, y = np.arange(40.0)[:, None], np.arange(40) // 20
        >>> NetClassifier(model="linear", random_state=0).fit(X, y).predict([[0.0], [39.0]]).tolist()
        [0, 1]
        """
        _, found = self._answers(X)
        answer = found["target_1"]  # a choice stands in it where settings ask for a threshold
        return self.classes_[answer["choice"] if "choice" in answer else answer["probability"].argmax(1)]


class NetRegressor(RegressorMixin, _Net):
    """A network that predicts a number, or several.

    Parameters and attributes are those of `NetClassifier`, save `classes_`. With y (n, m) the targets are the columns
    `y0` to `y{m-1}`.

    >>> X = np.arange(60.0)[:, None]
    >>> round(float(NetRegressor(model="linear", random_state=0).fit(X, 3 * X[:, 0]).predict([[100.0]])[0]))
    300
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetRegressor:
        """Train on X (n, d) and the numbers y (n,) or (n, m), rows weighted by `sample_weight` (n,).

        Raises `ValueError` (`InputError` for settings) for what cannot be learnt from.

        >>> NetRegressor(model="linear").fit([[0.0], [1.0], [2.0]], [1.0, 2.0, np.nan])
        Traceback (most recent call last):
        ValueError: Input y contains NaN.
        """
        X, y = self._rows(X, y, fitting=True)
        y = np.asarray(check_array(y, ensure_2d=False, dtype="float64", input_name="y"))
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self.single_ = y.ndim == 1
        names = ["y"] if self.single_ else [f"y{k}" for k in range(y.shape[1])]
        self._fit(X, y, {name: {"kind": "number"} for name in names}, sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the number (n,), or the numbers (n, m), of each row. Raises as `NetClassifier.predict_proba` does.

        >>> X = np.arange(60.0)[:, None]
        >>> NetRegressor(model="linear", random_state=0).fit(X, np.hstack([X, -X])).predict(X[:2]).shape
        (2, 2)
        """
        model, found = self._answers(X)
        columns = [kind.decode(found[key]).to_series(0).to_numpy() for key, kind in model.fitted.targets.items()]
        return columns[0] if self.single_ else np.column_stack(columns)


def _is_frame(X: Any) -> bool:
    """Whether X has named columns of their own types."""
    return type(X).__module__.partition(".")[0] in ("pandas", "polars", "pyarrow") and hasattr(X, "columns")


def _class_names(classes: np.ndarray) -> list[str]:
    """Return the classes as texts, which a category takes; by number where two of them read alike."""
    names = [str(name).strip() for name in classes]
    return names if len(set(names)) == len(names) and all(names) else [str(k) for k in range(len(names))]


def _without_missing(y: np.ndarray) -> None:
    """Raise `ValueError` where a class is missing."""
    if y.dtype.kind == "f" or y.dtype == object:
        assert_all_finite(y, input_name="y")
    if y.dtype == object and any(value is None for value in y):
        raise ValueError("Input y contains None")


def _unused(name: str, table: Table) -> str:
    while name in table.columns:
        name += "_"
    return name


def _seed(random_state: Any) -> int:
    """Return a seed: the number itself, else one that is drawn, as scikit-learn's estimators do."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _with_every_class(described: Project, parts: Parts) -> Parts:
    """Return the parts so that each class is among the training rows: a network knows no others."""
    if described.classes is None:
        return parts
    lost = np.setdiff1d(np.unique(described.classes), described.classes[parts.train])
    if not len(lost):
        return parts
    moved = parts.validation[np.isin(described.classes[parts.validation], lost)]
    train = np.sort(np.concatenate([parts.train, moved]))
    return Parts(train, np.setdiff1d(parts.validation, moved), parts.test)


def _kept(model: Model) -> dict[str, Any]:
    """A model as texts and bytes."""
    state = {name: value.detach().cpu().contiguous().clone() for name, value in model.network.state_dict().items()}
    return {
        "recipe": model.recipe.model_dump_json(),
        "kinds": json.dumps(model.fitted.to_json()),
        "plan": model.plan.model_dump_json(),
        "trust": json.dumps({key: trust.to_json() for key, trust in model.trust.items()}),
        "weights": save(state),
    }


def _revived(kept: Mapping[str, Any]) -> Model:
    """What `_kept` gave, as a model; on the processor where its device is not there."""
    recipe, plan = Recipe.model_validate_json(kept["recipe"]), Plan.model_validate_json(kept["plan"])
    fitted = Fitted.from_json(json.loads(kept["kinds"]))
    there = plan.device == "cpu" or (plan.device.startswith("cuda") and torch.cuda.is_available())
    plan = plan if there else plan.model_copy(update={"device": "cpu"})
    with precisely(plan):
        network = assemble(recipe, fitted)
    network = network.double() if plan.precision == "float64" else network
    fill(network, load(kept["weights"]), where="the pickled estimator")
    trust = {key: Trust(**held) for key, held in json.loads(kept["trust"]).items()}
    return Model(network.to(plan.device), fitted, recipe, plan, trust=trust)
