"""How good answers are: measures by the target's kind, with 95 % intervals. No torch.

| kind | truth | answer |
|---|---|---|
| category | (n,) class numbers 0 ... C-1 | {"probability": (n, C)} |
| number | (n,) in the target's own unit | {"value": (n,)} in the same unit |
| labels | (n, C) 0/1 | {"probability": (n, C)} |

One file each for other kinds. A module gives `SELECTS`, `HEADLINE`, `metrics(classes)` and `form(truth, answer)`.

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

from netwright import registry
from netwright.errors import InputError, Problem, nearest
from netwright.evaluation.metrics import bootstrap
from netwright.evaluation.metrics.base import Metric

HELPERS = ("base", "bootstrap", "written")

__all__ = ["Metric", "headline", "measure", "metric", "metrics_of", "score", "selects"]


def selects(kind: str) -> str:
    """Return the measure that selects the best weights for a target kind, where the user names none.

    >>> selects("number")
    'rmse'
    """
    return _of(kind).SELECTS


def headline(kind: str, there: Iterable[str]) -> str:
    """Return the measure that a result is told by: the target kind's first one that is `there`.

    >>> headline("category", ["accuracy", "brier"])
    'accuracy'
    """
    known = list(there)
    return next((name for name in _of(kind).HEADLINE if name in known), known[0] if known else "")


def metrics_of(kind: str, classes: int = 0) -> dict[str, Metric]:
    """Return all measures of a target kind by name; two classes have some more. Raises `InputError` for other kinds."""
    return {found.name: found for found in _of(kind).metrics(classes)}


def _of(kind: str) -> Any:
    if kind not in registry.names("metrics"):
        fix = nearest(kind, registry.names("metrics"))
        raise InputError(Problem("target", f"answers of kind {kind!r} are not measured", fix=fix))
    return registry.find("metrics", kind)


def metric(kind: str, name: str, classes: int = 0, *, setting: str = "training.metric") -> Metric:
    """Return one measure. Raises `InputError` with the nearest right name where there is none, naming the `setting`.

    >>> metric("number", "RMSE".lower()).better
    'lower'
    """
    known = metrics_of(kind, classes)
    if name not in known:
        what = f"{name!r} is not a metric for a {kind} target" + (f" of {classes} classes" if classes else "")
        raise InputError(Problem(setting, what, allowed=", ".join(known), fix=nearest(name, known)))
    return known[name]


def score(
    kind: str, name: str, truth: np.ndarray, answer: Mapping[str, np.ndarray], weight: np.ndarray | None = None
) -> float:
    """Return one measure quickly; NaN where it is undefined on these rows or the answer holds NaN or infinity."""
    form = _of(kind).form(truth, answer)
    chosen = metric(kind, name, form.classes)
    if not len(truth) or form.wrong:
        return float("nan")
    return chosen.value(truth, form.decided if chosen.decides else form.given, weight)


def measure(
    kind: str, truth: np.ndarray, answer: Mapping[str, np.ndarray], *, weight: np.ndarray | None = None, seed: int = 0,
    names: Iterable[str] | None = None,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Return {name: {"value", "low", "high"}} of all measures, or of those named.

    `low` and `high` bound a 95 % percentile bootstrap interval over rows of 1,000 resamples (fewer for many rows or
    classes: `bootstrap.resamples`), the same for the same seed, and of shares of rows at least Wilson's. It tells how much another test set of this size would
    move the value, not how much another training would. Where a measure is undefined all three are None, and `reason`
    says why.
    """
    form = _of(kind).form(truth, answer)
    every = {
        name: each
        for name, each in metrics_of(kind, form.classes).items()
        if not each.needs or each.needs in answer or each.needs in form.holds
    }
    chosen = every if names is None else {name: metric(kind, name, form.classes) for name in names}
    if reason := form.wrong if len(truth) else "there are no rows":
        return {name: _undefined(reason) for name in chosen}
    if weight is not None and not np.sum(weight) > 0:
        return {name: _undefined("the rows' weights sum to 0") for name in chosen}
    weights = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    ready = {name: each.prepare(truth, form.decided if each.decides else form.given) for name, each in chosen.items()}
    values = {name: float(over(weights[:, None])[0]) for name, over in ready.items()}
    defined = {name: ready[name] for name, value in values.items() if np.isfinite(value)}
    counts = {name: bootstrap.resamples(len(truth), classes=form.passes, sorts=chosen[name].sorts) for name in defined}
    bounds = bootstrap.intervals(defined, counts, weight=weights, seed=seed)
    shares = {name: bootstrap.widened(bounds[name], values[name], weights) for name in defined if chosen[name].share}
    bounds = {**bounds, **shares}
    return {
        name: {"value": values[name], "low": bounds[name][0], "high": bounds[name][1]}
        if name in defined
        else _undefined(each.undefined)
        for name, each in chosen.items()
    }


def _undefined(reason: str) -> dict[str, Any]:
    return {"value": None, "low": None, "high": None, "reason": reason}
