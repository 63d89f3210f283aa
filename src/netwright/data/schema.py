"""The fitted kinds of a table's columns: learnt from the training rows, they encode all rows. n rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from netwright.data import encode, media
from netwright.data.describe import Described, check_nested
from netwright.data.facts import Asks
from netwright.data.table import Table
from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.kinds.base import Input, Role, Target
from netwright.kinds.infer import check_options, input_class, kind_class, target_class
from netwright.runtime.arrays import Arrays
from netwright.runtime.seeds import generator

MOST = 1_000_000  # training rows that kinds are fitted on: a mean is then known within a thousandth of the deviation


@dataclass(frozen=True)
class Fitted:
    """The fitted kinds: `inputs` by block, `targets` by key. All that encoding and decoding need."""

    inputs: dict[str, Input]
    targets: dict[str, Target]
    left_out: dict[str, str]

    @property
    def columns(self) -> list[str]:
        """The input columns."""
        blocks = [name for kind in self.inputs.values() for name in kind.columns]
        return list(dict.fromkeys([*blocks, *(name for kind in self.targets.values() for name in kind.prompted)]))

    @property
    def told_by(self) -> list[str]:
        """The columns that make a row what it is: inputs and targets."""
        return list(dict.fromkeys([*self.columns, *(kind.columns[0] for kind in self.targets.values())]))

    def told(self, table: Table) -> pl.DataFrame:
        """Return what makes a table's rows what they are, for comparisons: of files their content, not their names."""
        kinds = {name: kind for kind in self.inputs.values() for name in kind.columns}
        return media.contents(table.frame.select(self.told_by), table, kinds)

    @property
    def naming_files(self) -> list[str]:
        """The input columns whose cells may name files."""
        return [name for kind in self.inputs.values() if kind.media for name in kind.columns]

    def unusable(self, targets: Mapping[str, Arrays]) -> np.ndarray:
        """(n,) rows none of whose encoded targets has a value that can be used."""
        return np.logical_and.reduce([kind.absent(targets[key]) for key, kind in self.targets.items()])

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for `kinds.json`."""
        return {
            "inputs": {key: kind.model_dump(mode="json") for key, kind in self.inputs.items()},
            "targets": {key: kind.model_dump(mode="json") for key, kind in self.targets.items()},
            "left_out": self.left_out,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fitted:
        """Return what `to_json` gave."""

        inputs = {key: input_class(item["kind"]).model_validate(item) for key, item in value["inputs"].items()}
        targets = {key: target_class(item["kind"]).model_validate(item) for key, item in value["targets"].items()}
        return cls(inputs, targets, dict(value["left_out"]))

    def require(self, columns: Sequence[str], name: str) -> None:
        """Raise `InputError` naming each input column that is not among these."""
        lacking = [each for each in self.columns if each not in columns]
        if lacking:
            named = ", ".join(map(repr, lacking[:10])) + (f" and {len(lacking) - 10} more" if len(lacking) > 10 else "")
            what = f"lacks the input column{'s' if len(lacking) > 1 else ''} {named}"
            raise InputError(Problem(name, what, fix=f"it has: {', '.join(columns[:30])}"))

    def encode(self, table: Table) -> dict[str, Arrays]:
        """Encode a table's input columns, and the prompts under their target's key.

        Raises `InputError` naming each column that it lacks.
        """
        self.require(table.columns, table.name)
        for kind in self.inputs.values():
            check_nested(kind, table, kind.columns)
        blocks = {key: encode.encoded(kind, table) for key, kind in self.inputs.items()}
        prompts = {
            key: kind.prompts(table.frame.select(kind.prompted), table.ids)
            for key, kind in self.targets.items()
            if kind.prompted
        }
        return {**blocks, **prompts}

    def encode_targets(self, table: Table) -> dict[str, Arrays]:
        """Encode a table's target columns."""
        named = [name for kind in self.targets.values() for name in (kind.columns[0], *kind.beside)]
        table.require(named, setting="target")
        for kind in self.targets.values():
            check_nested(kind, table, kind.columns)
        return {key: encode.encoded_target(kind, table) for key, kind in self.targets.items()}


