"""From a table to encoded rows: kinds inferred, fitted on the training rows, all rows encoded. n rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from netwright import encoding
from netwright.arrays import Arrays
from netwright.errors import InputError, Problem, nearest
from netwright.events import say, say_rows
from netwright.kinds.base import Kind, Role
from netwright.kinds.facts import LOOK, Facts
from netwright.kinds.infer import Column, check_options, infer, kind_class, targets
from netwright.recipe import Recipe
from netwright.seeds import generator
from netwright.sources.table import Table
from netwright.trunks.family import DataFacts, Family

MOST = 1_000_000  # training rows that kinds are fitted on: a mean is then known within a thousandth of the deviation
FIRST = 100_000  # values looked at before all are


@dataclass(frozen=True)
class Described:
    """A table whose columns' kinds are known. Rows without any target are already out of it."""

    table: Table
    inputs: tuple[Column, ...]
    targets: tuple[Column, ...]
    left_out: dict[str, str]


@dataclass(frozen=True)
class Fitted:
    """The fitted kinds: `inputs` by block, `targets` by key. All that encoding and decoding need."""

    inputs: dict[str, Kind]
    targets: dict[str, Kind]
    left_out: dict[str, str]

    @property
    def columns(self) -> list[str]:
        """The input columns."""
        return [name for kind in self.inputs.values() for name in kind.columns]

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
        inputs, targets = (
            {key: kind_class(item["kind"]).model_validate(item) for key, item in value[part].items()}
            for part in ("inputs", "targets")
        )
        return cls(inputs, targets, dict(value["left_out"]))

    def ready(self, table: Table) -> Fitted:
        """Return the kinds with what they must know of a whole table to encode its slices one by one."""
        self._check(table)
        inputs = {
            key: kind.ready(table.frame.select(kind.columns), encoding.SLICE) for key, kind in self.inputs.items()
        }
        return replace(self, inputs=inputs)

    def encode(self, table: Table) -> dict[str, Arrays]:
        """Encode a table's input columns; raises `InputError` naming each column that it lacks."""
        self._check(table)
        return {key: _encoded(kind, table) for key, kind in self.inputs.items()}

    def _check(self, table: Table) -> None:
        lacking = [name for name in self.columns if name not in table.columns]
        if lacking:
            named = ", ".join(map(repr, lacking[:10])) + (f" and {len(lacking) - 10} more" if len(lacking) > 10 else "")
            what = f"lacks the input column{'s' if len(lacking) > 1 else ''} {named}"
            raise InputError(Problem(table.name, what, fix=f"it has: {', '.join(table.columns[:30])}"))
        for kind in self.inputs.values():
            _check_nested(kind, table, kind.columns)

    def encode_targets(self, table: Table) -> dict[str, Arrays]:
        """Encode a table's target columns."""
        table.require([kind.columns[0] for kind in self.targets.values()], setting="target")
        for kind in self.targets.values():
            _check_nested(kind, table, kind.columns)
        return {
            key: encoding.encoded_target(kind, table.frame.select(kind.columns), table)
            for key, kind in self.targets.items()
        }


def located(column: pl.Series, folder: str) -> pl.Series:
    """Return names of files so that they open: those named from the table's own folder get it put before them."""
    first = next(iter(column.drop_nulls().head(1)), None) if column.dtype == pl.String and folder else None
    if first is None or Path(first).exists() or not (Path(folder) / first).exists():
        return column
    return pl.Series(
        column.name, [None if name is None else str(Path(folder) / name) for name in column], dtype=pl.String
    )


def _check_nested(kind: Kind | type[Kind], table: Table, columns: Iterable[str]) -> None:
    """Raise `InputError` where a column holds lists or bytes, and its kind reads single values."""
    for name in columns:
        dtype = table.frame[name].dtype
        if not kind.nested and (dtype.is_nested() or dtype == pl.Binary):
            own = (kind if isinstance(kind, type) else type(kind)).model_fields["kind"].default
            what = f"the column {name!r} holds values of type {dtype}, which are no {own}"
            raise InputError(Problem(table.name, what, allowed="single values: texts, numbers, dates"))


def _encoded(kind: Kind, table: Table) -> Arrays:
    frame = table.frame.select(kind.columns)
    if kind.costly:
        frame = frame.select(located(column, table.folder) for column in frame)
    return encoding.encoded(kind, frame, table)


