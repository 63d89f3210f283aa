"""Parquet and Arrow files."""

from __future__ import annotations

from datetime import date, time, timedelta

import polars as pl
import pytest

from netwright.data import readers

FRAME = pl.DataFrame({"n": [1, 2], "t": ["x", None], "l": [["a"], []], "d": [date(2020, 1, 1), None]})
WRITERS = {
    "a.parquet": pl.DataFrame.write_parquet,
    "a.arrow": pl.DataFrame.write_ipc,
    "a.feather": pl.DataFrame.write_ipc,
    "stream.arrow": pl.DataFrame.write_ipc_stream,
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_written_is_read_with_its_types(tmp_path, name):
    WRITERS[name](FRAME, tmp_path / name)
    table = readers.read(tmp_path / name)
    assert table.frame.equals(FRAME) and table.frame.schema == FRAME.schema
    assert table.ids() == [f"{name}:1", f"{name}:2"]


def test_names_with_pattern_characters_are_plain_names(tmp_path):
    for name, suffix in (("a[1]*.parquet", "parquet"), ("a[1]*.arrow", "arrow")):
        WRITERS[f"a.{suffix}"](FRAME, tmp_path / name)
        assert len(readers.read(tmp_path / name)) == 2


def test_categories_become_texts_decimals_floats_and_nan_missing(tmp_path, said):
    frame = pl.DataFrame({"c": ["x", "y"], "m": [1.5, 2.5], "f": [float("nan"), 1.0], "none": [None, None]})
    frame.cast({"c": pl.Categorical, "m": pl.Decimal(10, 2)}).write_parquet(tmp_path / "a.parquet")
    table = readers.read(tmp_path / "a.parquet")
    assert table.frame.dtypes == [pl.String, pl.Float64, pl.Float64, pl.String]
    assert table.frame.rows() == [("x", 1.5, None, None), ("y", 2.5, 1.0, None)]
    assert said[0].text == "a.parquet: read as missing: NaN 1 times (f 1)"


def test_durations_are_seconds_and_times_of_day_texts(tmp_path, said):
    pl.DataFrame({"d": [timedelta(minutes=1.5), None], "t": [time(9, 5), None]}).write_parquet(tmp_path / "a.parquet")
    assert readers.read(tmp_path / "a.parquet").frame.rows() == [(90.0, "09:05:00"), (None, None)]
    assert [event.text for event in said] == [
        "a.parquet: d: durations are read as seconds", "a.parquet: t: times of day are read as text"
    ]  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_is_cut_off_is_refused(tmp_path, refused, name):
    WRITERS[name](FRAME, tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-100])
    assert refused(readers.read, tmp_path / name).startswith(f"{name}: is not a complete ")


@pytest.mark.parametrize("name", WRITERS)
def test_empty_files_are_refused(tmp_path, refused, name):
    (tmp_path / name).touch()
    assert refused(readers.read, tmp_path / name).startswith(f"{name}: the file is empty")


@pytest.mark.parametrize("name", WRITERS)
def test_columns_without_rows_are_refused(tmp_path, refused, name):
    WRITERS[name](FRAME.clear(), tmp_path / name)
    assert refused(readers.read, tmp_path / name).startswith(f"{name}: has columns but no rows")


def test_feather_1_is_refused(tmp_path, refused):
    (tmp_path / "a.feather").write_bytes(b"FEA1xxxxFEA1")
    assert refused(readers.read, tmp_path / "a.feather").startswith("a.feather: is Feather 1")
