"""What makes answers trustworthy: probabilities that mean what they say, intervals that hold, a threshold for a purpose.

All of it is learnt from the validation rows, kept in the run's `trust.json`, and applied to every answer.

- temperature (Guo et al. 2017, arXiv 1706.04599): p_c^(1/T) / Σ_k p_k^(1/T), with the T of the lowest validation
  log-loss, each truth counted with a little doubt as Platt (1999) does. Used only where that gain is surely no chance,
  and below 1 (surer answers) only with many validation rows, which made the network's best epoch look good: the
  log-loss of new rows is not to rise.
- split conformal prediction (Vovk et al. 2005; Lei et al. 2018, arXiv 1604.04173): with q the ⌈(n + 1) c⌉-th smallest
  |truth - answer| of n validation rows, [answer - q, answer + q] holds the truth of a new row with chance at least c,
  whatever the network is, if new rows are drawn as these were. The weights were chosen on the same validation rows,
  which makes the intervals a little short; the coverage found on test rows is reported.
- prediction sets (Sadinle et al. 2019, arXiv 1609.00451): the classes with 1 - p_c ≤ q, q from 1 - p_true likewise;
  the most probable class always.
- threshold: of two classes, the second is answered from the probability at which the named metric is best.

n rows, C classes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from netwright.errors import InputError, Problem
from netwright.evaluation import metrics
from netwright.kinds.base import Target, kind_name
from netwright.recipe import Trust as Settings

Arrays = dict[str, np.ndarray]
LEAST = 20  # validation rows below which nothing is learnt from them
MANY = 200  # validation rows from which answers may be made surer
SURE = 2.0  # standard errors by which a temperature must lower the validation log-loss


@dataclass(frozen=True)
class Trust:
    """What was learnt for one target: `temperature` 1 changes nothing; `reach` is q above (None: too few rows)."""

    temperature: float = 1.0
    reach: float | None = None
    coverage: float = 0.9
    threshold: float | None = None
    metric: str | None = None
    log_loss_before: float | None = None
    log_loss_after: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def apply(self, answer: Arrays) -> Arrays:
        """Return a target's answer with calibrated probabilities and sets, or with intervals.

        >>> found = Trust(temperature=2.0, reach=0.7).apply({"probability": np.array([[0.9, 0.1]])})
        >>> found["probability"].round(2).tolist(), found["set"].tolist()
        ([[0.75, 0.25]], [[True, False]])
        """
        if "value" in answer:
            if self.reach is None:
                return answer
            return {**answer, "low": answer["value"] - self.reach, "high": answer["value"] + self.reach}
        if "probability" not in answer:
            return answer
        out = {**answer, "probability": tempered(answer["probability"], self.temperature)}
        if self.threshold is not None:
            out["choice"] = (out["probability"][:, 1] >= self.threshold).astype(np.int64)
        if self.reach is not None:
            out["set"] = _sets(out["probability"], self.reach)
        return out


def tempered(probability: np.ndarray, temperature: float) -> np.ndarray:
    """(n, C) probabilities to the power 1 / T, scaled to sum to 1."""
    if temperature == 1.0:
        return probability
    logs = np.log(np.clip(probability, 1e-12, 1.0)) / temperature
    powers = np.exp(logs - logs.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def fit(kind: Target, truth: np.ndarray, answer: Arrays, weight: np.ndarray | None, settings: Settings) -> Trust:
    """Learn from the validation rows of a target: truth (n,) in class numbers or scaled values, and their answers."""
    if kind.answer not in ("one_of", "value") or len(truth) < LEAST:
        return Trust(coverage=settings.coverage)
    if kind.answer == "value":
        return Trust(reach=_reach(np.abs(truth - answer["value"]), settings.coverage), coverage=settings.coverage)
    check(kind, settings)
    before = answer["probability"]
    temperature = _temperature(truth, before, weight) if settings.calibrate else 1.0
    after = tempered(before, temperature)
    own = after[np.arange(len(truth)), truth]
    threshold = _threshold(truth, after, weight, settings.threshold) if settings.threshold else None
    losses = [float(np.average(_losses(truth, p), weights=weight)) for p in (before, after)]
    return Trust(
        temperature, _reach(1 - own, settings.coverage), settings.coverage, threshold, settings.threshold, *losses
    )


def found(kind: Target, truth: np.ndarray, answer: Arrays, trust: Trust) -> dict[str, Any]:
    """Return what the report shows: what was learnt, and the coverage and size found on rows that measure."""
    out: dict[str, Any] = {
        "temperature": trust.temperature if kind.answer == "one_of" else None,
        "log_loss_before": trust.log_loss_before, "log_loss_after": trust.log_loss_after, "coverage": None,
        "threshold": None if trust.threshold is None else {"value": trust.threshold, "metric": trust.metric},
    }  # fmt: skip
    if trust.reach is None or not len(truth):
        return out
    if kind.answer == "value":
        inside, size = (
            (answer["low"] <= truth) & (truth <= answer["high"]),
            float((answer["high"] - answer["low"]).mean()),
        )
    elif kind.answer == "one_of":
        inside, size = answer["set"][np.arange(len(truth)), truth], float(answer["set"].sum(1).mean())
    else:
        return out
    coverage = {"stated": trust.coverage, "found": float(inside.mean()), "rows": len(truth), "size": size}
    return {**out, "coverage": coverage}


def _losses(truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
    return -np.log(np.clip(probability[np.arange(len(truth)), truth], 1e-12, 1.0))


def _temperature(truth: np.ndarray, probability: np.ndarray, weight: np.ndarray | None) -> float:
    """The temperature of the lowest log-loss, or 1 where its gain over 1 may be chance."""
    from scipy.optimize import minimize_scalar

    n, classes = probability.shape
    doubt = classes / (n + classes)

    def losses(temperature: float) -> np.ndarray:
        shown = tempered(probability, temperature)
        return (1 - doubt) * _losses(truth, shown) - doubt * np.log(np.clip(shown, 1e-12, 1.0)).mean(1)

    def loss(log: float) -> float:
        return float(np.average(losses(math.exp(log)), weights=weight))

    least = -1.5 if n >= MANY else 0.0
    best = math.exp(minimize_scalar(loss, bounds=(least, 1.5), method="bounded").x)
    gain = _losses(truth, probability) - _losses(
        truth, tempered(probability, best)
    )  # without the doubt: what is promised
    error = float(gain.std()) / math.sqrt(len(gain))
    return best if float(np.average(gain, weights=weight)) > SURE * error else 1.0


def _reach(misses: np.ndarray, coverage: float) -> float | None:
    """The ⌈(n + 1) c⌉-th smallest miss; None where n rows are too few to promise c."""
    place = math.ceil((len(misses) + 1) * coverage)
    return float(np.sort(misses)[place - 1]) if place <= len(misses) else None


def _sets(probability: np.ndarray, reach: float) -> np.ndarray:
    sets = 1 - probability <= reach + 1e-12
    sets[np.arange(len(sets)), probability.argmax(1)] = True
    return sets


def check(kind: Target, settings: Settings) -> None:
    """Raise `InputError` where no threshold can be chosen for what the recipe names."""
    if settings.threshold is None:
        return
    if kind.class_count != 2:
        what = (
            f"there are {kind.class_count} classes"
            if kind.class_count
            else f"a {kind_name(kind)} target has no classes"
        )
        raise InputError(Problem("trust.threshold", what, allowed="a target of two classes"))
    if not metrics.metric("category", settings.threshold, classes=2, setting="trust.threshold").decides:
        able = [name for name, each in metrics.metrics_of("category", 2).items() if each.decides]
        raise InputError(
            Problem("trust.threshold", f"{settings.threshold} does not depend on a threshold", allowed=", ".join(able))
        )


def _threshold(truth: np.ndarray, probability: np.ndarray, weight: np.ndarray | None, metric: str) -> float:
    """The threshold of the second class at which a metric is best: half way between two rows' probabilities."""
    chosen = metrics.metric("category", metric, classes=2)
    second = np.unique(np.quantile(probability[:, 1], np.linspace(0, 1, 201)))
    between = np.concatenate([[0.5], (second[1:] + second[:-1]) / 2])
    sign = 1 if chosen.better == "higher" else -1
    scores = [sign * chosen.value(truth, _hot(probability[:, 1] >= cut), weight) for cut in between]
    return float(between[int(np.nanargmax(scores))])


def _hot(second: np.ndarray) -> np.ndarray:
    return np.stack([~second, second], 1).astype(np.float64)
