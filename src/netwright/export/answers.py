"""Two sides that answer rows at once, compared: each probability, value and class, and the score on both sides. n rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from netwright.data.table import Table
from netwright.evaluation import metrics
from netwright.events import quiet, say_rows
from netwright.export.parity import Parity
from netwright.inference.model import Model
from netwright.kinds.base import Target, scored_as
from netwright.runtime.arrays import Arrays, take

CLOSE = 1e-4  # of a probability, or of a number target's deviation: float32's rounding over some layers
SURE = 0.5 + CLOSE
MEASURED = ("probability", "value", "tags", "begin", "end")
Answer = dict[str, np.ndarray]


class Side(Protocol):
    """An engine with a network in it that answers rows at once. `name` is for people."""

    name: str

    def able(self, table: Table) -> np.ndarray:
        """(n,) which rows it takes."""
        ...

    def answers(self, table: Table) -> dict[str, Answer]:
        """Return by target column what `decode` shows: "value", "low", "high" in its unit; "probability", "predicted", "set";
        "tags" of each word; "begin" and "end" of a span."""
        ...


@dataclass
class Answered(Parity):
    """What was found of answers. By target: the largest difference, how many rows differ, each score on both sides."""

    targets: dict[str, dict[str, Any]] = field(default_factory=dict)

    def sentence(self) -> str:
        """Return it in words."""
        parts = []
        for name, found in self.targets.items():
            scores = [f"{score} {one:.4f} and {other:.4f}" for score, (one, other) in found["scores"].items()]
            of = f"{name}: " if len(self.targets) > 1 else ""
            parts.append(f"{of}differ by {found['largest']:.1e} at most, {found['differs']} rows differ" + "".join(f", {score}" for score in scores))  # fmt: skip
        return f"{self.engine}, {self.rows} rows: {'; '.join(parts)}"


def of_rows(model: Model, theirs: Side, table: Table, stored: str) -> Answered:
    """Answer a table's rows on both sides. `wrong` of the result says what lies outside the tolerance."""
    able = theirs.able(table)
    if not able.all():
        lost = np.flatnonzero(~able)
        what = f"{len(lost)} rows are too long for {theirs.name}, or hold values that cannot be read: they are skipped"
        say_rows("export.long", what, table.named(lost))
        table = table.take(np.flatnonzero(able))
    found, differs = Answered(theirs.name, stored, len(table)), np.zeros(len(table), bool)
    if not len(table):
        found.wrong.append("no row could be compared")
        return found
    with quiet():
        ours = model.answers(model.fitted.encode(table), len(table))
    other = theirs.answers(table)
    for key, kind in model.fitted.targets.items():
        name = kind.columns[0]
        one = _shown(kind, ours[key])
        far = _far(kind, one, other[name])
        bad = ~(far <= CLOSE) | _other_class(one, other[name])
        differs |= bad
        found.targets[name] = {
            "largest": float(np.max(far, initial=0.0)), "unit": "deviations of the target" if kind.answer == "value" else "probability",
            "differs": int(bad.sum()), "scores": _scores(kind, table, one, other[name]),
        }  # fmt: skip
    found.largest = max(each["largest"] for each in found.targets.values())
    found.differs = [table.id(int(row)) for row in np.flatnonzero(differs)[:20]]
    for name, each in found.targets.items():
        if each["differs"]:
            what = f"{each['differs']} of {len(table)} rows differ, by up to {each['largest']:.1e} ({each['unit']}), {CLOSE:.0e} is allowed"
            found.wrong.append(f"{name}: {what} ({', '.join(found.differs[:5])})")
    return found


def _shown(kind: Target, found: dict[str, Any]) -> Answer:
    """A run's arrays as `decode` shows them."""
    out = {name: np.asarray(array) for name, array in kind.in_unit(found).items()}
    if "probability" in out and kind.answer == "one_of":
        choice = out.pop("choice", None)
        out["predicted"] = out["probability"].argmax(1) if choice is None else choice
    return out


def _far(kind: Target, one: Answer, other: Answer) -> np.ndarray:
    """(n,) the largest difference of each row, in probabilities or in deviations of the target."""
    if "tags" in one:
        return np.array([_gap(*pair) for pair in zip(one["probability"], other["probability"], strict=True)])
    if "begin" in one:
        return np.abs(one["probability"] - other["probability"])
    far = np.zeros(len(next(iter(one.values()))))
    for name, array in one.items():
        if name in ("predicted", "set"):
            continue
        size = abs(kind.deviation)
        if array.shape != other[name].shape:
            return np.full(len(far), np.inf)
        gap = np.abs(array - other[name]) / size
        far = np.maximum(far, gap.max(1) if gap.ndim == 2 else gap)
    return far


def _gap(one: Any, other: Any) -> float:
    """The largest difference between two rows of words' probabilities."""
    a, b = np.asarray(one, float), np.asarray(other, float)
    return float(np.abs(a - b).max(initial=0.0)) if a.shape == b.shape else np.inf


def _other_class(one: Answer, other: Answer) -> np.ndarray:
    """(n,) whether another class is answered, though none other was as probable."""
    if "tags" in one:  # where no tag has half the probability, two may be alike, and either is right
        rows = zip(one["tags"], other["tags"], one["probability"], strict=True)
        return np.array([len(a) != len(b) or any(x != y and p > SURE for x, y, p in zip(a, b, sure, strict=True)) for a, b, sure in rows])  # fmt: skip
    if "begin" in one:
        return ((one["begin"] != other["begin"]) | (one["end"] != other["end"])) & (one["probability"] > SURE)
    if "predicted" not in one:
        return np.zeros(1, bool)
    probability, rows = one["probability"], np.arange(len(one["predicted"]))
    theirs = np.asarray(other["predicted"])
    near = np.abs(probability[rows, one["predicted"]] - probability[rows, theirs]) <= CLOSE
    return (one["predicted"] != theirs) & ~near


def _scores(kind: Target, table: Table, one: Answer, other: Answer) -> dict[str, tuple[float, float]]:
    """The measures that a training is told by, on both sides; none where the rows have no truth."""
    if any(name not in table.columns for name in (kind.columns[0], *kind.beside)):
        return {}
    with quiet():
        target: Arrays = kind.encode(table.frame.select(*kind.columns, *kind.beside), table.ids)
    here = np.flatnonzero(~kind.absent(target))
    if not len(here):
        return {}
    truth, of = kind.truth(take(target, here)), scored_as(kind)
    names = dict.fromkeys([metrics.headline(of, metrics.metrics_of(of, kind.class_count)), metrics.selects(of)])
    sides = [{name: array[here] for name, array in side.items() if name in MEASURED} for side in (one, other)]
    found = {name: tuple(metrics.score(of, name, truth, side) for side in sides) for name in names if name}
    return {name: (pair[0], pair[1]) for name, pair in found.items() if np.isfinite(pair).all()}
