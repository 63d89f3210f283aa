"""The rows that exports are proven on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

import netwright as nw
from netwright.export import parity


def test_rows_of_files_of_their_own(tmp_path: Path) -> None:
    """A run whose test rows stand in another file is proven on those, and not taken for one whose source has changed."""
    for name, first in (("train", 0), ("test", 100)):
        x = np.arange(first, first + 100)
        pl.DataFrame({"x": x, "y": 3.0 * x}).write_csv(tmp_path / f"{name}.csv")
    settings = {"columns": {"x": "number"}, "split": {"test_data": str(tmp_path / "test.csv")}}
    model = nw.train(tmp_path / "train.csv", target="y", model="linear", output=tmp_path / "run", settings=settings)
    rows = parity.rows(model, None)
    assert len(rows) == 100 and set(rows.frame["x"]) == set(range(100, 200))
    assert rows.id(0).endswith("test.csv:2")
    assert len(parity.rows(model, None, most=7)) == 7
