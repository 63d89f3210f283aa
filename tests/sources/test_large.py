"""A text read in pieces gives the table, the events and the refusals of one that is read at once."""

from __future__ import annotations

import csv
import gzip
import io
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from netwright.data import readers
from netwright.data.readers import large, mapped
from netwright.errors import InputError
from netwright.events import listening
from netwright.recipe import Read
from netwright.runtime import cache

EVENTS_OF_ITS_OWN = ("cache.kept", "read.whole")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own."""
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "cache"))


def outcome(path: Path, **settings: Any) -> tuple[Any, list[tuple[str, str, str]]]:
    """What reading gives: the table's parts or the refusal, and what was said."""
    with listening(heard := []):
        try:
            table = readers.read(path, settings=Read(**settings))
            got: Any = (
                table.frame.schema,
                repr(table.frame.rows()),
                table.ids(),
                table.fingerprint,
                table.files,
                table.name,
            )
        except InputError as error:
            got = str(error)
    return got, [(e.kind, e.name, e.text) for e in heard if e.name not in EVENTS_OF_ITS_OWN]


def both(path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, **settings: Any) -> tuple[Any, Any]:
    """The outcomes of reading at once and in pieces."""
    at_once = outcome(path, **settings)
    with monkeypatch.context() as patch:
        patch.setattr(large, "LARGE", 0)
        patch.setattr(large, "PIECE", piece)
        in_pieces = outcome(path, **settings)
    return at_once, in_pieces


CELLS = ["", "1", "-2", "3.5", "1e3", "?", "NA", "007", "x", "é中", " 4 ", " two words ", "12345678901234567890", "inf",
         "nan", "+5", "-0", "a long text that fits in no view", "0", "0.5", "00", "-01"]  # fmt: skip
QUOTED = ["a,b", "two\nlines", 'say "hi"', "x\r\ny"]


@pytest.mark.parametrize("seed", range(150))
def test_any_text_gives_the_same(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    width, end = draw.randint(1, 4), draw.choice(["\n", "\r\n"])
    pools = [draw.sample(CELLS, draw.randint(1, 5)) + draw.choice([[], QUOTED]) for _ in range(width)]
    rows = [[draw.choice(pool) for pool in pools] for _ in range(draw.randint(1, 40))]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end, quoting=draw.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    header = draw.random() < 0.8
    for row in [[f"c{i}" for i in range(width)]] * header + rows:
        writer.writerow(row)
        if draw.random() < 0.1:
            out.write(draw.choice([end, "  " + end, "1,2,3,4,5,6" + end, "9" + end]))
    if draw.random() < 0.2:
        out.write(end * 3)
    text = out.getvalue()[: draw.choice([None, None, None, -1, -7])]
    path = tmp_path / "a.csv"
    path.write_bytes(draw.choice([b"", b"", b"\xef\xbb\xbf"]) + text.encode())
    settings: dict[str, Any] = {"header": header, "bad_rows": draw.choice(["refuse", "leave_out", "leave_out"])}
    if draw.random() < 0.3:
        settings["missing"] = draw.choice([("-2", ""), ("NA",), ("nan", "", "x")])
    if draw.random() < 0.5:
        settings["delimiter"] = ","
    at_once, in_pieces = both(path, monkeypatch, draw.choice([3, 16, 64, 300]), **settings)
    assert in_pieces == at_once


@pytest.mark.parametrize("seed", range(100))
def test_any_characters_give_the_same(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(seed)
    text = "".join(
        draw.choices(draw.choice(['a1,"\n\n \r?', "01-+.e,\n\n", 'é\t1,\n"', '"a"\t\n']), k=draw.randint(1, 60))
    )
    path = tmp_path / draw.choice(["a.csv", "a.tsv"])
    path.write_bytes(text.encode())
    settings: dict[str, Any] = {
        "bad_rows": draw.choice(["refuse", "leave_out"]), "header": draw.random() < 0.7,
        "quotes": draw.choice([None, None, False]),
    }  # fmt: skip
    at_once, in_pieces = both(path, monkeypatch, draw.choice([3, 10]), **settings)
    assert in_pieces == at_once


@pytest.mark.parametrize("seed", range(60))
def test_numbers_read_at_once_are_those_read_as_texts(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(seed)
    n = 60
    columns = {
        "whole": draw.integers(-(2**40), 2**40, n), "small": draw.normal(size=n) * 10.0 ** draw.integers(-300, 300),
        "word": draw.choice(["Rome", "Bonn", "New York", ""], n), "late": np.where(np.arange(n) < 50, 1, 2.5),
    }  # fmt: skip
    frame = pl.DataFrame(columns)
    holes = pl.Series(draw.random(n) < 0.1)
    if seed % 3 == 0:
        frame = frame.with_columns(pl.when(~holes).then(pl.col("small")).alias("small"))
    if seed % 7 == 0:
        frame = frame.with_columns(
            pl.when(pl.int_range(n) == 55).then(pl.lit("word")).otherwise(pl.col("whole")).alias("whole")
        )
    path = tmp_path / "a.csv"
    frame.write_csv(path, line_terminator=["\n", "\r\n"][seed % 2], quote_style=["necessary", "always"][seed % 5 == 0])
    at_once, in_pieces = both(path, monkeypatch, [200, 700][seed % 2])
    assert in_pieces == at_once


@pytest.mark.parametrize("content", [
    b"", b"\n\n", b"  \n", b"a,b\n", b"a,b\n1,x\n2,caf\xe9\n", b"a,a\n1,2\n", b'a,b\n1,x\n2,"open\n3,y\n', b"a\0,b\n1,2\n",
    "é,中\n1,2\n".encode("utf-16"), gzip.compress(b"a,b\n1,2\n", mtime=0), b"a,b\r1,2\r3,4\r", b'a,b\n5" pipe,1\n',
])  # fmt: skip
def test_what_is_refused_or_read_whole_is_the_same(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    at_once, in_pieces = both(path, monkeypatch, 5)
    assert in_pieces == at_once


def test_what_is_read_whole_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "LARGE", 0)
    path = tmp_path / "a.csv"
    path.write_text('a,b\n5" pipe,1\n')
    with listening(heard := []):
        readers.read(path)
    assert [event.text for event in heard] == [
        "a.csv: all 0 MB are held in memory, because its quote marks do not always enclose whole cells"
    ]


def test_a_second_reading_finds_the_rows_in_the_cache_and_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "LARGE", 0)
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,x\n?,y\n")
    first = outcome(path)
    monkeypatch.setattr(large, "scan", None)
    assert outcome(path) == first
    assert "1 blocks" in cache.described() and first[1][0][1] == "read.missing"
    block = next(entry for entry in cache.folder().iterdir() if entry.is_dir())
    assert block.stat().st_mode & 0o777 == 0o700


def test_a_reading_that_fails_leaves_nothing_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "LARGE", 0)
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,x\n2\n")
    assert "do not have 2 cells" in outcome(path)[0]
    assert not [entry for entry in cache.folder().iterdir() if entry.is_dir()]


def test_a_block_above_the_cap_is_read_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "LARGE", 0)
    monkeypatch.setattr(cache, "CAP", 1)
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,x\n2,a long text that fits in no view\n")
    (_, rows, *_), _ = outcome(path)
    assert rows == repr([(1, "x"), (2, "a long text that fits in no view")])
    assert not [entry for entry in cache.folder().iterdir() if entry.is_dir()]