def describe(table: Table, recipe: Recipe) -> Described:
    """Decide each column's kind; say each choice; leave out rows without a target. Raises `InputError`."""
    if not recipe.target:
        names = ", ".join(table.columns)
        raise InputError(Problem("--target", "no target is named", allowed=f"columns to predict: {names}"))
    _check_names(table, recipe)
    both = [name for name in recipe.inputs or () if name in recipe.target]
    if both:
        raise InputError(
            Problem("inputs", f"{', '.join(both)} cannot be both an input and a target", fix="name it once")
        )
    table = _with_target(table, recipe)
    kept_apart = {
        *recipe.target,
        *recipe.leave_out,
        *(name for name in (recipe.weight, recipe.split.column, recipe.split.group) if name),
    }
    names = recipe.inputs if recipe.inputs is not None else [name for name in table.columns if name not in kept_apart]
    if len(table) > LOOK:
        text = f"the columns' kinds are told from {LOOK:,} of the {len(table):,} rows at most, evenly taken"
        say("notice", "kinds.look", text, rows=LOOK, of=len(table))
    targets = tuple(_kind_of(table, name, recipe, "target") for name in recipe.target)
    found = [_kind_of(table, name, recipe, "input") for name in names]
    inputs = tuple(column for column in found if column.kind is not None)
    left_out = {column.name: column.reason for column in found if column.kind is None}
    asked = [name for name in left_out if recipe.inputs is not None]
    for name, reason in left_out.items():
        say(
            "warning" if name in asked else "choice",
            "column.left_out",
            f"{name}: left out, because {reason}",
            column=name,
        )
    if not inputs:
        raise InputError(
            Problem(
                table.name,
                "no column is left to predict from",
                fix="name some with --inputs, with a kind in --columns.NAME.kind",
            )
        )
    return Described(table, inputs, targets, left_out)


def _check_names(table: Table, recipe: Recipe) -> None:
    """Raise `InputError` with every setting that names a column which is not there, or a target which is none."""
    split = {f"split.{name}": getattr(recipe.split, name) for name in ("column", "group", "time")}
    given = [("target", name) for name in recipe.target] + [("inputs", name) for name in recipe.inputs or ()]
    given += [("leave_out", name) for name in recipe.leave_out]
    given += [(setting, name) for setting, name in {"weight": recipe.weight, **split}.items() if name]
    given += [(f"columns.{name}", name) for name in recipe.columns if name not in {name for _, name in given}]
    problems = [
        Problem(setting, f"{table.name} has no column {name!r}", fix=nearest(name, table.columns))
        for setting, name in given
        if name not in table.columns
    ]
    problems += [
        Problem(f"heads.{name}", f"{name!r} is no target", fix=nearest(name, recipe.target))
        for name in recipe.heads
        if name not in recipe.target
    ]
    once = {"target": recipe.target, "inputs": recipe.inputs or ()}
    problems += [
        Problem(setting, f"{name!r} is also named by {other}", fix="name it once")
        for setting, name in given
        for other, names in once.items()
        if setting == "leave_out" and name in names or setting == "weight" and other == "target" and name in names
    ]
    twice = {name for name in recipe.target if recipe.target.count(name) > 1}
    problems += [Problem("target", f"{name!r} is named twice", fix="name it once") for name in sorted(twice)]
    if problems:
        raise InputError(*problems)


def _with_target(table: Table, recipe: Recipe) -> Table:
    """The rows that have at least one target; the others are said."""
    absent = np.ones(len(table), bool)
    for name in recipe.target:
        absent &= _gone(table.frame[name])
    if absent.all():
        raise InputError(Problem(table.name, f"no row has a {' or '.join(recipe.target)}", fix="name another --target"))
    if absent.any():
        lost = np.flatnonzero(absent)
        say_rows(
            "target.missing",
            f"{len(lost):,} rows without {' and '.join(recipe.target)} are left out",
            table.named(lost),
        )
        table = table.take(np.flatnonzero(~absent))
    return table


def _gone(column: pl.Series) -> np.ndarray:
    """(n,) which values of a target are missing. Slice by slice: texts without blanks are copies."""
    out = np.empty(len(column), bool)
    for at in range(0, len(column), encoding.SLICE):
        part = column.slice(at, encoding.SLICE)
        gone = part.is_null()
        if column.dtype.is_float():
            gone = gone | part.is_nan().fill_null(False)
        elif column.dtype == pl.String:
            gone = gone | (part.str.strip_chars() == "").fill_null(False)
        out[at : at + len(part)] = gone.to_numpy()
    return out


def _kind_of(table: Table, name: str, recipe: Recipe, role: Role) -> Column:
    column = infer(table.frame[name], recipe.columns.get(name, {}), role)
    if column.kind is not None:
        _check_nested(kind_class(column.kind), table, [name])
    if role == "target":
        if column.kind is not None and column.kind not in targets():
            raise InputError(
                Problem(f"target {name}", f"{column.kind} cannot be predicted", allowed=", ".join(targets()))
            )
        if column.kind is None:
            raise InputError(
                Problem(
                    f"target {name}", f"cannot be predicted: {column.reason}", allowed="numbers, categories, labels"
                )
            )
        values = table.frame[name].drop_nulls()
        if column.kind == "category" and _alike(values):
            raise InputError(
                Problem(f"target {name}", f"has one value only: {values[0]!r}", fix="give rows of at least two classes")
            )
        if column.kind == "category" and "kind" not in recipe.columns.get(name, {}) and _all_differ(values):
            what = f"all its {len(values):,} values are different texts, so that no class is seen twice"
            fix = f"name another --target; --columns.{name}.kind category takes each as a class all the same"
            raise InputError(Problem(f"target {name}", what, allowed="numbers, categories, labels", fix=fix))
        if column.kind == "number" and _alike(values):
            raise InputError(
                Problem(f"target {name}", f"is always {values[0]!r}", fix="give rows whose target differs")
            )
    if column.kind is not None:
        why = "" if column.reason == "as the recipe says" else "because "
        say(
            "choice",
            "column.kind",
            f"{name}: {column.kind}, {why}{column.reason}",
            column=name,
            column_kind=column.kind,
        )
    return column


