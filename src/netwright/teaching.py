"""Distillation: what a teacher's network answers is learnt beside the truth (Hinton et al. 2015, arXiv 1503.02531). n rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from netwright import sources
from netwright.arrays import Arrays
from netwright.errors import InputError, Problem
from netwright.events import say, say_rows
from netwright.kinds.base import Kind, kind_name
from netwright.model import load
from netwright.recipe import Recipe
from netwright.sources.table import Table

ABLE = ("category", "labels", "number")


def answered(recipe: Recipe, table: Table) -> Table:
    """Return the unlabelled rows with the teacher's answers as their targets, in the columns of `table`.

    Rows that stand in `table` too are left out, so that none that measures is learnt. Raises `InputError` where there is no
    teacher, or the rows lack a column that it reads.
    """
    if recipe.teacher is None:
        fix = "netwright distill RUN --into mlp --unlabelled FILE"
        raise InputError(Problem("unlabelled", "these rows have no teacher that answers them", fix=fix))
    model = load(recipe.teacher)
    rows = sources.read(recipe.unlabelled, settings=recipe.read)
    rows.require(model.fitted.columns, setting="unlabelled")
    plain = [name for name in model.fitted.columns if not rows.frame[name].dtype.is_nested()]
    texts = [pl.col(name).cast(pl.String, strict=False) for name in plain]
    there = rows.frame.select(texts).with_row_index("#").join(table.frame.select(texts), on=plain, how="semi", nulls_equal=True)["#"]  # fmt: skip
    if len(there):
        text = f"{len(there):,} rows also stand in {table.name}, and are left out"
        say_rows("unlabelled.known", text, rows.named(there.to_numpy()))
        rows = rows.take(np.setdiff1d(np.arange(len(rows)), there.to_numpy()))
    if not len(rows):
        raise InputError(Problem(rows.name, "no row is left for the teacher to answer", fix="give rows of its own"))
    found = model.predict(rows)
    frame = rows.frame.select(name for name in rows.columns if name in table.columns and name not in model.targets)
    for name in table.columns:
        if name in model.targets:
            value = found[f"{name}_predicted"]
            own = next(kind for kind in model.fitted.targets.values() if kind.columns[0] == name)
            if table.frame[name].dtype.is_nested():
                value = value.str.split(getattr(own, "separator", "|"))
            frame = frame.with_columns(value.alias(name))
        elif name not in frame.columns:
            blank = pl.lit(1.0 if name == recipe.weight else None, dtype=table.frame[name].dtype)
            frame = frame.with_columns(blank.alias(name))
    say("step", "unlabelled", f"{rows.name}: {len(rows):,} rows, answered by {recipe.teacher}; they are learnt, and measure nothing", rows=len(rows))  # fmt: skip
    return replace(rows, frame=frame.select(table.columns), splits=None)


def taught(table: Table, kinds: Mapping[str, Kind], targets: dict[str, Arrays], teacher: str) -> dict[str, Arrays]:
    """Return the encoded targets with the teacher's answers to all rows beside them, as `teacher` (n, ...).

    Raises `InputError` where the teacher answers other targets, or of another kind, or the rows lack a column it reads.
    """
    model = load(teacher)
    theirs = {kind.columns[0]: (key, kind) for key, kind in model.fitted.targets.items()}
    began = time.perf_counter()
    for kind in kinds.values():
        name = kind.columns[0]
        if name not in theirs:
            raise InputError(Problem("teacher", f"{teacher} does not answer {name}", allowed=", ".join(theirs)))
        if kind_name(theirs[name][1]) != kind_name(kind):
            what = f"{teacher} answers {name} as a {kind_name(theirs[name][1])}, and here it is a {kind_name(kind)}"
            raise InputError(Problem("teacher", what, fix=f"--columns.{name}.kind {kind_name(theirs[name][1])}"))
        if kind_name(kind) not in ABLE:
            raise InputError(
                Problem("teacher", f"a {kind_name(kind)} is not taught by another network", allowed=", ".join(ABLE))
            )
    found = model.answers(model.fitted.encode(table), len(table))
    seconds = time.perf_counter() - began
    out = dict(targets)
    for key, kind in kinds.items():
        theirs_key, their_kind = theirs[kind.columns[0]]
        name = "value" if kind_name(kind) == "number" else "probability"
        answer = their_kind.rebased({name: np.asarray(found[theirs_key][name])}, kind)[name]
        out[key] = {**targets[key], "teacher": answer.astype(np.float32)}
    text = f"{teacher} answered {len(table):,} rows in {seconds:.1f} s, to be learnt beside the truth"
    say("step", "teacher", text, rows=len(table), seconds=seconds)
    return out
