"""Predict: a run's answers for new rows, written to a file."""

from __future__ import annotations

import io
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.model import flat, load
from netwright.run import replacing

ENDINGS = (".csv", ".jsonl", ".parquet")


def predict(run: str | Path, data: Any, *, output: str | Path | None = None) -> str | None:
    """Write predictions for `data` to `output` (.csv, .jsonl or .parquet); without it return them as CSV text."""
    ending = Path(output).suffix.lower() if output is not None else ".csv"
    if ending not in ENDINGS:
        raise InputError(Problem("--output", f"{str(output)!r} ends in {ending!r}", allowed=", ".join(ENDINGS)))
    model = load(run)
    if output is None:
        text = io.StringIO()
        flat(model.predict(data)).write_csv(text)
        return text.getvalue()
    rows, slices = 0, model.predictions(data)
    first = next(slices)  # what is wrong with the data is said before a file is begun
    with replacing(Path(output)) as temporary:
        if ending == ".parquet":
            frame = pl.concat([first, *slices])  # polars writes a Parquet file from one frame alone
            rows = frame.height
            _parquet(frame, temporary)
        else:
            for frame in chain([first], slices):
                with temporary.open("ab") as file:
                    if ending == ".csv":
                        flat(frame).write_csv(file, include_header=not rows)
                    else:
                        frame.write_ndjson(file)
                rows += frame.height
    say("result", "predict.saved", f"{rows:,} predictions in {output}", rows=rows)
    return None


def _parquet(frame: pl.DataFrame, path: Path) -> None:
    try:
        frame.write_parquet(path)
    except pl.exceptions.ComputeError as error:  # no room, say: polars has no class of its own for it
        raise OSError(str(error).rpartition(": ")[2]) from error
