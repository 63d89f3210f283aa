"""IDX files, the form of MNIST: `train-images-idx3-ubyte.gz` with `train-labels-idx1-ubyte.gz`.

The form (Y. LeCun, "The MNIST database", 1998): two zero bytes, a type byte (8: unsigned byte), the number of
dimensions, each dimension as a big-endian 32-bit integer, then the values. n images; H, W, C: height, width, channels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.data.readers.content import hasher, load, readable
from netwright.data.readers.splits import split_of
from netwright.errors import InputError, Problem, nearest
from netwright.events import say_rows

if TYPE_CHECKING:
    import numpy as np

    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = ("IDX: *-images-idx3-ubyte(.gz) with *-labels-idx1-ubyte(.gz), a folder of them or one images file",)
_IMAGES = re.compile(r"images?([-.])idx[34]-ubyte(\.gz)?$")
_LABELS = re.compile(r"labels?([-.])idx1-ubyte(\.gz)?$")
_BYTES = 8  # the type byte of unsigned bytes


@dataclass(frozen=True)
class _Pair:
    """An images file, its labels file, and the split that their name says."""

    images: Path
    labels: Path
    split: str | None


def claims(data: Any) -> bool:
    """Say whether `data` is the path of an IDX images or labels file, or of a folder with IDX files in it.

    >>> claims(Path("train-images-idx3-ubyte.gz")), claims(Path("a.csv"))
    (True, False)
    """
    if not isinstance(data, Path):
        return False
    names = _names(data) if data.is_dir() else [data.name]
    return any(_IMAGES.search(name) or _LABELS.search(name) for name in names)


def read(data: Path, settings: Read) -> Table:
    """Read IDX files into a table: `image`, an array (H, W) or (H, W, C) of uint8, and `label`.

    A folder with training and test files gives `splits`. The id of a row is `file:position`. Raises `InputError` for
    files that are cut off, not IDX, without their labels, or with another number of labels than images.

    >>> import gzip, struct, tempfile
    >>> from netwright.recipe import Read
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">I3I", 0x803, 2, 1, 2) + bytes(4))
    >>> _ = (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 2) + bytes([5, 7]))
    >>> read(folder, Read()).frame["label"].to_list()
    [5, 7]
    """
    import numpy as np
    import polars as pl

    from netwright.data.table import Declared, Table

    pairs = _pairs(data)
    content = hasher()
    images, labels = [], []
    for pair in pairs:
        picture, label = (_array(path, content) for path in (pair.images, pair.labels))
        _check(pair, picture, label)
        images.append(picture)
        labels.append(label)
    shapes = {picture.shape[1:] for picture in images}
    if len(shapes) > 1:
        sizes = ["x".join(map(str, picture.shape[1:])) for picture in images]
        held = ", ".join(f"{pair.images.name} {size}" for pair, size in zip(pairs, sizes, strict=True))
        raise InputError(
            Problem(str(data), f"the files hold images of different sizes: {held}", fix="read one at a time")
        )
    counts = [len(label) for label in labels]
    frame = pl.DataFrame(
        [
            pl.Series("image", images[0] if len(images) == 1 else np.concatenate(images)),  # (n, H, W[, C])
            pl.Series("label", np.concatenate(labels).astype(np.int64)),
        ]
    )
    divided = data.is_dir() and len(pairs) > 1
    return Table(
        frame,
        tuple(pair.images.name for pair in pairs),
        np.repeat(np.arange(len(pairs), dtype=np.int32), counts),
        np.concatenate([np.arange(1, count + 1) for count in counts]),
        fingerprint=content.hexdigest(),
        splits=np.repeat([str(pair.split) for pair in pairs], counts) if divided else None,
        name=data.resolve().name,
        declared={
            "image": Declared("image", "IDX files hold images"),
            "label": Declared("category", "IDX labels are classes", tuple(map(str, frame["label"].unique().sort()))),
        },
    )


def _names(folder: Path) -> list[str]:
    """Return the names in the folder that are not hidden."""
    with readable(folder):
        return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def _pairs(data: Path) -> list[_Pair]:
    """Return the pairs of files to read, training first."""
    folder = data if data.is_dir() else data.parent
    names = _names(folder)
    if not data.is_dir():
        if _LABELS.search(data.name):
            fix = "give the images file beside it, or the folder"
            raise InputError(Problem(str(data), "holds labels alone", fix=fix))
        return [_paired(folder, data.name, names)]
    found = [name for name in names if _IMAGES.search(name)]
    pairs = [_paired(folder, name, names) for name in found]
    used = {path.name for pair in pairs for path in (pair.images, pair.labels)}
    lone = [name for name in names if _LABELS.search(name) and name not in used]
    if lone:
        what = f"no images file belongs to {', '.join(lone)}"
        raise InputError(Problem(str(data), what, fix="put it beside, or move these away"))
    others = [name for name in names if name not in used]
    if others:
        say_rows("read.skipped", f"{data}: {len(others):,} entries that are not IDX skipped", others, kind="notice")
    splits = [pair.split for pair in pairs]
    if len(pairs) > 1 and (None in splits or len(set(splits)) < len(splits)):
        what = f"holds several images files that do not name one split each: {', '.join(found)}"
        allowed = "one for train, one for t10k or test"
        raise InputError(Problem(str(data), what, allowed=allowed, fix="give the path of one of them"))
    order = ["train", "validation", "test", None]
    return sorted(pairs, key=lambda pair: order.index(pair.split))


def _paired(folder: Path, images: str, names: list[str]) -> _Pair:
    """Return the images file with the labels file that stands beside it."""
    match = _IMAGES.search(images)
    assert match is not None
    stem = images[: match.start()]
    wanted = [f"{stem}label{s}{mark}idx1-ubyte{gz}" for s in ("s", "") for mark in "-." for gz in ("", ".gz")]
    there = [name for name in wanted if name in names]
    if not there:
        beside = nearest(f"{stem}labels-idx1-ubyte", [name for name in names if _LABELS.search(name)])
        what = f"there is no labels file beside it ({stem}labels{match[1]}idx1-ubyte, .gz or not)"
        raise InputError(Problem(str(folder / images), what, fix=f"put it there; {beside}"))
    words = [split for word in re.split(r"[-_.]", stem) if (split := split_of(word))]
    return _Pair(folder / images, folder / there[0], words[0] if words else None)


def _array(path: Path, content: Any) -> np.ndarray:
    """Return the values of an IDX file as an array that shares its bytes; its hash is added to `content`."""
    import numpy as np

    raw, digest = load(path)
    content.update(path.name.encode() + b"\0" + digest.encode())
    dims = raw[3] if len(raw) >= 4 else 0
    if not raw:
        raise InputError(Problem(path.name, "the file is empty", fix="download it again"))
    if raw[:2] != b"\0\0" or len(raw) < 4 + 4 * dims or not dims:
        allowed = "the bytes 00 00 08 and the number of dimensions first"
        raise InputError(Problem(path.name, "is not an IDX file", allowed=allowed))
    if raw[2] != _BYTES:
        raise InputError(Problem(path.name, f"holds values of type 0x{raw[2]:02x}", allowed="unsigned bytes (0x08)"))
    shape = np.frombuffer(raw, ">u4", dims, offset=4).astype(np.int64)
    wanted, got = int(np.prod(shape)), len(raw) - 4 - 4 * dims
    if wanted != got:
        size = "x".join(map(str, shape))
        state = "is cut off" if got < wanted else "is longer than its header says"
        what = f"{state}: {size} values need {wanted:,} bytes, and {got:,} are there"
        raise InputError(Problem(path.name, what, fix="download it again"))
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape)


def _check(pair: _Pair, images: np.ndarray, labels: np.ndarray) -> None:
    """Raise where images (n, H, W[, C]) and labels (n,) do not belong together."""
    if images.ndim not in (3, 4) or labels.ndim != 1:
        dims = f"{pair.images.name} has {images.ndim} dimensions and {pair.labels.name} has {labels.ndim}"
        raise InputError(Problem(str(pair.images.parent), dims, allowed="3 or 4 for images, 1 for labels"))
    if len(images) != len(labels):
        what = f"{pair.images.name} holds {len(images):,} images and {pair.labels.name} holds {len(labels):,} labels"
        raise InputError(Problem(str(pair.images.parent), what, fix="take both files from one download"))
    if not images.size:
        raise InputError(Problem(pair.images.name, "holds no images", fix="give a file with images"))
