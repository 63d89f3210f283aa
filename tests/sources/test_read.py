"""Finding the source that reads what the user gave, and saying why none does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from netwright import registry
from netwright.data import readers
from netwright.recipe import Read


def test_importing_the_room_is_cheap():
    code = "import sys, netwright.data.readers; sys.exit(any(name in sys.modules for name in ('polars', 'numpy', 'pandas')))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_every_file_of_the_room_is_a_source_or_a_helper():
    for name in registry.names("sources"):
        source = registry.find("sources", name)
        assert source.FORMS and source.claims(Path("no.such-ending")) is False and callable(source.read)


def test_a_missing_file_names_the_nearest(tmp_path, refused):
    (tmp_path / "reviews.csv").touch()
    path = tmp_path / "review.csv"
    assert refused(readers.read, path) == f"{path}: there is no such file. Fix: did you mean reviews.csv?"


def test_a_missing_folder_is_named(tmp_path, refused):
    text = refused(readers.read, str(tmp_path / "no" / "a.csv"))
    assert f"there is no such file, nor a folder {tmp_path / 'no'}" in text


def test_a_path_may_be_text_and_start_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.csv").write_text("a\n1\n")
    assert len(readers.read("~/a.csv")) == 1


def test_an_address_is_refused(refused):
    assert "only local files are read" in refused(readers.read, "https://example.org/a.csv")


def test_text_that_is_no_path_is_refused(refused):
    assert "is not a path" in refused(readers.read, "a,b\n" * 1000)


def test_a_format_that_no_source_reads_lists_those_that_are(tmp_path, refused):
    (tmp_path / "a.xls").touch()
    text = refused(readers.read, tmp_path / "a.xls")
    assert "no source reads files ending in .xls" in text
    for form in (
        ".csv .tsv",
        ".txt",
        ".jsonl .ndjson .json",
        ".parquet",
        ".arrow .feather",
        ".xlsx",
        ".db .sqlite",
    ):
        assert form in text
    assert "a folder" not in text and "(X, y)" not in text


def test_a_name_without_ending_is_refused(tmp_path, refused):
    (tmp_path / "data").touch()
    assert "the name has no extension" in refused(readers.read, tmp_path / "data")


def test_a_folder_without_images_or_idx_is_refused(tmp_path, refused):
    text = refused(readers.read, tmp_path)
    assert "no source reads this folder; it is empty" in text
    assert all(form in text for form in ("a folder of images", "IDX", "COCO", "GLUE")) and ".parquet" not in text
    (tmp_path / "rows.csv").touch()
    text = refused(readers.read, tmp_path)
    assert "it holds rows.csv" in text and "give the path of one file in it" in text


def test_a_folder_named_like_a_file_is_a_folder(tmp_path, refused):
    (tmp_path / "a.csv").mkdir()
    assert "no source reads this folder" in refused(readers.read, tmp_path / "a.csv")


@pytest.mark.parametrize("data", [3, None, ["a", "b"], {"a"}, ("a.csv", "b.csv")])
def test_other_objects_are_refused(refused, data):
    text = refused(readers.read, data)
    assert f"data of type {type(data).__name__} is not read like this" in text and ".parquet" not in text


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl", "a.parquet", "a.arrow", "t-images-idx3-ubyte"])
def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch, refused, name):
    (tmp_path / name).write_text("a\n1\n")
    (tmp_path / "t-labels-idx1-ubyte").touch()

    def deny(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", deny)  # not chmod: the tests may run as root, who may read everything
    text = refused(readers.read, tmp_path / name)
    assert f"{tmp_path / name}: is not readable by this user. Fix: change its permissions" in text


def test_settings_are_validated_and_described():
    assert Read(delimiter="\\t").delimiter == "\t"
    with pytest.raises(ValidationError, match="there is no encoding 'utf-99'"):
        Read(encoding="utf-99")
    with pytest.raises(ValidationError, match="is not one plain character"):
        Read(delimiter='"')
    assert all(field.description for field in Read.model_fields.values())


def test_a_missing_file_named_like_a_sample_names_the_sample(refused):
    for name in ("iris", "iris.csv"):
        assert "netwright samples get iris --output iris.csv" in refused(readers.read, name)
