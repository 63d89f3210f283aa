"""Place: two numbers in one text, as in "3.5;-2". Read and answered. n rows."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl

from netwright.kinds import base


class Options(base.Options):
    """Settings of a place column."""

    kind: Literal["place"] = "place"


def pairs(cells: Any) -> np.ndarray:
    """(n, 2) float32, NaN where missing."""
    return np.array([[float(part) for part in cell.split(";")] if cell else [np.nan] * 2 for cell in cells], np.float32)


class Place(base.Kind):
    """A fitted place column; there is nothing to learn."""

    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["place"] = "place"

    @classmethod
    def sniff(cls, facts: Any) -> base.Guess | None:
        """Two numbers with a semicolon between them."""
        there = facts.is_text and facts.sample and all(text.count(";") == 1 for text in facts.sample)
        return base.Guess(sure=0.99, reason="its values are two numbers") if there else None

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Any:
        """There is nothing to learn."""
        return cls(columns=tuple(frame.columns))


class Input(Place, base.Input):
    """A place that is read."""

    def encode(self, cells: Any, ids: base.RowIds) -> Any:
        """{"at": (n, 2) float32}."""
        return {"at": np.nan_to_num(pairs(cells[0]))}


class Target(Place, base.Target):
    """A place that is answered. It declares nothing of how it is reported, served or drawn."""

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Any:
        """{"at": (n, 2) float32, "absent": (n,) bool}."""
        found = pairs(frame[self.columns[0]].to_list())
        return {"at": np.nan_to_num(found), "absent": np.isnan(found).any(1)}

    def absent(self, arrays: Any) -> np.ndarray:
        """(n,) rows without a place."""
        return arrays["absent"]

    def truth(self, arrays: Any) -> np.ndarray:
        """(n, 2)."""
        return arrays["at"].astype(np.float64)

    def decode(self, arrays: Any, *, prefix: str = "") -> pl.DataFrame:
        """`TARGET_predicted`."""
        return pl.DataFrame({f"{self.columns[0]}_predicted": [f"{x:.3f};{y:.3f}" for x, y in arrays["at"]]})
