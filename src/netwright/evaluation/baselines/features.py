"""Raw columns as what scikit-learn takes: numbers (NaN: missing), categories and texts. n rows, k columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from netwright.evaluation.baselines.rows import columns_of
from netwright.kinds import parse
from netwright.kinds.base import cells
from netwright.kinds.values.category import text_of


def numbers(frames: list[pl.DataFrame], columns: Mapping[str, str]) -> list[np.ndarray]:
    """(n, k) float64 of each frame: number columns, and dates as seconds since 1970; NaN where missing.

    All frames are read together, so that a date is read in the same form in each.
    """
    names, rows = columns_of(columns, "number", "date"), sum(frame.height for frame in frames)
    out = np.empty((rows, len(names)))
    for place, name in enumerate(names):
        joined = pl.concat([frame[name] for frame in frames])
        if columns[name] == "date":
            read = parse.dates(joined).cast(pl.Int64).cast(pl.Float64) / 1e6
        else:
            read = parse.numbers(joined)
        values = read.to_numpy()
        out[:, place] = np.where(np.isfinite(values), values, np.nan)
    return np.split(out, np.cumsum([frame.height for frame in frames])[:-1])


def categories(frame: pl.DataFrame, columns: Mapping[str, str]) -> np.ndarray:
    """(n, k) objects: category columns as texts, None where missing."""
    found = [list(map(text_of, cells(frame[name]))) for name in columns_of(columns, "category")]
    out = np.empty((frame.height, len(found)), object)
    for index, values in enumerate(found):
        out[:, index] = values
    return out


def texts(frame: pl.DataFrame, columns: Mapping[str, str]) -> list[str]:
    """The text columns of each row, joined by line breaks; empty where missing."""
    names = columns_of(columns, "text")
    joined = frame.select(pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in names], separator="\n"))
    return joined.to_series().to_list()


def bags(variant: str, most: int) -> Any:
    """Return what weighs n-grams by TF-IDF: `words` of 1 and 2, or `characters` of 1 to 4 within words, the `most` frequent."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    settings = {"sublinear_tf": True, "max_features": most, "dtype": np.float32}
    if variant == "words":
        return TfidfVectorizer(ngram_range=(1, 2), **settings)
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), **settings)
