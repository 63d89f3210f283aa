"""The parity gate: an export stands only where another engine gives what the run gives, on rows that it never saw.

Up to 256 rows go through both sides. What is compared follows from the target: of a text that is written, what comes after
each token and greedy texts (`documents`); of any other, its answers (`answers`).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl

from netwright.data import readers
from netwright.data.table import Table
from netwright.errors import InputError, Problem
from netwright.events import quiet
from netwright.inference.model import Model
from netwright.runtime.run import Run
from netwright.training import pipeline

ROWS = 256


@dataclass
class Parity:
    """What was found: kept as `parity.json`.

    `largest` is the largest difference, in what the comparison looks at; `differs` names rows that differ by more than is
    allowed, `wrong` says in words what lies outside the tolerance.
    """

    engine: str
    stored: str
    rows: int = 0
    largest: float = 0.0
    differs: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @abstractmethod
    def sentence(self) -> str:
        """Return it in words."""


def compared(model: Model, theirs: Any, table: Table, stored: str) -> Parity:
    """Compare a run with another engine that holds it, on a table's rows."""
    from netwright.export import answers, documents

    if any(kind.needs == "stimulus" for kind in model.fitted.targets.values()):
        return documents.of_rows(model, theirs, table, stored)
    return answers.of_rows(model, theirs, table, stored)


def refuse(found: Parity, place: str, fix: str) -> None:
    """Raise `InputError` where something lies outside the tolerance."""
    if found.wrong:
        what = f"{found.engine} does not match the run: {'; '.join(found.wrong)}"
        raise InputError(Problem(place, what, fix=fix))


def rows(model: Model, data: Any, *, most: int = ROWS) -> Table:
    """Return the rows to compare on: those of `data`, else those that the run kept, else its test rows in its source.

    Raises `InputError` where there are none.
    """
    if data is not None:
        return readers.read(data, settings=model.recipe.read).slice(0, most)
    run = model.run
    assert run is not None, "exports are of runs"
    if run.rows.exists():
        return readers.read(run.rows).slice(0, ROWS)
    source, fix = model.recipe.data, "name a file with such rows"
    if source is None or not run.predictions.exists():
        raise InputError(Problem("--data", "the run kept no rows to compare on", fix=fix))
    try:
        with quiet():
            table = pipeline.read(model.recipe.model_copy(update={"unlabelled": None}), source)
    except InputError as error:
        raise InputError(*error.problems, Problem("--data", "these were the rows to compare on", fix=fix)) from error
    kept = run.read(run.about).get("fingerprint", "")  # that of unlabelled rows stands behind it
    if not kept.startswith(table.fingerprint):
        what = f"{table.name} has changed since the run was trained, so its test rows are unknown"
        raise InputError(Problem("--data", what, fix=fix))
    return _test_rows(run, table, most)


def _test_rows(run: Run, table: Table, most: int) -> Table:
    """The first rows that the run's predictions are of: rows that it never learnt."""
    names = set(pl.read_csv(run.predictions, columns=["id"], n_rows=most)["id"].cast(pl.String).to_list())
    lines = [int(end) if end.isdigit() else 0 for end in (name.rpartition(":")[2] for name in names)]
    places = [row for row in np.flatnonzero(np.isin(table.line, lines)) if table.id(int(row)) in names]
    if not places:
        raise InputError(
            Problem("--data", f"no test row of the run is in {table.name}", fix="name a file with such rows")
        )
    return table.take(np.array(places[:most]))
