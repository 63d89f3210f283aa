"""How fast a model answers rows."""

from __future__ import annotations

import time

from netwright.export.parity import ROWS
from netwright.model import Model
from netwright.sources.table import Table

TIMED, ENOUGH = 5, 20.0  # rounds of answering, of which the fastest counts; seconds after which there are no more
SCORED = 5_000  # rows that two models are compared by at most; the first ROWS of them are timed


def fastest(model: Model, rows: Table) -> float:
    """Return the rows a second of the fastest of several rounds."""
    rows = rows.slice(0, ROWS)
    times: list[float] = []
    while len(times) < TIMED and sum(times) <= ENOUGH:
        began = time.perf_counter()
        model.predict(rows)
        times.append(time.perf_counter() - began)
    return len(rows) / min(times)
