"""A folder of images by class: each sub-folder's name is the label of the images in it.

`cats/1.png`, or `train/cats/1.png` and `test/cats/2.png`, where the upper folders say how the rows are split.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from netwright.data.readers.splits import split_of
from netwright.data.readers.tree import LOOKED_AT, divided, files, fingerprint
from netwright.events import say_rows

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
    the class folders, are left out and said. Where no sub-folder holds images there is no `label`, nor for a single image.

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
    images = [name for name in names if _is_image(name)]
    others = [name for name in names if not _is_image(name)]
    if others:
        say_rows("read.skipped", f"{data}: {len(others):,} files that are no images skipped", others, kind="notice")
    above = 1 if divided(images, data, what="images") else 0  # how many folders stand above the class folders
    classed = [name for name in images if len(PurePosixPath(name).parts) > above + 1]
    _say_bare(sorted(set(images) - set(classed)), len(classed), data)
    parts = [PurePosixPath(name).parts for name in classed or images]
    splits = [split_of(part[0]) for part in parts] if above else []
    return _table(data, parts, {"label": [part[above] for part in parts]} if classed else {}, splits)


def _table(folder: Path, parts: list[tuple[str, ...]], labels: dict[str, list[str]], splits: list[str | None]) -> Table:
    """Images of a folder, their names in parts, as a table."""
    import numpy as np
    import polars as pl

    from netwright.data.table import Table

    names = tuple("/".join(part) for part in parts)
    return Table(
        pl.DataFrame({"image": [os.path.join(folder, *part) for part in parts], **labels}),
        names,
        np.arange(len(names), dtype=np.int32),
        np.zeros(len(names), np.int64),
        fingerprint=fingerprint(folder, list(names)),
        splits=np.array(splits) if len(set(splits)) > 1 else None,
        name=folder.resolve().name,
    )


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGES)


def _say_bare(images: list[str], kept: int, data: Path) -> None:
    """Say which images stand in no class folder: they are left out where others do."""
    if images and kept:
        say_rows("read.unlabelled", f"{data}: {len(images):,} images in no class folder left out", images)
    elif images:
        text = f"{data}: its images stand in no class folder, and have no label; training needs a sub-folder for each class, such as cats/1.png"
        say_rows("read.unlabelled", text, images, kind="notice")
