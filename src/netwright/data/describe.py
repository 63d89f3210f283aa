"""What each column of a table holds: kinds named by the user, else inferred; rows that cannot be used are left out. n rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from netwright.data import encode, linked, media
from netwright.data.facts import DataFacts
from netwright.data.table import Table, meant
from netwright.errors import InputError, Problem, counted, nearest, quoted
from netwright.events import quiet, say, say_rows
from netwright.kinds.base import Kind, cells
from netwright.kinds.facts import LOOK, WIDE, Facts
from netwright.kinds.infer import Column, check_options, infer, input_class, present_classes, target_class
from netwright.recipe import Recipe

LOOKED = 2_000  # rows by which the length of texts is judged
FIT_LOOK = 50  # images by whose size it is judged whether dense layers can read them


@dataclass(frozen=True)
class Described:
    """A table whose columns' kinds are known. Rows without any target are already out of it.

    `asked`: by input column, the settings that targets which are about it ask for.
    """

    table: Table
    inputs: tuple[Column, ...]
    targets: tuple[Column, ...]
    left_out: dict[str, str]
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)


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
    kept_apart = {
        *recipe.target,
        *recipe.leave_out,
        *(name for name in (recipe.weight, recipe.split.column, recipe.split.group) if name),
        *(recipe.columns.get(name, {}).get("score") for name in recipe.target),
    }
    told = linked.told_together(table, recipe)
    names = recipe.inputs if recipe.inputs is not None else [
        name for name in table.columns if name not in kept_apart and name not in told
    ]  # fmt: skip
    table = _with_target(table, recipe, linked.without_missing(table, recipe, names))
    if len(table) > LOOK:
        text = f"kinds are guessed from {LOOK:,} of the {len(table):,} rows at even spacing"
        say("notice", "kinds.look", text, rows=LOOK, of=len(table))
    beside = linked.texts(table, recipe, names)
    targets = tuple(_target(table, name, recipe, beside) for name in recipe.target)
    targets, partners = linked.partners(table, recipe, targets, names)
    table, targets, asked_of = linked.settled(table, recipe, targets, names)
    asked_of |= partners
    found = [_input(table, name, recipe, asked_of.get(name)) for name in names]
    inputs = tuple(column for column in found if column.kind is not None)
    read = [column.name for column in inputs if input_class(column.kind or "").media]
    table = media.settled(table, read)
    if recipe.read.bad_rows == "leave_out":
        table = _with_media(table, {column.name: column.kind or "" for column in inputs if column.name in read})
    left_out = {**told, **{column.name: column.reason for column in found if column.kind is None}}
    asked = [name for name in left_out if recipe.inputs is not None]
    for name, reason in left_out.items():
        say(
            "warning" if name in asked else "choice",
            "column.left_out",
            f"{name}: left out, because {reason}",
            column=name,
        )
    if not inputs and not any(target_class(column.kind or "").needs == "stimulus" for column in targets):
        raise InputError(
            Problem(
                table.name,
                "no column is left to predict from",
                fix="name some with --inputs, with a kind in --columns.NAME.kind",
            )
        )
    return Described(table, inputs, targets, left_out, asked_of)


def _check_names(table: Table, recipe: Recipe) -> None:
    """Raise `InputError` with every setting that names a column which is not there, or a target which is none."""
    split = {f"split.{name}": getattr(recipe.split, name) for name in ("column", "group", "time")}
    given = [("target", name) for name in recipe.target] + [("inputs", name) for name in recipe.inputs or ()]
    given += [("leave_out", name) for name in recipe.leave_out]
    given += [(setting, name) for setting, name in {"weight": recipe.weight, **split}.items() if name]
    given += [(f"columns.{name}", name) for name in recipe.columns if name not in {name for _, name in given}]
    problems = [
        Problem(setting, f"{table.name} has no column {name!r}", fix=meant(name, table.columns))
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


def _with_target(table: Table, recipe: Recipe, always: set[str]) -> Table:
    """The rows that have at least one target; the others are said. Those in `always` are there in each row."""
    absent = np.ones(len(table), bool)
    for name in recipe.target:
        absent &= _gone(table.frame[name]) if name not in always else False
    if absent.all():
        raise InputError(Problem(table.name, f"no row has a {' or '.join(recipe.target)}", fix="name another --target"))
    if absent.any():
        lost = np.flatnonzero(absent)
        say_rows(
            "target.missing",
            f"{counted(len(lost), 'row')} without {' and '.join(recipe.target)} {'is' if len(lost) == 1 else 'are'} left out",
            table.named(lost),
        )
        table = table.take(np.flatnonzero(~absent))
    return table


def _with_media(table: Table, kinds: Mapping[str, str]) -> Table:
    """The rows whose files can be read; the others are said."""
    bad = dict[int, str]()
    for name, kind in kinds.items():
        bad |= input_class(kind).unreadable(media.paths(cells(table.frame[name]), media.base(table, name)))
    rows = np.array(sorted(bad), np.int64)
    if not len(rows) or len(rows) == len(table):  # where none can be read, encoding them names them
        return table
    what = f"because their {' and '.join(f'{kind}s' for kind in dict.fromkeys(kinds.values()))} cannot be read"
    text = f"{counted(len(rows), 'row')} left out, {what}; of the first, {bad[int(rows[0])]}"
    say_rows("read.bad_rows", text, table.named(rows))
    return table.take(np.setdiff1d(np.arange(len(table)), rows))


def _gone(column: pl.Series) -> np.ndarray:
    """(n,) which values of a target are missing. Slice by slice: texts without blanks are copies."""
    out = np.empty(len(column), bool)
    for at in range(0, len(column), encode.SLICE):
        part = column.slice(at, encode.SLICE)
        gone = part.is_null()
        if column.dtype.is_float():
            gone = gone | part.is_nan().fill_null(False)
        elif column.dtype == pl.String:
            gone = gone | (part.str.strip_chars() == "").fill_null(False)
        out[at : at + len(part)] = gone.to_numpy()
    return out


def check_nested(kind: Kind | type[Kind], table: Table, columns: Iterable[str]) -> None:
    """Raise `InputError` where a column holds lists or bytes, and its kind reads single values."""
    for name in columns:
        dtype = table.frame[name].dtype
        if not kind.nested and (dtype.is_nested() or dtype == pl.Binary):
            own = (kind if isinstance(kind, type) else type(kind)).model_fields["kind"].default
            what = f"the column {name!r} holds values of type {dtype}, which are not {own}"
            raise InputError(Problem(table.name, what, allowed="single values: texts, numbers, dates"))


def _input(table: Table, name: str, recipe: Recipe, asked: Mapping[str, Any] | None) -> Column:
    """An input column's kind; `asked`: what targets that are about it ask of it."""
    column = infer(table.frame[name], recipe.columns.get(name, {}), "input", declared=table.declared.get(name))
    if asked is not None:  # a target is about its words
        column = Column(name, "text", column.given, "a target is about it")
    if column.kind is not None:
        check_nested(input_class(column.kind), table, [name])
        _say_kind(column)
    return column


