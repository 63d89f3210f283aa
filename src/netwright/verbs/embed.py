"""Embed: rows as vectors, by a run or by a pretrained checkpoint as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from netwright import pretrained
from netwright.data import readers
from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.inference import output as out
from netwright.inference.model import load
from netwright.training.checkpoint_start import untrained


def embed(run: str | Path, data: Any, *, output: str | Path | None = None, inputs: str | None = None) -> pl.DataFrame:
    """Return a frame of `id` and `vector` (D float32 of length 1) for each row of `data`, and write it where `output` says.

    `run`: a run's folder, or a pretrained checkpoint, of which `inputs` names the columns it reads (all its texts or images,
    if left out). Raises `InputError` where a column is missing, or the file's name has an ending that holds no lists.
    """
    path = None if output is None else out.check(output, data)
    if path is not None and path.suffix == ".csv":
        what = "a CSV file holds no lists"
        raise InputError(Problem("--output", what, allowed="a name that ends in .parquet or .jsonl"))
    if pretrained.is_one(run):
        table = readers.read(data)
        model = untrained(str(run), table, tuple(inputs.split(",")) if inputs else None)
        found = model.embed(table)
    else:
        found = load(run).embed(data)
    if path is not None:
        out.write(found, path)
        size = len(found["vector"][0]) if found.height else 0
        say("result", "embed.saved", f"{found.height:,} vectors of {size} values in {output}", rows=found.height)
    return found
