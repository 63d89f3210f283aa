"""What the files of a run's folder hold, for the sections of its report. n rows, C classes or labels.

Only files of the folder are read, so that a report can be made again where the data are gone.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from netwright.data.schema import Fitted
from netwright.kinds import parse
from netwright.kinds.base import Target, kind_name, scored_as
from netwright.kinds.values.category import text_of
from netwright.kinds.values.number import plain
from netwright.report import kinds
from netwright.report.kinds.words import Said
from netwright.report.page.reasons import Setting, settings
from netwright.runtime.run import Run


@dataclass(frozen=True)
class Answered:
    """One target's answers for the rows that measure and have the target, in the order of `predictions.csv`.

    `rows` are their places in that file, `ids` lead back to the source. `truth` and `chosen` are class numbers (category), values in the target's unit (number) or 0/1 (n, C) (labels).
    `probability` is (n, C) of categories and labels; `low` and `high` (n,) bound a number's interval; `sets` (n,) are
    how many classes a category's set has, and `covers` (n,) says whether the truth lies within.
    """

    name: str
    kind: Target
    rows: np.ndarray
    ids: pl.Series
    truth: np.ndarray
    chosen: np.ndarray
    probability: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    sets: np.ndarray | None = None
    covers: np.ndarray | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes or labels, in the order of the probabilities' columns."""
        return self.kind.classes

    def __len__(self) -> int:
        return len(self.truth)


@dataclass(frozen=True)
class Found:
    """A run's files as plain values. `profile`, `worst` and `cost` are empty where the run was made without them."""

    run: Run
    about: dict[str, Any]
    plan: dict[str, Any]
    metrics: dict[str, Any]
    kinds: Fitted
    events: list[dict[str, Any]]
    recipe: str = ""
    profile: dict[str, Any] = field(default_factory=dict)
    worst: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, Any] = field(default_factory=dict)
    held: dict[str, Answered] | None = None  # the answers, where they were read already

    @classmethod
    def read(cls, run: Run) -> Found:
        """Read a finished run. Raises `InputError` where a file is damaged, or the run was not finished."""
        fitted = Fitted.from_json(run.read(run.kinds))
        metrics = run.read(run.metrics)
        parts = {
            path.stem: run.read(path) if path.exists() else {}
            for path in (run.plan, run.profile, run.worst, run.cost, run.texts)
        }
        recipe = run.recipe.read_text(encoding="utf-8") if run.recipe.exists() else ""
        return cls(run, run.read(run.about), parts.pop("plan"), metrics, fitted, run.said(), recipe, **parts)

    @property
    def targets(self) -> list[str]:
        """The target columns."""
        return [kind.columns[0] for kind in self.kinds.targets.values()]

    @cached_property
    def settings(self) -> dict[str, Setting]:
        """The recipe's settings by place, with their reasons."""
        return settings(self.recipe)

    def setting(self, place: str) -> Any:
        """A setting's value, None where it has none."""
        found = self.settings.get(place)
        return None if found is None else found.value

    @property
    def part(self) -> str:
        """The rows that measure: `test`, or `validation` where there are no test rows, or nothing."""
        return "test" if self.metrics.get("test") else "validation" if self.metrics.get("validation") else ""

    def kind(self, target: str) -> str:
        """The name of a target's kind."""
        return next(kind_name(kind) for kind in self.kinds.targets.values() if kind.columns[0] == target)

    def scored(self, target: str) -> str:
        """Whose metrics measure a target."""
        return next(scored_as(kind) for kind in self.kinds.targets.values() if kind.columns[0] == target)

    def measured(self, target: str, part: str = "") -> dict[str, Any]:
        """A target's metrics on the rows that measure, or on a named part."""
        found = self.metrics.get(part or self.part or "test") or {}
        return found if len(self.targets) == 1 else found.get(target, {})

    def baselines(self, target: str) -> dict[str, dict[str, Any]]:
        """The baselines' metrics for a target."""
        found = self.metrics.get("baseline") or {}
        return found if len(self.targets) == 1 else found.get(target, {})

    def trust(self, target: str) -> dict[str, Any]:
        """What was learnt of how far the answers for a target can be trusted."""
        return (self.metrics.get("trust") or {}).get(target) or {}

    def said(self, *names: str) -> list[dict[str, Any]]:
        """The events of these names."""
        return [event for event in self.events if event["name"] in names]

    @cached_property
    def answers(self) -> dict[str, Answered]:
        """By target: the answers for the rows that have it."""
        path = self.run.predictions
        if self.held is not None:
            return self.held
        if not self.part or not path.exists() or path.stat().st_size < 8:  # nothing was measured: a header at most
            return {}
        frame = _predictions(path, self.targets)
        return {
            kind.columns[0]: _answered(kind, frame, f"{kind.columns[0]}_" if len(self.targets) > 1 else "")
            for kind in self.kinds.targets.values()
            if kind.columns[0] in frame.columns and kind.answer != "other"
        }

    @cached_property
    def cosines(self) -> dict[str, np.ndarray]:
        """By target that is the other half of a pair: the cosines (n,) of the rows of the predictions."""
        path, paired = self.run.predictions, [kind for kind in self.kinds.targets.values() if kind.needs == "pair"]
        if not paired or not self.part or not path.exists() or path.stat().st_size < 8:
            return {}
        frame = _predictions(path, self.targets)
        names = {kind.columns[0]: f"{kind.columns[0]}_predicted" for kind in paired}
        return {target: frame[name].cast(pl.Float64).to_numpy() for target, name in names.items()}

    @cached_property
    def said_of_words(self) -> dict[str, Said]:
        """By target that is about the words of a text: truth and answer of the rows that have it."""
        path = self.run.predictions
        elementwise = [kind for kind in self.kinds.targets.values() if kind.needs == "elements"]
        if not elementwise or not self.part or not path.exists() or path.stat().st_size < 8:
            return {}
        frame = _predictions(path, self.targets)
        return {
            kind.columns[0]: kinds.of(kind_name(kind)).said(kind, frame)
            for kind in elementwise
            if kind.columns[0] in frame.columns
        }


