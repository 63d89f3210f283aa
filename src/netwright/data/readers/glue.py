"""GLUE's layout: a folder with train.tsv and dev.tsv, and test.tsv, which mostly has no labels. CoLA has no header."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.data.readers.content import hasher
from netwright.errors import InputError, Problem
from netwright.events import say

if TYPE_CHECKING:
    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = ("a folder with train.tsv, dev.tsv (and test.tsv), as GLUE's tasks have",)
_COLA = ("source", "label", "mark", "sentence")
_DEV = ("dev.tsv", "dev_matched.tsv")


def claims(data: Any) -> bool:
    """Say whether `data` is the path of a folder with train.tsv and dev.tsv.

    >>> claims(Path("a.csv"))
    False
    """
    return isinstance(data, Path) and (data / "train.tsv").is_file() and _dev(data) is not None


def read(data: Path, settings: Read) -> Table:
    """Read train.tsv and dev.tsv (of MNLI dev_matched.tsv) into one table; the id of a row is `dev.tsv:line`.

    test.tsv without the columns of the others is not read: then dev.tsv measures, and the rows that choose the weights
    are drawn from train.tsv. With them dev.tsv chooses and test.tsv measures. Files without a header are CoLA's, of which
    sentence and label are kept. Raises `InputError` as CSV files do, and for files that share no columns.

    >>> import tempfile
    >>> from netwright.recipe import Read
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("train", "dev"):
    ...     _ = (folder / f"{name}.tsv").write_text(f"sentence\\tlabel\\na {name} film\\t1\\n")
    >>> table = read(folder, Read())
    >>> table.ids(), table.splits.tolist()
    (['train.tsv:2', 'dev.tsv:2'], ['train', 'test'])
    """
    import numpy as np
    import polars as pl

    from netwright.data.table import Table

    dev = _dev(data)
    assert dev is not None
    train, held = (_file(data / name, settings) for name in ("train.tsv", dev))
    parts = {"train": train, "test": held}
    test = _test(data, settings, train.columns)
    if test is not None:
        parts = {"train": train, "validation": held, "test": test}
    columns = _shared(parts, data)
    frame = pl.concat(_alike([part.frame.select(columns) for part in parts.values()]), how="vertical_relaxed")
    content = hasher()
    for part in parts.values():
        content.update(part.fingerprint.encode())
    return Table(
        frame,
        tuple(part.name for part in parts.values()),
        np.concatenate([np.full(len(part), place, np.int32) for place, part in enumerate(parts.values())]),
        np.concatenate([part.line for part in parts.values()]),
        fingerprint=content.hexdigest(),
        splits=np.concatenate([np.full(len(part), name, dtype="U10") for name, part in parts.items()]),
        name=data.resolve().name,
    )


def _dev(data: Path) -> str | None:
    return next((name for name in _DEV if (data / name).is_file()), None)


def _file(path: Path, settings: Read) -> Table:
    """Read one file; its quote marks are plain characters, and without a header it is CoLA's."""
    from netwright.data.readers import csv

    with path.open("rb") as stream:
        first = stream.readline(1 << 16).decode(errors="replace").rstrip("\r\n").split("\t")
    bare = len(first) == len(_COLA) and first[1] in ("0", "1") and first[2] in ("", "*")
    given = {"delimiter": "\t", "quotes": False, "header": not bare}
    table = csv.read(path, settings.model_copy(update=given))
    if not bare:
        return table
    text = "it has no header, as CoLA's have none; its source and its mark are left out: they repeat the label"
    say("choice", "read.header", f"{path.name}: {text}")
    frame = table.frame.rename(dict(zip(table.columns, _COLA, strict=True))).select("sentence", "label")
    return replace(table, frame=frame)


def _test(data: Path, settings: Read, columns: list[str]) -> Table | None:
    """Return test.tsv where it has every column of train.tsv, the label among them; else say that it is not read."""
    path = data / "test.tsv"
    others = sorted(
        entry.name for entry in data.glob("*.tsv") if entry.name not in ("train.tsv", "test.tsv", _dev(data))
    )
    if others:
        say("notice", "read.skipped", f"{data}: {', '.join(others)} not read; predict and evaluate take them as files")
    if path.is_file():
        with path.open("rb") as stream:
            header = stream.readline(1 << 16).decode(errors="replace").rstrip("\r\n").split("\t")
        if not set(columns) - set(header):
            text = f"{_dev(data)} is the validation set and test.tsv the test set, because test.tsv has all columns"
            say("choice", "read.splits", f"{data}: {text}")
            return _file(path, settings)
    why = "test.tsv is not read, because it has no labels" if path.is_file() else "there is no test.tsv"
    text = f"{_dev(data)} is the test set ({why}); validation rows are drawn from train.tsv"
    say("choice", "read.splits", f"{data}: {text}")
    return None


def _shared(parts: dict[str, Table], data: Path) -> list[str]:
    """Return the columns that all parts have; the others are said."""
    train = parts["train"].columns
    shared = [name for name in train if all(name in part.columns for part in parts.values())]
    if len(shared) < 2:
        shown = "; ".join(f"{part.name} has {', '.join(part.columns[:5])}" for part in parts.values())
        raise InputError(Problem(str(data), f"its files share no columns: {shown}", fix="give them alike headers"))
    lost = [name for part in parts.values() for name in part.columns if name not in shared]
    if lost:
        names = ", ".join(dict.fromkeys(lost))
        say("warning", "read.columns", f"{data}: columns missing in some files are left out: {names}")
    return shared


def _alike(frames: list[Any]) -> list[Any]:
    """Return the frames so that a column read as numbers in one file and as text in another is text in all."""
    import polars as pl

    texts = [name for name in frames[0].columns if any(frame[name].dtype == pl.String for frame in frames)]
    return [frame.with_columns(pl.col(texts).cast(pl.String)) for frame in frames]
