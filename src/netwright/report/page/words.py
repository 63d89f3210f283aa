"""Truth and answer of targets that are about the words of a text (tags, spans), as `predictions.csv` holds them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from netwright.kinds.base import Kind
from netwright.kinds.span import Span, answers_of
from netwright.kinds.words import parted


@dataclass(frozen=True)
class Said:
    """One target's truth and answer, in the order of `predictions.csv`.

    `rows` are the places in that file, `ids` lead back to the source. Of tags `truth`, `chosen` and `probability` are a
    list a row; of spans they are the right texts, the answered text (empty: none) and its probability.
    """

    name: str
    kind: Kind
    rows: np.ndarray
    ids: pl.Series
    truth: list[Any]
    chosen: list[Any]
    probability: list[Any]

    def __len__(self) -> int:
        return len(self.truth)


def said(kind: Kind, frame: pl.DataFrame) -> Said:
    """Return a target's truth and answer."""
    name = kind.columns[0]
    truth, chosen, sure = (frame[f"{name}{end}"].to_list() for end in ("", "_predicted", "_probability"))
    if isinstance(kind, Span):
        rows = np.arange(frame.height)
        right = [tuple(text for text, _ in answers_of(_read(value))) for value in truth]
        return Said(name, kind, rows, frame["id"], right, [text or "" for text in chosen], [float(p) for p in sure])
    lists = [[str(tag) for tag in json.loads(text)] if text else [] for text in chosen]
    given = [parted(_read(value)).words for value in truth]
    rows = np.flatnonzero([0 < len(one) == len(other) for one, other in zip(given, lists, strict=True)])
    kept = rows.tolist()
    return Said(
        name, kind, rows, frame["id"][rows], [given[k] for k in kept], [lists[k] for k in kept],
        [json.loads(sure[k]) for k in kept],
    )  # fmt: skip


def _read(value: str | None) -> Any:
    """A value as a file of predictions holds it: lists and objects as JSON."""
    if value is None or not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:  # a text that begins like a list
        return value
