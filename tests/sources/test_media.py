"""Cells that name files: where these are looked for, what is said of it, and what happens where they are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from netwright.data import describe, media, readers, splits
from netwright.data.table import Table
from netwright.errors import InputError
from netwright.events import Event
from netwright.recipe import Read, Recipe


def pictures(folder: Path, *, shade: int = 0, count: int = 12) -> list[str]:
    (folder / "p").mkdir(parents=True)
    for k in range(count):
        Image.new("L", (2, 2), shade + k).save(folder / "p" / f"{k}.png")
    return [f"p/{k}.png" for k in range(count)]


def table(folder: Path, names: list[Any]) -> Table:
    rows = {"photo": names, "y": [k % 2 for k in range(len(names))]}
    pl.DataFrame(rows).write_parquet(folder / "a.parquet")
    return readers.read(folder / "a.parquet")


def described(found: Table, **more: Any) -> describe.Described:
    return describe.describe(found, Recipe(data="x", target=("y",), **more))


def test_the_tables_own_folder_comes_first_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[Event]
) -> None:
    names = pictures(tmp_path / "own")
    pictures(tmp_path / "here", shade=100)
    monkeypatch.chdir(tmp_path / "here")
    found = described(table(tmp_path / "own", names))
    assert f"photo: its files are read from {tmp_path / 'own'}" in [event.text for event in said]
    assert media.base(found.table, "photo") == tmp_path / "own"
    # found once: that its rows are others, or that the folder changes, changes nothing
    monkeypatch.chdir(tmp_path)
    assert media.base(found.table.take(np.array([3])), "photo") == tmp_path / "own"


def test_the_current_folder_comes_second_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[Event]
) -> None:
    names = pictures(tmp_path / "here")
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    described(table(tmp_path / "own", names))
    assert f"photo: its files are read from the current folder: none of them is in {tmp_path / 'own'}" in [event.text for event in said]  # fmt: skip


def test_a_file_that_is_not_there_is_named_with_its_folder(tmp_path: Path, said: list[Event]) -> None:
    found = table(tmp_path, [*pictures(tmp_path), "p/none.png"])
    described(found, read=Read(bad_rows="leave_out"))
    assert f"there is no file none.png in {tmp_path / 'p'}" in next(e.text for e in said if e.name == "read.bad_rows")


def test_addresses_are_not_opened(tmp_path: Path, said: list[Event]) -> None:
    with pytest.raises(InputError, match="holds addresses, such as https://example.org/0.png, and addresses are not opened.*download"):  # fmt: skip
        described(table(tmp_path, [f"https://example.org/{k}.png" for k in range(12)]))
    found = table(tmp_path, [*pictures(tmp_path), "file:///etc/x.png"])
    described(found, read=Read(bad_rows="leave_out"))
    text = next(event.text for event in said if event.name == "read.bad_rows")
    assert "it is the address file:///etc/x.png, and addresses are not opened" in text


def test_each_of_two_tables_names_files_of_its_own_folder(tmp_path: Path) -> None:
    one = table(tmp_path / "a", pictures(tmp_path / "a"))
    two = table(tmp_path / "b", pictures(tmp_path / "b", shade=100))
    found = splits.joined(one, two, "test")
    shades = [np.asarray(Image.open(name))[0, 0] for name in media.absolute(found.frame["photo"], found)]
    assert shades == [*range(12), *range(100, 112)]


def test_records_with_paths_are_found_as_names_are(tmp_path: Path) -> None:
    cells = [{"bytes": None, "path": name} for name in pictures(tmp_path)]
    found = table(tmp_path, cells)
    assert media.base(found, "photo") == tmp_path