def _target(table: Table, name: str, recipe: Recipe, beside: Mapping[str, pl.Series]) -> Column:
    """A target column's kind. Raises `InputError` where it cannot be predicted."""
    given, declared = recipe.columns.get(name, {}), table.declared.get(name)
    column = infer(table.frame[name], given, "target", beside=beside, declared=declared)
    if column.kind is None:
        days = "give days since a day, as a number" if table.frame[name].dtype.is_temporal() else ""
        what = f"cannot be predicted: {column.reason}"
        raise InputError(Problem(f"target {name}", what, allowed="numbers, categories, labels", fix=days))
    kind = target_class(column.kind)
    check_nested(kind, table, [name])
    if "bad_rows" in kind.Options.model_fields:
        column = replace(column, given={"bad_rows": recipe.read.bad_rows, **column.given})
    kind.refuse(name, table.frame[name].drop_nulls(), asked="kind" in recipe.columns.get(name, {}))
    kind.doubt(table.frame[name], table.ids)
    _say_kind(column)
    if declared is not None and (unused := set(declared.classes) - present_classes(table.frame[name])):
        few = ", ".join(one for one in declared.classes if one in unused)
        text = f"{name}: no row has the class {quoted(few)}, which cannot be learnt"
        say("notice", "target.unused", text, column=name)
    return column


def _say_kind(column: Column) -> None:
    why = "" if column.reason == "as the recipe says" else "because "
    text = f"{column.name}: {column.kind}, {why}{column.reason}"
    say("choice", "column.kind", text, column=column.name, column_kind=column.kind)


def facts(described: Described, training_rows: int) -> DataFacts:
    """Return what a family may know of the data before it chooses."""
    frame = described.table.frame
    pixels, words = 0, 0.0
    needs = [target_class(column.kind or "").needs for column in described.targets]
    halves = [column.name for column, need in zip(described.targets, needs, strict=True) if need == "pair"]
    for column in described.inputs:
        kind = input_class(column.kind or "")
        if kind.signal == "sequence":
            words = max(words, *(Facts.of(frame[name]).words for name in [column.name, *halves]))
        if kind.signal == "grid":
            # the image's size decides whether dense layers can read it: look before fitting
            options = check_options(column.kind or "", column.given, f"columns.{column.name}", "input")
            look = media.absolute(frame[column.name].head(FIT_LOOK), described.table).to_frame()
            with quiet():
                fitted: Any = kind.fit(look, options)
            pixels = max(pixels, fitted.width)
    written = [column.name for column, need in zip(described.targets, needs, strict=True) if need == "stimulus"]
    if written:
        written += [column.name for column in described.inputs if input_class(column.kind or "").signal != "grid"]
    tokens = _tokens(frame.select(written)) * training_rows
    inputs = [column.kind or "" for column in described.inputs]
    targets = [column.kind or "" for column in described.targets]
    return facts_of(training_rows, inputs, targets, pixels=pixels, words=words, written=int(tokens))


def facts_of(rows: int, inputs: Sequence[str], targets: Sequence[str], **more: Any) -> DataFacts:
    """Return the facts that follow from the kinds of the input columns and of the targets, and `more` of them.

    >>> facts_of(100, ["number", "number", "text"], ["category"]).count("vector")
    2
    """
    signals: dict[str, tuple[str, ...]] = {}
    for kind in dict.fromkeys(inputs):
        own = input_class(kind).signal
        signals[own] = (*signals.get(own, ()), kind)
    asked = [target_class(kind) for kind in targets]
    return DataFacts(
        rows, {kind: inputs.count(kind) for kind in dict.fromkeys(inputs)}, tuple(targets), signals,
        needs=frozenset(kind.needs for kind in asked), answers=frozenset(kind.answer for kind in asked),
        each=any(kind.each for kind in asked), chats=any(kind.conversation for kind in asked), **more,
    )  # fmt: skip


def _tokens(frame: pl.DataFrame) -> float:
    """How many tokens a row's texts have, about: four letters, or 1.4 Chinese, Japanese or Korean characters, make one."""
    look = frame.gather_every(max(1, frame.height // LOOKED))
    total = 0.0
    for column in look.iter_columns():
        for value in column.drop_nulls().to_list():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            wide = len(WIDE.findall(text))
            total += wide / 1.4 + (len(text) - wide) / 4
    return total / max(look.height, 1)


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
