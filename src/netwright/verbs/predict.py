"""Predict: a run's answers for new rows, written to a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.model import flat, load
from netwright.run import replacing

if TYPE_CHECKING:
    import polars as pl

ENDINGS = (".csv", ".jsonl", ".parquet")


def predict(run: str | Path, data: Any, *, output: str | Path | None = None) -> str | None:
    """Write predictions for `data` to `output` (.csv, .jsonl or .parquet); without it return them as CSV text."""
    ending = Path(output).suffix.lower() if output is not None else ".csv"
    if ending not in ENDINGS:
        raise InputError(Problem("--output", f"{str(output)!r} ends in {ending!r}", allowed=", ".join(ENDINGS)))
    frame = load(run).predict(data)
    if output is None:
        text = io.StringIO()
        flat(frame).write_csv(text)
        return text.getvalue()
    with replacing(Path(output)) as temporary:
        if ending == ".csv":
            flat(frame).write_csv(temporary)
        elif ending == ".jsonl":
            frame.write_ndjson(temporary)
        else:
            _parquet(frame, temporary)
    say("result", "predict.saved", f"{frame.height:,} predictions in {output}", rows=frame.height)
    return None


def _parquet(frame: pl.DataFrame, path: Path) -> None:
    import polars as pl

    try:
        frame.write_parquet(path)
    except pl.exceptions.ComputeError as error:  # no room, say: polars has no class of its own for it
        raise OSError(str(error).rpartition(": ")[2]) from error