def test_rows_that_are_mapped_take_no_memory(tmp_path: Path) -> None:
    n = 2_000_000
    written = mapped.Writer(tmp_path, {"a": pl.Float64()}, rows=n)
    written.add(pl.DataFrame({"a": np.ones(n)}))
    written.close()
    before = _anonymous()
    frame = mapped.opened(tmp_path)
    assert frame["a"].sum() == n
    assert _anonymous() - before < 4 * 2**20


def test_frames_laid_down_in_parts_come_back_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "_TEXTS", 100)
    draw = random.Random(0)
    for number in range(20):
        n = draw.randint(1, 50)
        frame = pl.DataFrame({
            "whole": pl.Series([draw.choice([None, draw.randint(-9, 9)]) for _ in range(n)], dtype=pl.Int64),
            "text": pl.Series([draw.choice([None, "", "é" * draw.randint(0, 9), "x" * 30]) for _ in range(n)], dtype=pl.String),
        })  # fmt: skip
        folder = tmp_path / str(number)
        folder.mkdir()
        written, at = mapped.Writer(folder, frame.schema, rows=n + 3), 0
        while at < n:
            size = draw.randint(1, 12)
            written.add(frame[at : at + size])
            at += size
        written.close()
        assert mapped.opened(folder).equals(frame)
    del frame
    assert not mapped._held


def _anonymous() -> int:
    status = Path(f"/proc/{os.getpid()}/status")
    if not status.exists():
        pytest.skip("the system does not say it")
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("RssAnon"))


@pytest.mark.parametrize("seed", range(40))
def test_zeros_before_digits_are_found_wherever_they_stand(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "_WINDOW", 4)
    draw = random.Random(seed)
    cells = [
        draw.choice(["0", "10", "0.5", "-0.5", "100", "-3", ""] + ["01", "+00", "-07"] * (seed % 2)) for _ in range(9)
    ]
    text = ",".join(cells) + "\n"
    wanted = any(cell.lstrip("+-")[:1] == "0" and cell.lstrip("+-")[1:2].isdigit() for cell in cells)
    assert large._padded(np.frombuffer(text.encode(), np.uint8), ord(",")) == wanted
