"""How long a model takes to answer rows."""

from __future__ import annotations

import time
from typing import Any

from netwright.model import Model

TIMED, ENOUGH = 5, 20.0  # rounds of answering, of which the fastest counts; seconds after which there are no more


def fastest(model: Model, rows: Any) -> float:
    """Return the seconds of the fastest of several rounds."""
    times: list[float] = []
    while len(times) < TIMED and sum(times) <= ENOUGH:
        began = time.perf_counter()
        model.predict(rows)
        times.append(time.perf_counter() - began)
    return min(times)