def _alike(values: pl.Series) -> bool:
    """Whether there are no two values; a look at the first ones mostly spares counting them all."""
    return values.head(FIRST).n_unique() < 2 and values.n_unique() < 2


def _all_differ(values: pl.Series) -> bool:
    """Whether there are more than two values, no two alike."""
    first = values.head(FIRST)
    return first.n_unique() == len(first) and 2 < values.n_unique() == len(values)


def facts(described: Described, training_rows: int) -> DataFacts:
    """Return what a family may know of the data before it chooses."""
    kinds: dict[str, int] = {}
    pixels, words = 0, 0.0
    for column in described.inputs:
        kind = column.kind or ""
        kinds[kind] = kinds.get(kind, 0) + 1
        values = described.table.frame[column.name]
        if kind == "text":
            words = max(words, Facts.of(values).words)
        if kind == "image":
            # the image's size decides whether dense layers can read it: look before fitting
            options = check_options("image", column.given, f"columns.{column.name}")
            look = located(values.head(50), described.table.folder).to_frame()
            fitted: Any = kind_class("image").fit(look, options, "input")
            pixels = max(pixels, fitted.width)
    return DataFacts(training_rows, kinds, tuple(column.kind or "" for column in described.targets), pixels, words)


def fit(described: Described, family: Family, train: np.ndarray) -> tuple[Fitted, dict[str, dict[str, Any]]]:
    """Fit the kinds on the training rows; also return each column's full settings, for the recipe."""
    table = described.table.frame
    some = _some(train)
    frame = table[some]
    frame = frame.with_columns(
        located(frame[c.name], described.table.folder) for c in described.inputs if c.kind == "image"
    )
    groups: dict[str, tuple[list[str], Any, str]] = {}
    settings: dict[str, dict[str, Any]] = {}
    for column in described.inputs:
        kind = column.kind or ""
        options = check_options(kind, {**_known(kind, family.brings(kind)), **column.given}, f"columns.{column.name}")
        settings[column.name] = options.model_dump(mode="json")
        name = f"{kind} {options.model_dump_json()}" if kind_class(kind).many else f"{kind} {column.name}"
        groups.setdefault(name, ([], options, kind))[0].append(column.name)
    inputs: dict[str, Kind] = {}
    for names, options, kind in groups.values():
        number = 1 + sum(key.split("_")[0] == kind for key in inputs)
        inputs[kind if number == 1 else f"{kind}_{number}"] = kind_class(kind).fit(
            frame.select(names), options, "input"
        )
    targets: dict[str, Kind] = {}
    for index, column in enumerate(described.targets, 1):
        options = check_options(column.kind or "", column.given, f"columns.{column.name}")
        settings[column.name] = options.model_dump(mode="json")
        # of a target every class must be known, however rare
        own = table.select(column.name)[train] if len(some) < len(train) and column.kind != "number" else frame
        targets[f"target_{index}"] = kind_class(column.kind or "").fit(own.select([column.name]), options, "target")
    return Fitted(inputs, targets, described.left_out), settings


def _some(train: np.ndarray) -> np.ndarray:
    """The training rows, or MOST of them drawn at random, that kinds are fitted on, which is said."""
    if len(train) <= MOST:
        return train
    text = f"scales and lists of values are learnt from {MOST:,} of the {len(train):,} training rows, drawn at random"
    say("notice", "kinds.sample", text, rows=MOST, of=len(train))
    return np.sort(generator(0, "fit").choice(train, MOST, replace=False))


def _known(kind: str, brought: dict[str, Any]) -> dict[str, Any]:
    """What a family brings, of the settings that the kind has."""
    return {name: value for name, value in brought.items() if name in kind_class(kind).Options.model_fields}


def weights(table: Table, recipe: Recipe) -> np.ndarray | None:
    """(n,) float32 the rows' weights. Raises `InputError` for weights that are missing, negative or all zero."""
    if recipe.weight is None:
        return None
    values = table.frame[recipe.weight].cast(pl.Float64, strict=False).to_numpy()
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        raise InputError(Problem(
            table.id(int(wrong[0])), f"the weight in column {recipe.weight} is {table.frame[recipe.weight][int(wrong[0])]!r} ({len(wrong):,} such rows)",
            allowed="a number from 0",
        ))  # fmt: skip
    if not values.any():
        raise InputError(Problem(recipe.weight, "all weights are 0", allowed="at least one above 0"))
    return values.astype(np.float32)