def _predictions(path: Path, targets: list[str]) -> pl.DataFrame:
    """The predictions: probabilities and bounds as numbers, all else as texts, whatever it looks like."""
    with path.open(encoding="utf-8", newline="") as file:
        header = csv.reader(file)  # polars leaves the doubled quotes of a name doubled
        names = next(header)
        lines = header.line_num
    texts = {"id", *targets, *(f"{name}{end}" for name in targets for end in ("_predicted", "_set", "_probability"))}
    schema = {f"{k}": pl.String if name in texts else pl.Float64 for k, name in enumerate(names)}
    frame = pl.read_csv(path, has_header=False, skip_lines=lines, schema=schema)
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _answered(kind: Target, frame: pl.DataFrame, prefix: str) -> Answered:
    name, ids = kind.columns[0], frame["id"]
    truth, chosen = frame[name], frame[f"{name}_predicted"]
    if kind.answer == "value":
        true, answer = (parse.numbers(column).to_numpy().astype(np.float64) for column in (truth, chosen))
        here = np.flatnonzero(np.isfinite(true) & np.isfinite(answer))
        low, high = (
            frame[f"{name}{end}"].to_numpy()[here] if f"{name}{end}" in frame.columns else None
            for end in ("_low", "_high")
        )
        return Answered(name, kind, here, ids[here], true[here], answer[here], low=low, high=high)
    probability = frame.select(f"p_{prefix}{one}" for one in kind.classes).to_numpy()
    if kind.answer == "some_of":
        absent = truth.is_null() | (truth == "null") if _lists(truth) else truth.is_null()
        here = np.flatnonzero(~absent.to_numpy())
        true, answer = (hot(column[here], kind) for column in (truth, chosen))
        return Answered(name, kind, here, ids[here], true, answer, probability[here])
    true, answer = codes(truth, kind), codes(chosen, kind)
    here = np.flatnonzero(true >= 0)
    sets = covers = None
    if f"{name}_set" in frame.columns:
        held = [json.loads(text) if text else [] for text in frame[f"{name}_set"][here]]
        sets = np.array([len(each) for each in held])
        covers = np.array(
            [kind.classes[code] in map(str, each) for code, each in zip(true[here].tolist(), held, strict=True)]
        )
    return Answered(name, kind, here, ids[here], true[here], answer[here], probability[here], sets=sets, covers=covers)


def codes(column: pl.Series, kind: Target) -> np.ndarray:
    """(n,) class numbers of a target's values as a file holds them, -1 where there is none; 1.0 is the class 1."""
    place = {one: number for number, one in enumerate(kind.classes)}
    known: dict[Any, int] = {}
    for cell in column.unique():
        text = text_of(cell)
        if text is not None and text not in place:
            text = text_of(plain(text))
        known[cell] = place.get(text or "", -1)
    return np.array([known[cell] for cell in column.to_list()], np.int64)


def hot(column: pl.Series, kind: Target) -> np.ndarray:
    """(n, C) 0/1 of labels as a file holds them: joined by the separator, or as JSON lists."""
    place = {label: number for number, label in enumerate(kind.classes)}
    out = np.zeros((len(column), len(place)), np.int8)
    lists, separator = _lists(column), getattr(kind, "separator", "|")
    for row, text in enumerate(column.to_list()):
        held = (json.loads(text) or [] if lists else text.split(separator)) if text else []
        for label in map(str, held):
            if label.strip() in place:
                out[row, place[label.strip()]] = 1
    return out


def _lists(column: pl.Series) -> bool:
    """Whether a column's texts are JSON lists, as lists are written to CSV."""
    texts = column.drop_nulls()
    return len(texts) > 0 and bool((texts.str.starts_with("[") & texts.str.ends_with("]") | (texts == "null")).all())
