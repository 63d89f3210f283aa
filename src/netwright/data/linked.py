"""Targets linked to an input: which column that is, and which rows do not match it. Tags and spans refer to its words,
the other half of a pair about all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from netwright.data.table import Table
from netwright.errors import InputError, Problem, nearest
from netwright.events import quiet, say, say_rows
from netwright.kinds.infer import Column, infer, input_class, target_class
from netwright.kinds.tags import misfits
from netwright.recipe import Recipe

WORDS = (pl.String, pl.List(pl.String))
"""Types of columns that words may be in."""


def texts(table: Table, recipe: Recipe, names: Sequence[str]) -> dict[str, pl.Series]:
    """Return the inputs that words may be in: texts and lists of texts that the user has not called something else."""
    known = {name: declared.kind for name, declared in table.declared.items() if declared.kind}
    asked = {name: recipe.columns.get(name, {}).get("kind", known.get(name, "text")) for name in names}
    return {name: table.frame[name] for name in names if asked[name] == "text" and table.frame[name].dtype in WORDS}


def told_together(table: Table, recipe: Recipe) -> dict[str, str]:
    """Return the columns that tell of the same annotation as a target, with the reason why they are no inputs.

    Where the user names them as inputs, they are, and it is said what that means.
    """
    out: dict[str, str] = {}
    for group in table.together:
        target = next((name for name in group if name in recipe.target), None)
        if target is not None:
            why = f"it tells of the same annotation as {target}, which is to be predicted"
            out |= {name: why for name in group if name in table.columns and name not in recipe.target}
    for name in out:
        if name in (recipe.inputs or ()):
            text = f"{name}: {out[name]}: it gives the answer away"
            say("warning", "column.together", text, column=name)
    return {} if recipe.inputs is not None else out


def without_missing(table: Table, recipe: Recipe, names: Sequence[str]) -> set[str]:
    """Return the targets that are never missing, for nothing is an answer to them as well (a span)."""
    out, beside = set(), texts(table, recipe, names)
    for name in recipe.target:
        column = table.frame[name]
        gaps = column.null_count() or column.dtype == pl.String and bool((column.str.strip_chars() == "").any())
        if gaps and (column.dtype == pl.String or column.dtype.is_nested()):
            with quiet():
                given, declared = recipe.columns.get(name, {}), table.declared.get(name)
                kind = infer(column, given, "target", beside=beside, declared=declared).kind
            if kind is not None and target_class(kind).missing_is_a_value:
                out.add(name)
    return out


def settled(
    table: Table, recipe: Recipe, targets: tuple[Column, ...], names: Sequence[str]
) -> tuple[Table, tuple[Column, ...], dict[str, dict[str, Any]]]:
    """Return the table without rows that do not fit, the targets with the column that each is about, and the settings
    that those columns are to have.

    Raises `InputError` where it cannot be told which column that is, and, unless `read.bad_rows` says to leave them out,
    for rows that do not fit it.
    """
    held, out, of = texts(table, recipe, names), [], []
    bad: dict[int, str] = {}
    for column in targets:
        kind = target_class(column.kind or "")
        if kind.needs != "elements":
            out.append(column)
            continue
        _refuse_written(column, targets)
        name = _about(column, table, held, kind)
        of.append((name, kind))
        if recipe.columns.get(name, {}).get("windows") in (False, "false", "no"):
            what = f"{column.name} refers to its words, which needs windows"
            raise InputError(Problem(f"columns.{name}.windows", what, allowed="true"))
        out.append(replace(column, given={**column.given, "about": name}))
        found = kind.wrong(table.frame[column.name], table.frame[name])
        if found and recipe.read.bad_rows == "refuse":
            raise misfits(column.name, found, table.ids)
        bad |= {row: f"{column.name}: {why}" for row, why in found.items()}
    if bad:
        rows = np.array(sorted(bad))
        if len(rows) == len(table):
            raise InputError(
                Problem(table.name, f"no row matches, such as {bad[0]}", fix="name another column with about")
            )
        text = f"{len(rows):,} rows left out, because they do not match their text, such as {bad[int(rows[0])]}"
        say_rows("read.bad_rows", text, table.named(rows))
        table = table.take(np.setdiff1d(np.arange(len(table)), rows))
    return table, tuple(out), _asked(of, held)


def partners(
    table: Table, recipe: Recipe, targets: tuple[Column, ...], names: Sequence[str]
) -> tuple[tuple[Column, ...], dict[str, dict[str, Any]]]:
    """Return the targets, those that are the other half of a pair with the column of the first half, and what these
    columns are asked for. Raises `InputError` where there is more than such a pair."""
    out, asked = [], {}
    for column in targets:
        if target_class(column.kind or "").needs != "pair":
            out.append(column)
            continue
        where = f"columns.{column.name}"
        if recipe.split.folds:
            what = "each fold's network has its own embedding, and pairs are ranked among all rows"
            raise InputError(Problem("split.folds", what, fix="leave it out"))
        if len(targets) > 1:
            raise InputError(
                Problem(
                    "target",
                    f"{column.name} is the second text of a pair, and there are other targets",
                    fix="train a run for each",
                )
            )
        given = column.given.get("about") or (names[0] if len(names) == 1 else None)
        held = ", ".join(names)
        if given is None or given not in names:
            what = f"{given!r} is no input" if given else f"it is not clear which of {held} it belongs to"
            raise InputError(Problem(f"{where}.about", what, allowed=held, fix="name one column with --inputs"))
        if list(names) != [given]:
            more = ", ".join(name for name in names if name != given)
            raise InputError(
                Problem(
                    "inputs",
                    f"a pair is {given} and {column.name}, and there is {more} too",
                    fix=f"--inputs {given}, with --{where}.score NAME for a column of scores",
                )
            )
        if table.frame[given].dtype not in WORDS or table.frame[column.name].dtype not in WORDS:
            raise InputError(
                Problem(where, f"{given} and {column.name} are to be texts", allowed="two columns of texts")
            )
        for name in (given, column.name):
            _refuse_media(name, table, recipe)
        score = column.given.get("score")
        if score in (given, column.name):
            raise InputError(
                Problem(f"{where}.score", f"{score} is one of the pair's texts", allowed="a column of numbers")
            )
        if score is not None and score not in table.columns:
            raise InputError(
                Problem(
                    f"{where}.score", f"{table.name} has no column {score!r}", fix=nearest(str(score), table.columns)
                )
            )
        out.append(replace(column, given={**column.given, "about": given}))
        asked[given] = {}
    return tuple(out), asked


def _refuse_media(name: str, table: Table, recipe: Recipe) -> None:
    """Raise `InputError` where half of a pair is in files: a file's name is no text that tells of it."""
    if recipe.columns.get(name, {}).get("kind") == "text":
        return
    with quiet():
        found = infer(table.frame[name], {}, "input", declared=table.declared.get(name)).kind
    if found is not None and input_class(found).media:
        what = f"its values are {found}s, and pairs are of two texts"
        raise InputError(Problem(f"columns.{name}", what, allowed="two columns of texts"))


