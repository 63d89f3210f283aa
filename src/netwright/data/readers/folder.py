"""A folder of images by class: each sub-folder's name is the label of the images in it.

`cats/1.png`, or `train/cats/1.png` and `test/cats/2.png`, where the upper folders say how the rows are split.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from netwright.data.readers import picture_metadata
from netwright.data.readers.splits import split_of
from netwright.data.readers.tree import LOOKED_AT, divided, files, fingerprint
from netwright.errors import InputError, Problem, counted
from netwright.events import say, say_rows

if TYPE_CHECKING:
    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = ("a folder of images with a sub-folder for each class", "an image, or a folder of them, to answer")
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def claims(data: Any) -> bool:
    """Say whether `data` is the path of an image, or of a folder with images in it, at any depth.

    >>> claims(Path("a.csv"))
    False
    """
    if not isinstance(data, Path):
        return False
    return any(map(_is_image, islice(files(data), LOOKED_AT))) if data.is_dir() else _is_image(data.name)


def read(data: Path, settings: Read) -> Table:
    """Read a folder of images into a table: `image` (a path that opens) and `label` (the class folder's name).

    The id of a row is its path within the folder, such as `cats/1.png`. Files that are no images, and images outside
    the class folders, are left out and said; so are links that lead nowhere (or refused, as `read.bad_rows` says). Metadata
    files (`metadata.csv`, `.jsonl`, `.parquet`) tell of the images by their `file_name`, in place of class folders. Where no sub-folder holds images there is no `label`, nor for a single image.

    >>> import tempfile
    >>> from PIL import Image
    >>> from netwright.recipe import Read
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("cats", "dogs"):
    ...     (folder / name).mkdir()
    ...     Image.new("L", (2, 2)).save(folder / name / "1.png")
    >>> read(folder, Read()).frame["label"].to_list()
    ['cats', 'dogs']
    """
    if not data.is_dir():
        return _table(data.parent, [(data.name,)], {}, [])
    names = sorted(files(data))
    images = _whole([name for name in names if _is_image(name)], data, settings)
    told = picture_metadata.found(names)
    table = picture_metadata.read(data, told, images, settings) if told else None
    others = [name for name in names if not _is_image(name) and not (table and name in told)]
    if others:
        say_rows(
            "read.skipped", f"{data}: {len(others):,} files that are not images are skipped", others, kind="notice"
        )
    if table is not None:
        return table
    flat = _flat(images)
    above = 1 if flat or divided(images, data, what="images") else 0  # how many folders stand above the class folders
    classed = [name for name in images if len(PurePosixPath(name).parts) > above + 1]
    _say_bare(sorted(set(images) - set(classed)), len(classed), data)
    parts = [PurePosixPath(name).parts for name in classed or images]
    splits = [split_of(part[0]) for part in parts] if above else []
    if classed:
        _say_empty(data, above, {part[above] for part in parts})
    return _table(data, parts, {"label": [part[above] for part in parts]} if classed else {}, splits)


def _whole(images: list[str], data: Path, settings: Read) -> list[str]:
    """The images that are there; links that lead nowhere are refused or left out, as the settings say."""
    lost = [name for name in images if not (data / name).exists()]
    if lost and (settings.bad_rows == "refuse" or len(lost) == len(images)):
        fix = "delete these links" + ("" if len(lost) == len(images) else ", or leave them out with --read.bad_rows leave_out")  # fmt: skip
        shown = ", ".join(lost[:5]) + (", ..." if len(lost) > 5 else "")
        raise InputError(Problem(str(data), f"{counted(len(lost), 'link')} to images lead nowhere: {shown}", fix=fix))
    if lost:
        say_rows("read.bad_rows", f"{counted(len(lost), 'row')} left out, because links to images lead nowhere", lost)
    return [name for name in images if name not in set(lost)]


def _flat(images: list[str]) -> bool:
    """Whether the images lie directly in folders that are all named as splits: those are no classes."""
    parts = [PurePosixPath(name).parts for name in images]
    return bool(parts) and all(len(part) == 2 and split_of(part[0]) for part in parts)


def _say_empty(data: Path, above: int, classes: set[str]) -> None:
    """Say which class folders hold no image: their class is not known."""
    tops = [data, *(place for place in data.iterdir() if above and place.is_dir() and split_of(place.name))][above:]
    found = {place.name for top in tops for place in top.iterdir() if place.is_dir() and not place.name.startswith(".")}
    if empty := sorted(found - classes):
        named = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
        text = f"{data}: no image in {counted(len(empty), 'class folder')}, which {'is' if len(empty) == 1 else 'are'} no class: {named}"
        say("warning", "read.empty_class", text, classes=empty)


def _table(folder: Path, parts: list[tuple[str, ...]], labels: dict[str, list[str]], splits: list[str | None]) -> Table:
    """Images of a folder, their names in parts, as a table."""
    import numpy as np
    import polars as pl

    from netwright.data.table import Declared, Table

    names = tuple("/".join(part) for part in parts)
    classes = tuple(sorted(set(labels.get("label", ()))))
    declared = {"image": Declared("image", "it is a folder of images")}
    if labels:
        declared["label"] = Declared("category", "the folder names its class", classes=classes)
    return Table(
        pl.DataFrame({"image": [os.path.join(folder, *part) for part in parts], **labels}),
        names,
        np.arange(len(names), dtype=np.int32),
        np.zeros(len(names), np.int64),
        fingerprint=fingerprint(folder, list(names)),
        splits=np.array(splits) if len(set(splits)) > 1 else None,
        name=folder.resolve().name,
        folder=".",  # the names are paths that open
        declared=declared,
    )


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGES)


def _say_bare(images: list[str], kept: int, data: Path) -> None:
    """Say which images stand in no class folder: they are left out where others do."""
    if images and kept:
        say_rows("read.unlabelled", f"{data}: {len(images):,} images outside the class folders are left out", images)
    elif images:
        text = f"{data}: its images are not in class folders and have no label; training needs a sub-folder per class, such as cats/1.png"
        say_rows("read.unlabelled", text, images, kind="notice")
