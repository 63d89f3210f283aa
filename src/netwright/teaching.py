"""Distillation: what a teacher's network answers is learnt beside the truth (Hinton et al. 2015, arXiv 1503.02531). n rows."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from netwright.arrays import Arrays
from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.kinds.base import Kind, kind_name
from netwright.model import load
from netwright.sources.table import Table

ABLE = ("category", "labels", "number")


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
