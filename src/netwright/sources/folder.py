"""A folder of images by class: each sub-folder's name is the label of the images in it.

`cats/1.png`, or `train/cats/1.png` and `test/cats/2.png`, where the upper folders say how the rows are split.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from netwright.errors import InputError, Problem
from netwright.events import say_rows
from netwright.sources.splits import split_of
from netwright.sources.tree import LOOKED_AT, divided, files, fingerprint

if TYPE_CHECKING:
    from netwright.recipe import Read
    from netwright.sources.table import Table

FORMS = ("a folder of images with a sub-folder for each class",)
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def claims(data: Any) -> bool:
    """Say whether `data` is the path of a folder with images in it, at any depth.

    >>> claims(Path("a.csv"))
    False
    """
    return isinstance(data, Path) and data.is_dir() and any(map(_is_image, islice(files(data), LOOKED_AT)))


def read(data: Path, settings: Read) -> Table:
    """Read a folder of images into a table: `image` (a path that opens) and `label` (the class folder's name).

    The id of a row is its path within the folder, such as `cats/1.png`. Files that are no images, and images outside
    the class folders, are left out and said. Raises `InputError` where no sub-folder holds images.

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
    import numpy as np
    import polars as pl

    from netwright.sources.table import Table

    names = sorted(files(data))
    images = [name for name in names if _is_image(name)]
    others = [name for name in names if not _is_image(name)]
    if others:
        say_rows("read.skipped", f"{data}: {len(others):,} files that are no images skipped", others, kind="notice")
    above = 1 if divided(images, data, what="images") else 0  # how many folders stand above the class folders
    classed = [name for name in images if len(PurePosixPath(name).parts) > above + 1]
    _leave_out(sorted(set(images) - set(classed)), len(classed), data)
    parts = [PurePosixPath(name).parts for name in classed]
    splits = [split_of(part[0]) for part in parts] if above else []
    frame = pl.DataFrame(
        {"image": [os.path.join(data, *part) for part in parts], "label": [part[above] for part in parts]}
    )
    return Table(
        frame,
        tuple(classed),
        np.arange(len(classed), dtype=np.int32),
        np.zeros(len(classed), np.int64),
        fingerprint=fingerprint(data, classed),
        splits=np.array(splits) if len(set(splits)) > 1 else None,
        name=data.resolve().name,
    )


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGES)


def _leave_out(images: list[str], kept: int, data: Path) -> None:
    """Say which images stand in no class folder; raise if that leaves none."""
    if not kept:
        first = ", ".join(images[:3])
        what = f"its {len(images):,} images stand directly in it ({first}{', ...' if len(images) > 3 else ''})"
        fix = "put them into a sub-folder for each class, such as cats/1.png, or list them in a CSV file"
        raise InputError(Problem(str(data), f"{what}, and no sub-folder holds images", fix=fix))
    if images:
        say_rows("read.unlabelled", f"{data}: {len(images):,} images in no class folder left out", images)