def fit(described: Described, family: Asks, train: np.ndarray) -> tuple[Fitted, dict[str, dict[str, Any]]]:
    """Fit the kinds on the training rows; also return each column's full settings, for the recipe."""
    some = _some(train)
    frame = described.table.frame[some]
    written = family.writes_after(frozenset(target_class(column.kind or "").needs for column in described.targets))
    inputs, settings = ({}, {}) if written else _inputs(described, family, frame)
    targets: dict[str, Target] = {}
    prompt = [column.name for column in described.inputs] if written else []
    for index, column in enumerate(described.targets, 1):
        kind = target_class(column.kind or "")
        brought = known(column.kind or "", family.brings_target(kind.needs), "target")
        options = check_options(column.kind or "", {**brought, **column.given}, f"columns.{column.name}", "target")
        settings[column.name] = options.model_dump(mode="json")
        own = described.table.frame[train] if len(some) < len(train) and kind.every_row else frame
        beside = (column.given.get(name) for name in ("about", "score"))
        read = [column.name, *(prompt if kind.reads_prompt else []), *filter(None, beside)]
        targets[f"target_{index}"] = kind.fit(own.select(read), options).linked(inputs)
    return Fitted(inputs, targets, described.left_out), settings


def _inputs(
    described: Described, family: Asks, frame: pl.DataFrame
) -> tuple[dict[str, Input], dict[str, dict[str, Any]]]:
    """The fitted inputs by block, and each column's full settings. Columns of one kind with like settings make a block."""
    groups: dict[str, tuple[list[str], Any, str]] = {}
    settings: dict[str, dict[str, Any]] = {}
    for column in described.inputs:
        kind = column.kind or ""
        brought = {**known(kind, family.brings(input_class(kind).signal)), **described.asked.get(column.name, {})}
        options = check_options(kind, {**brought, **column.given}, f"columns.{column.name}", "input")
        settings[column.name] = options.model_dump(mode="json")
        name = f"{kind} {options.model_dump_json()}" if input_class(kind).many else f"{kind} {column.name}"
        groups.setdefault(name, ([], options, kind))[0].append(column.name)
    inputs: dict[str, Input] = {}
    for names, options, kind in groups.values():
        own = input_class(kind)
        if own.media:
            frame = frame.with_columns(media.absolute(frame[name], described.table) for name in names)
        alike = _alike(described, settings, names)
        before = next((held for held in inputs.values() if held.columns[0] in alike), None)
        number = 1 + sum(key.split("_")[0] == kind for key in inputs)
        inputs[kind if number == 1 else f"{kind}_{number}"] = (
            own.fit(frame.select(list(dict.fromkeys([*names, *alike]))), options)
            if before is None
            else before.model_copy(update={"columns": tuple(names)})
        )
    return inputs, settings


def _alike(described: Described, settings: Mapping[str, dict[str, Any]], names: list[str]) -> list[str]:
    """Columns that are read in the same tokens as the first of these: a target compares them, or is their other half."""
    asked = described.asked.get(names[0])
    out = [name for name, held in described.asked.items() if held == asked and settings.get(name) == settings[names[0]]]
    pairs = [column for column in described.targets if target_class(column.kind or "").needs == "pair"]
    return out + [column.name for column in pairs if column.given["about"] in names]


def _some(train: np.ndarray) -> np.ndarray:
    """The training rows, or MOST of them drawn at random, that kinds are fitted on, which is said."""
    if len(train) <= MOST:
        return train
    text = f"scales and vocabularies are fitted on {MOST:,} of the {len(train):,} training rows, drawn at random"
    say("notice", "kinds.sample", text, rows=MOST, of=len(train))
    return np.sort(generator(0, "fit").choice(train, MOST, replace=False))


def known(kind: str, brought: dict[str, Any], role: Role = "input") -> dict[str, Any]:
    """What a family brings, of the settings that the kind has."""
    return {name: value for name, value in brought.items() if name in kind_class(kind, role).Options.model_fields}
