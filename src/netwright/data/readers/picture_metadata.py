"""A folder of images with a metadata file, as Hugging Face's image folders have it: what is told of each image, by its name.

`train/1.png` with `train/metadata.csv` beside it, whose column `file_name` names the images; also `.jsonl` and `.parquet`,
also one file for all (https://huggingface.co/docs/datasets/image_dataset).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from netwright.data.readers.splits import split_of
from netwright.data.readers.tree import fingerprint
from netwright.errors import InputError, Problem, counted
from netwright.events import say_rows

if TYPE_CHECKING:
    import polars as pl

    from netwright.data.table import Declared, Table
    from netwright.recipe import Read

FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
KEY = "file_name"


def found(names: Sequence[str]) -> list[str]:
    """Return the metadata files among a folder's files: the one in the folder itself, else those of its sub-folders."""
    held = [name for name in names if PurePosixPath(name).name in FILES and len(PurePosixPath(name).parts) <= 2]
    top = [name for name in held if "/" not in name]
    return top or held


def read(data: Path, files: list[str], images: Sequence[str], settings: Read) -> Table | None:
    """Read the images that metadata files name into a table: `image`, and what the files tell; None: they name no images.

    A column `X_file_name` names files as well, and becomes the image column `X`. Images that are named and not there are
    refused or left out, as `read.bad_rows` says; images that are not named are left out, and said.
    """
    import numpy as np
    import polars as pl

    from netwright.data.table import Declared, Table

    tables = {name: _told(data / name, settings) for name in files}
    if any(KEY not in table.columns for table in tables.values()):
        return None
    frames = [_placed(table.frame, PurePosixPath(name).parent, data) for name, table in tables.items()]
    declared: dict[str, Declared] = {}
    for table in tables.values():
        declared = {**table.declared, **declared}
    frame = pl.concat(_alike(frames), how="diagonal_relaxed")
    pictures = frames[0].columns[: _pictures(tables[files[0]])]
    frame = _there(frame, pictures, images, data, settings)
    ids = frame["image"].to_list()
    named = {one for name in pictures for one in frame[name].to_list()}
    if unnamed := sorted(set(images) - named):
        text = f"{data}: {counted(len(unnamed), 'image')} without a row in {', '.join(files[:3])} left out"
        say_rows("read.unlabelled", text, unnamed)
    splits = [split_of(PurePosixPath(one).parts[0]) if "/" in one else None for one in ids]
    full = [
        pl.Series(name, [None if one is None else str(data / one) for one in frame[name].to_list()])
        for name in pictures
    ]
    reason = f"{KEY} names images"
    return Table(
        frame.with_columns(full), tuple(ids), np.arange(len(ids), dtype=np.int32), np.zeros(len(ids), np.int64),
        fingerprint=fingerprint(data, sorted({*files, *named})),
        splits=np.array(splits) if None not in splits and len(set(splits)) > 1 else None, name=data.resolve().name, folder=".",
        declared={**declared, **{name: Declared("image", reason) for name in pictures}},
    )  # fmt: skip


def _told(path: Path, settings: Read) -> Table:
    """Read one metadata file by the source of its ending."""
    from netwright.data.readers import csv, jsonl, parquet

    source = {".csv": csv, ".jsonl": jsonl, ".parquet": parquet}[path.suffix]
    return source.read(path, settings)


def _pictures(table: Table) -> int:
    return sum(name == KEY or name.endswith(f"_{KEY}") for name in table.columns)


def _placed(frame: pl.DataFrame, folder: PurePosixPath, data: Path) -> pl.DataFrame:
    """The rows of a metadata file: images first, by their paths within the folder of all."""
    import polars as pl

    named = [name for name in frame.columns if name == KEY or name.endswith(f"_{KEY}")]
    called = {name: "image" if name == KEY else name.removesuffix(f"_{KEY}") for name in named}
    taken = [new for new in called.values() if new in frame.columns]
    if taken:
        what = f"has the column {taken[0]}, which {KEY} is to become"
        raise InputError(Problem(str(data / folder), what, fix="rename it"))

    def one(value: str | None) -> str | None:
        return None if value is None else (folder / value).as_posix()

    images = [pl.Series(new, list(map(one, frame[name].cast(pl.String).to_list())), dtype=pl.String) for name, new in called.items()]  # fmt: skip
    return pl.DataFrame(images).hstack(frame.drop(named))


def _alike(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """The frames so that a column that is text in one file is text in all."""
    import polars as pl

    texts = {name for frame in frames for name, dtype in frame.schema.items() if dtype == pl.String}
    return [frame.with_columns(pl.col(name).cast(pl.String) for name in frame.columns if name in texts) for frame in frames]  # fmt: skip


def _there(frame: pl.DataFrame, pictures: list[str], images: Sequence[str], data: Path, settings: Read) -> pl.DataFrame:
    """The rows whose images are in the folder; what becomes of the others the settings say."""
    import polars as pl

    known = set(images)
    lost = [str(row[0]) for row in frame.select(pictures).rows() if not known.issuperset(row)]
    if lost and (settings.bad_rows == "refuse" or len(lost) == frame.height):
        fix = "put them there" + ("" if len(lost) == frame.height else ", or leave these rows out with --read.bad_rows leave_out")  # fmt: skip
        shown = ", ".join(lost[:5]) + (", ..." if len(lost) > 5 else "")
        raise InputError(Problem(str(data), f"{len(lost):,} of {frame.height:,} images are missing: {shown}", fix=fix))
    if lost:
        say_rows("read.bad_rows", f"{counted(len(lost), 'row')} left out, because their images are missing", lost)
        frame = frame.filter(pl.all_horizontal(pl.col(name).is_in(list(known)) for name in pictures))
    return frame
