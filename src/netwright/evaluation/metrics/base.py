"""What a measure is, and the sums that measures are made of.

n rows, C classes or labels, R weightings of the same rows (one for the value, many for its interval). Every measure
takes all weightings at once: weights are (n, R), results (R,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Weighted = Callable[[np.ndarray], np.ndarray]
"""Weights (n, R) → values (R,), NaN where a weighting leaves the measure undefined."""


@dataclass(frozen=True)
class Metric:
    """One measure of answers against the truth.

    `prepare(truth, answer)` does once what does not depend on the rows' weights (sorting, choosing a class) and returns
    a function of the weights. `formula` is for people; `undefined` says when there is no value; `sorts` tells that it
    goes through the rows in order, once for each class, so that its interval costs more. `decides`: it looks at the
    class that is answered alone, which a threshold may move. `needs`: the answer's array without which it is left out.
    `share`: it is a share of rows, or a mean of shares, and has at least Wilson's interval. `relative`: it has no unit, though
    the target has one.

    >>> from netwright.evaluation.metrics import metric
    >>> metric("number", "mae").value(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    1.0
    """

    name: str
    better: Literal["higher", "lower"]
    formula: str
    prepare: Callable[[Any, Any], Weighted]
    undefined: str = "the rows' weights sum to 0"
    sorts: bool = False
    decides: bool = False
    needs: str = ""
    share: bool = False
    relative: bool = False

    def value(self, truth: Any, answer: Any, weight: np.ndarray | None = None) -> float:
        """Return the measure over all rows, NaN where it is undefined."""
        weights = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
        return float(self.prepare(truth, answer)(weights[:, None])[0])


@dataclass(frozen=True)
class Form:
    """Answers in the form that a target kind's metrics take: `given`; `decided`: only the class that was chosen.

    `classes` counts classes or labels; `passes` is how many classes a measure goes through; `wrong` says why these
    answers cannot be measured at all; `holds` names what some measures need and was found in truth and answers.
    """

    given: Any
    decided: Any
    classes: int = 0
    passes: int = 1
    wrong: str = ""
    holds: tuple[str, ...] = ()


def checked(truth: np.ndarray, given: np.ndarray, *, fits: bool, kind: str) -> str:
    """Say why answers cannot be measured, or nothing. Raises `ValueError` where they do not fit: nothing broadcasts."""
    if not fits:
        shapes = f"the answers' shape {given.shape} does not fit the truth's, {truth.shape}"
        raise ValueError(f"{shapes}, of a {kind} target")
    if np.isfinite(given).all():
        return ""
    return f"{int((~np.isfinite(given)).reshape(len(given), -1).any(1).sum()):,} predictions are not finite"


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """`above / below`, NaN where `below` is 0."""
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below != 0)


def defined_mean(values: np.ndarray) -> np.ndarray:
    """(R,) means over the first axis of (C, R) of what is not NaN; NaN where nothing is."""
    there = ~np.isnan(values)
    return ratio(np.where(there, values, 0.0).sum(0), there.sum(0))


def mean_of(rows: np.ndarray) -> Weighted:
    """Σ_i w_i v_i / Σ_i w_i for one value a row, (n,)."""
    return lambda weights: ratio(rows @ weights, weights.sum(0))


def one_hot(codes: np.ndarray, classes: int, where: np.ndarray | None = None) -> csr_array:
    """(C, n) sparse, 1 where row i is of class c (and `where[i]`), so that `one_hot @ weights` counts each class."""
    from scipy.sparse import csr_array

    rows = np.arange(len(codes)) if where is None else np.flatnonzero(where)
    return csr_array((np.ones(len(rows)), (codes[rows], rows)), shape=(classes, len(codes)))


def _places(score: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows by rising score; where the positive ones stand; where the ties of each begin and end."""
    order = np.argsort(score, kind="stable")
    hits = np.flatnonzero(positive[order])
    ordered = score[order]
    first, last = (np.searchsorted(ordered, ordered[hits], side) for side in ("left", "right"))
    return order, hits, first, last


def _sums(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(m + 1, R) weight of the first 0, 1, ... m of these rows."""
    out = np.zeros((len(rows) + 1, weights.shape[1]))
    np.take(weights, rows, axis=0, out=out[1:], mode="clip")  # clip: else numpy copies once more (measured)
    return np.cumsum(out, axis=0, out=out)


def roc_area(positive: np.ndarray, score: np.ndarray) -> Weighted:
    """The share of (positive, negative) pairs in which the positive row scores higher, ties counting half.

    AUC = Σ_{i+} Σ_{j-} w_i w_j (1[s_i > s_j] + ½ 1[s_i = s_j]) / (W+ W-). With the weight L_i of all rows below i and
    half of that tied with i, Σ_{i+} w_i L_i counts these pairs and, beside them, pairs of positives: W+² / 2.
    """
    order, hits, first, last = _places(score, positive)
    own_rows = order[hits]

    def over(weights: np.ndarray) -> np.ndarray:
        below, own = _sums(weights, order), weights[own_rows]
        positives, total = own.sum(0), below[-1]
        negatives = np.where(total - positives > 1e-12 * total, total - positives, 0.0)
        wins = 0.5 * (np.einsum("ij,ij->j", own, below[first]) + np.einsum("ij,ij->j", own, below[last]) - positives**2)
        return ratio(wins, positives * negatives)

    return over


def average_precision(positive: np.ndarray, score: np.ndarray) -> Weighted:
    """The area under the precision-recall curve as steps: AP = Σ_k (R_k - R_{k-1}) P_k over falling thresholds.

    It is the mean, over the positive rows, of the precision among the rows that score at least as high.
    """
    order, hits, first, _ = _places(score, positive)
    own_rows, tied = order[hits], np.searchsorted(hits, first)

    def over(weights: np.ndarray) -> np.ndarray:
        own = weights[own_rows]
        above = _sums(weights, order[::-1])[::-1][first]  # (P, R) weight of all rows that score at least as high
        found = _sums(weights, own_rows[::-1])[::-1][tied]  # the positive ones among them
        precision = np.divide(found, above, out=np.zeros_like(above), where=above > 0)
        return ratio(np.einsum("ij,ij->j", own, precision), own.sum(0))

    return over


def middle(values: np.ndarray) -> Weighted:
    """The weighted median: the mean of the least and the greatest value with half of the weight on either side."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]

    def over(weights: np.ndarray) -> np.ndarray:
        sums = _sums(weights, order)[1:]
        total = sums[-1]
        low = np.minimum((sums < total * (0.5 - 1e-12)).sum(0), len(ordered) - 1)
        high = np.minimum((sums <= total * (0.5 + 1e-12)).sum(0), len(ordered) - 1)
        return np.where(total > 0, 0.5 * (ordered[low] + ordered[high]), np.nan)

    return over
