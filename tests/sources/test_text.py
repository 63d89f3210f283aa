"""Plain texts: files by line, paragraph or whole, and folders of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from netwright.data import readers
from netwright.recipe import Read

POEM = "The fog comes\non little cat feet.\n\nIt sits looking\nover harbor and city\n\n\nand then moves on.\n"


@pytest.fixture
def folder(tmp_path) -> Callable[..., Path]:
    """Make a folder of files that each hold their own name, or the given text."""

    def make(*names: str, **texts: str) -> Path:
        for name in names:
            path = tmp_path / "reviews" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts.get(path.stem, f"This is {name}."))
        return tmp_path / "reviews"

    return make


# --- a file -----------------------------------------------------------------------------------------------------------


def test_blank_lines_part_paragraphs(read, said):
    table = read("poem.txt", POEM)
    assert table.frame["text"].to_list() == [
        "The fog comes\non little cat feet.",
        "It sits looking\nover harbor and city",
        "and then moves on.",
    ]
    assert table.ids() == ["poem.txt:1", "poem.txt:4", "poem.txt:8"]
    choice = "poem.txt: a row is a paragraph, because blank lines part it into 3; --read.rows line or file otherwise"
    assert [event.text for event in said] == [choice]


@pytest.mark.parametrize("text", ["one\ntwo\nthree\n", "one\n\ntwo\n\nthree", "one\r\ntwo\r\nthree"])
def test_a_line_is_a_row_where_each_stands_alone(read, said, text):
    assert read("lines.md", text).frame["text"].to_list() == ["one", "two", "three"]
    assert said[0].data["value"] == "line"


def test_a_stray_blank_line_parts_no_paragraphs(read, said):
    lines = [f"sentence {k}" for k in range(60)]
    table = read("lines.txt", "\n".join([*lines[:50], "", *lines[50:]]))
    assert (len(table), table.id(50)) == (60, "lines.txt:52")
    assert said[1].text == "1 blank line skipped (lines.txt:51)"


@pytest.mark.parametrize(("rows", "count"), [("line", 5), ("paragraph", 3), ("file", 1)])
def test_what_is_a_row_can_be_said(read, rows, count):
    assert len(read("poem.txt", POEM, rows=rows)) == count


def test_a_file_that_is_a_row_has_its_name_as_its_id(read):
    assert read("poem.txt", POEM, rows="file").ids() == ["poem.txt"]


def test_evenly_parted_lines_are_a_csv_file_unless_rows_are_asked_for(read):
    text = "age,city\n31,Rome\n47,Bonn\n"
    assert read("a.txt", text).columns == ["age", "city"]
    assert read("a.txt", text, rows="line").frame["text"].to_list() == ["age,city", "31,Rome", "47,Bonn"]


def test_a_file_without_text_is_refused(read, refused):
    assert "the file is empty" in refused(read, "a.txt", " \n\n")


def test_encodings(read, refused):
    raw = "café\nthé\n".encode("cp1252")
    assert read("a.txt", raw, encoding="cp1252").frame["text"].to_list() == ["café", "thé"]
    assert "a.txt:1: byte 4 of the line (0xe9) is not UTF-8" in refused(read, "a.txt", raw)


# --- a folder ---------------------------------------------------------------------------------------------------------


def test_sub_folders_are_labels(folder, said):
    table = readers.read(folder("pos/1.txt", "pos/2.txt", "neg/1.txt"))
    assert table.frame.rows()[0] == ("This is neg/1.txt.", "neg")
    assert table.ids() == ["neg/1.txt", "pos/1.txt", "pos/2.txt"]
    assert (table.name, table.splits, len(said)) == ("reviews", None, 1)


def test_upper_folders_are_splits_and_the_unlabelled_are_left_out(folder, said):
    path = folder(
        "train/pos/1.txt", "train/neg/1.txt", "train/unsup/1.txt", "test/pos/1.txt", "train/urls.txt", "README"
    )
    table = readers.read(path)
    assert dict(zip(table.ids(), table.splits, strict=True)) == {
        "test/pos/1.txt": "test",
        "train/neg/1.txt": "train",
        "train/pos/1.txt": "train",
    }
    assert set(table.frame["label"]) == {"pos", "neg"}
    assert [event.name for event in said] == ["read.skipped", "read.unlabelled", "read.unlabelled", "read.rows"]


def test_a_folder_without_sub_folders_has_no_label(folder, said):
    assert readers.read(folder("1.txt", "2.txt")).columns == ["text"]
    assert "no column label" in said[0].text


def test_lines_of_a_folder(folder):
    table = readers.read(folder("pos/a.txt", "neg/b.txt", a="x\n\ny", b="z"), settings=Read(rows="line"))
    assert table.frame.rows() == [("z", "neg"), ("x", "pos"), ("y", "pos")]
    assert table.ids() == ["neg/b.txt:1", "pos/a.txt:1", "pos/a.txt:3"]


def test_an_empty_text_is_missing_and_said(folder, said):
    table = readers.read(folder("pos/a.txt", "neg/b.txt", a=""))
    assert table.frame["text"].to_list() == ["This is neg/b.txt.", None]
    assert said[-1].text == "1 files contain no text (pos/a.txt)"


def test_texts_that_cannot_be_read_are_refused_or_left_out(folder, refused, said):
    path = folder("pos/a.txt", "neg/b.txt")
    (path / "pos" / "a.txt").write_bytes(b"caf\xe9")
    assert "1 of 2 texts cannot be read" in refused(readers.read, path)
    assert readers.read(path, settings=Read(bad_rows="leave_out")).ids() == ["neg/b.txt"]
    assert said[-1].data["rows"] == ["pos/a.txt"]


def test_a_folder_of_other_files_is_not_read(folder, refused):
    path = folder("README.txt", "a.bin", "b.bin")
    assert "no source reads this folder" in refused(readers.read, path)


def test_the_fingerprint_is_of_names_and_texts(folder):
    path = folder("pos/1.txt", "neg/1.txt")
    before = readers.read(path).fingerprint
    (path / "pos" / "1.txt").write_text("other")
    assert readers.read(path).fingerprint != before
