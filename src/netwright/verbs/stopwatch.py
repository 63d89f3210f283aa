"""How fast a model answers rows, and writes."""

from __future__ import annotations

import time
from typing import Any

from netwright.data.table import Table
from netwright.events import quiet
from netwright.export.parity import ROWS
from netwright.inference.model import Model
from netwright.kinds.language import Language, written
from netwright.nn.heads.text.settings import SamplingParams

TIMED, ENOUGH = 5, 20.0  # rounds of answering, of which the fastest counts; seconds after which there are no more
WRITTEN = 64  # tokens of a text that is timed
SCORED = 5_000  # rows that two models are compared by at most; the first ROWS of them are timed


def fastest(model: Model, rows: Table) -> float:
    """Return the rows a second of the fastest of several rounds."""
    rows = rows.slice(0, ROWS)
    times: list[float] = []
    while len(times) < TIMED and sum(times) <= ENOUGH:
        began = time.perf_counter()
        with quiet():  # what there is to say of the rows is said once
            model.predict(rows)
        times.append(time.perf_counter() - began)
    return len(rows) / min(times)


def speed(model: Model, rows: Table) -> tuple[str, float]:
    """Return what is counted, and how much of it a second: `tokens` of one text after another where it writes, else `rows`."""
    kind = written(model.fitted.targets.values())
    if kind is None:
        return "rows", fastest(model, rows)
    best = 0.0
    for seed in range(TIMED):
        began = time.perf_counter()
        sampling = SamplingParams(max_tokens=WRITTEN, temperature=1.0, seed=seed)
        with quiet():
            text = model.generate([_prompt(model, kind, rows)], sampling=sampling)[0]
        best = max(best, len(text.tokens) / (time.perf_counter() - began))
    return "tokens", best


def _prompt(model: Model, kind: Language, rows: Table) -> Any:
    """Something to write after: a question, the first row's inputs, or nothing."""
    if kind.conversation:
        return [{"role": "user", "content": "Hello."}]
    return rows.frame.select(model.fitted.columns).row(0, named=True) if model.fitted.columns else ""