def _asked(of: Sequence[tuple[str, Any]], texts: Mapping[str, pl.Series]) -> dict[str, dict[str, Any]]:
    """The settings that targets ask of texts, by text; those of targets that compare texts win, for all are to be alike."""
    out: dict[str, dict[str, Any]] = {}
    for name, kind in sorted(of, key=lambda pair: pair[1].compares):
        for text in texts if kind.compares else [name]:
            out[text] = {**out.get(text, {}), **kind.asks}
    return out


def _about(column: Column, table: Table, held: Mapping[str, pl.Series], kind: Any) -> str:
    """The column that a target is about: the one named, else the one that it fits."""
    where, given = f"columns.{column.name}.about", column.given.get("about")
    allowed = ", ".join(held) or "there is no text among the inputs"
    if given is not None:
        if given not in held:
            what = f"{given!r} is not a text among the inputs"
            raise InputError(Problem(where, what, allowed=allowed, fix=nearest(str(given), list(held))))
        return str(given)
    found = kind.about_which(table.frame[column.name], dict(held)) if held else None
    if found is None:
        what = f"it is not clear which text {column.name} refers to"
        raise InputError(
            Problem(where, what, allowed=allowed, fix=f"--{where} NAME" if held else "name one with --inputs")
        )
    if len(held) > 1:
        say("choice", "column.about", f"{column.name}: refers to {found}, which it matches; --{where} names another")
    return found


def _refuse_written(column: Column, targets: Sequence[Column]) -> None:
    written = [other.name for other in targets if target_class(other.kind or "").needs == "stimulus"]
    if written:
        what = f"{column.name} refers to words of an input, and {written[0]} is a text to generate"
        raise InputError(Problem("target", what, fix="train a run for each"))
