"""How good answers are: measures by the target's kind, with 95 % intervals. No torch.

| kind | truth | answer |
|---|---|---|
| category | (n,) class numbers 0 ... C-1 | {"probability": (n, C)} |
| number | (n,) in the target's own unit | {"value": (n,)} in the same unit |
| labels | (n, C) 0/1 | {"probability": (n, C)} |

>>> truth, answer = np.array([0, 1, 1]), {"probability": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])}
>>> round(score("category", "accuracy", truth, answer), 3)
0.667
>>> measure("category", truth, answer, names=["accuracy"])["accuracy"]["high"]
1.0
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from netwright.errors import InputError, Problem, nearest
from netwright.measure import bootstrap, category, labels, number
from netwright.measure.base import Metric

__all__ = ["ANSWERS", "SELECTS", "Metric", "measure", "metric", "metrics_of", "score"]

SELECTS = {"category": "log_loss", "number": "rmse", "labels": "log_loss"}
"""The measure that selects the best weights, by the target's kind, where the user names none."""

ANSWERS = {"category": "probability", "number": "value", "labels": "probability"}
"""What the answer's array is called."""

_KINDS = {"category": category.metrics, "number": number.metrics, "labels": labels.metrics}


def metrics_of(kind: str, classes: int = 0) -> dict[str, Metric]:
    """Return all measures of a target kind by name; two classes have some more. Raises `InputError` for other kinds."""
    if kind not in _KINDS:
        raise InputError(Problem("target", f"answers of kind {kind!r} are not measured", fix=nearest(kind, _KINDS)))
    return {found.name: found for found in _KINDS[kind](classes)}


def metric(kind: str, name: str, classes: int = 0, *, setting: str = "training.metric") -> Metric:
    """Return one measure. Raises `InputError` with the nearest right name where there is none, naming the `setting`.

    >>> metric("number", "RMSE".lower()).better
    'lower'
    """
    known = metrics_of(kind, classes)
    if name not in known:
        what = f"{name!r} does not measure a {kind} target" + (f" of {classes} classes" if classes else "")
        raise InputError(Problem(setting, what, allowed=", ".join(known), fix=nearest(name, known)))
    return known[name]


def score(
    kind: str, name: str, truth: np.ndarray, answer: Mapping[str, np.ndarray], weight: np.ndarray | None = None
) -> float:
    """Return one measure quickly; NaN where it is undefined on these rows or the answer holds NaN or infinity."""
    given = _given(kind, truth, answer)
    chosen = metric(kind, name, _classes(given))
    if not len(truth) or not np.isfinite(given).all():
        return float("nan")
    return chosen.value(np.asarray(truth), _decided(given, answer) if chosen.decides else given, weight)


def measure(
    kind: str, truth: np.ndarray, answer: Mapping[str, np.ndarray], *, weight: np.ndarray | None = None, seed: int = 0,
    names: Iterable[str] | None = None,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Return {name: {"value", "low", "high"}} of all measures, or of those named.

    `low` and `high` bound a 95 % percentile bootstrap interval over rows of 1,000 resamples (fewer for many rows or
    classes: `bootstrap.resamples`), the same for the same seed. It tells how much another test set of this size would
    move the value, not how much another training would. Where a measure is undefined all three are None, and `reason`
    says why.
    """
    given, truth = _given(kind, truth, answer), np.asarray(truth)
    classes = _classes(given)
    chosen = {name: metric(kind, name, classes) for name in (metrics_of(kind, classes) if names is None else names)}
    if reason := _unusable(truth, given, weight):
        return {name: _undefined(reason) for name in chosen}
    weights = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    decided = _decided(given, answer)
    ready = {name: each.prepare(truth, decided if each.decides else given) for name, each in chosen.items()}
    values = {name: float(over(weights[:, None])[0]) for name, over in ready.items()}
    defined = {name: ready[name] for name, value in values.items() if np.isfinite(value)}
    passes = 1 if classes <= 2 and kind == "category" else max(classes, 1)
    counts = {name: bootstrap.resamples(len(truth), classes=passes, sorts=chosen[name].sorts) for name in defined}
    bounds = bootstrap.intervals(defined, counts, weight=weights, seed=seed)
    return {
        name: {"value": values[name], "low": bounds[name][0], "high": bounds[name][1]}
        if name in defined
        else _undefined(each.undefined)
        for name, each in chosen.items()
    }


def _given(kind: str, truth: np.ndarray, answer: Mapping[str, np.ndarray]) -> np.ndarray:
    """The answer's array as float64; its shape must fit the truth's, so that nothing broadcasts."""
    metrics_of(kind)  # names the nearest kind where this one is unknown
    given = np.asarray(answer[ANSWERS[kind]], np.float64)
    fits = given.shape[:1] == truth.shape and given.ndim == 2 if kind == "category" else given.shape == truth.shape
    if not fits:
        raise ValueError(
            f"the answers' shape {given.shape} does not fit the truth's, {truth.shape}, of a {kind} target"
        )
    return given


def _decided(given: np.ndarray, answer: Mapping[str, np.ndarray]) -> np.ndarray:
    """The answer as the classes that were chosen, where a threshold chose them."""
    return np.eye(given.shape[1])[answer["choice"]] if "choice" in answer else given


def _classes(given: np.ndarray) -> int:
    return given.shape[1] if given.ndim == 2 else 0


def _unusable(truth: np.ndarray, given: np.ndarray, weight: np.ndarray | None) -> str:
    """Say why these rows cannot be measured at all, or nothing."""
    if not len(truth):
        return "there are no rows"
    if not np.isfinite(given).all():
        return f"{int((~np.isfinite(given)).reshape(len(given), -1).any(1).sum()):,} answers are not finite numbers"
    return "the rows' weights sum to 0" if weight is not None and not np.sum(weight) > 0 else ""


def _undefined(reason: str) -> dict[str, Any]:
    return {"value": None, "low": None, "high": None, "reason": reason}
