"""Truth and answer of targets that are about the words of a text, as `predictions.csv` holds them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from netwright.kinds.base import Target

LENGTH = 300  # characters of a value that are kept


@dataclass(frozen=True)
class Said:
    """One target's truth and answer, in the order of `predictions.csv`.

    `rows` are the places in that file, `ids` lead back to the source. Of tags `truth`, `chosen` and `probability` are a
    list a row; of spans they are the right texts, the answered text (empty: none) and its probability.
    """

    name: str
    kind: Target
    rows: np.ndarray
    ids: pl.Series
    truth: list[Any]
    chosen: list[Any]
    probability: list[Any]

    def __len__(self) -> int:
        return len(self.truth)


def read(value: str | None) -> Any:
    """A value as a file of predictions holds it: lists and objects as JSON."""
    if value is None or not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:  # a text that begins like a list
        return value


def cut(text: str) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"
