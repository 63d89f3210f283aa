"""COCO's layout: a JSON file of images and what is told of them, the images in a folder beside it.

Of boxes and categories a row is an image, of captions a caption.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.data.readers.content import hasher, load, pieces, to_utf8
from netwright.data.readers.splits import split_of
from netwright.errors import InputError, Problem
from netwright.events import say, say_rows

if TYPE_CHECKING:
    import polars as pl

    from netwright.data.table import Declared, Table
    from netwright.recipe import Read

FORMS = ("COCO's annotations.json, or the folder that holds it beside its images",)
_KEYS = ("images", "annotations", "categories")
_OPENS = re.compile(rb'^(\xef\xbb\xbf)?\s*\{\s*"(info|licenses|images|annotations|categories)"\s*:\s*[\[{]')
_PLACES = ("annotations.json", "_annotations.coco.json", "annotations/*.json", "*/_annotations.coco.json")
_ALLOWED = "an object with lists of images, annotations and (but for captions) categories"


@dataclass(frozen=True)
class Image:
    """One image of an annotation file: where it lies, its split, and what is on it."""

    path: Path
    name: str
    split: str | None
    boxes: list[dict[str, Any]]
    captions: list[str]


def claims(data: Any) -> bool:
    """Say whether `data` is an annotation file of COCO's layout, or a folder that holds one.

    >>> claims(Path("a.csv"))
    False
    """
    return isinstance(data, Path) and bool(_files(data))


def read(data: Path, settings: Read) -> Table:
    """Read it into a table: `image` (a path that opens), what is on it, and `boxes`; of captions `image` and `caption`.

    Where each image has one category the column is `category`, else `categories`, a list. `boxes` is a list of objects
    with category, x, y, width and height, in pixels from the top left. The id of a row is the image's file name. Images
    that are named and not there are refused, or left out, as `read.bad_rows` says. Several files are splits where their
    names say so (instances_train2017, valid/); of a folder's files that tell of the same images the one of instances is
    read, else the first, and the others are said. Raises `InputError` for files that are no such JSON.

    >>> import tempfile
    >>> from PIL import Image
    >>> from netwright.recipe import Read
    >>> folder = Path(tempfile.mkdtemp())
    >>> Image.new("L", (2, 2)).save(folder / "1.png")
    >>> boxes = [{"image_id": 1, "category_id": 7, "bbox": [0, 0, 1, 2]}]
    >>> held = {"images": [{"id": 1, "file_name": "1.png"}], "categories": [{"id": 7, "name": "cat"}], "annotations": boxes}
    >>> _ = (folder / "annotations.json").write_text(json.dumps(held))
    >>> read(folder, Read()).frame.select("category").rows()
    [('cat',)]
    """
    import numpy as np
    import polars as pl

    from netwright.data.readers.records import column
    from netwright.data.table import Table

    root = data if data.is_dir() else data.parent
    content = hasher()
    images = _there(_every(data, root, settings, content), settings, root)
    for image in images:
        content.update(image.name.encode())
        for piece in pieces(image.path):
            content.update(piece)
    if any(image.captions for image in images):
        told = [(image, caption) for image in images for caption in image.captions]
        images, ids = [image for image, _ in told], tuple(_numbered(image.name for image, _ in told))
        about = [pl.Series("caption", [caption for _, caption in told], dtype=pl.String)]
    else:
        ids = tuple(image.name for image in images)
        about = [_labels(images), column("boxes", [image.boxes for image in images], where=data.name)]
    frame = pl.DataFrame([pl.Series("image", [str(image.path) for image in images]), *about])
    splits = [image.split for image in images]
    n = len(images)
    return Table(
        frame,
        ids,
        np.arange(n, dtype=np.int32),
        np.zeros(n, np.int64),
        fingerprint=content.hexdigest(),
        splits=np.array(splits) if None not in splits and len(set(splits)) > 1 else None,
        name=root.resolve().name,
        folder=".",  # the names are paths that open
        declared=_declared(frame),
        together=(tuple(frame.columns[1:]),),
    )


def _declared(frame: pl.DataFrame) -> dict[str, Declared]:
    """What the columns hold: class names are categories, whatever they look like."""
    from netwright.data.table import Declared

    kinds = {"image": "image", "caption": "text", "category": "category", "categories": "labels"}
    classes = {
        name: tuple(frame[name].explode().drop_nulls().unique().sort().to_list())
        for name in ("category", "categories")
        if name in frame.columns
    }
    reasons = {"image": "COCO names images", "caption": "COCO's captions are texts"}
    return {
        name: Declared(kinds[name], reasons.get(name, "COCO names its categories"), classes.get(name, ()))
        for name in frame.columns
        if name in kinds
    }


def _every(data: Path, root: Path, settings: Read, content: Any) -> list[Image]:
    """Return the images of all annotation files, each image once; `content` hashes the files that are read."""
    images, known = list[Image](), set[Path]()
    for file in _files(data):
        raw, _ = load(file)
        found = _images(_held(to_utf8(raw, settings.encoding, name=file.name), file.name), file, root)
        paths = {image.path for image in found}
        if not known.isdisjoint(paths):
            text = (
                f"{file.name} is not read, because another file describes the same images; to read it, name it: {file}"
            )
            say("choice", "read.same_images", text, file=str(file))
            continue
        content.update(raw)
        images, known = images + found, known | paths
    return images


def _files(data: Path) -> list[Path]:
    """Return the annotation files: `data` itself, or those in the folder."""
    if data.is_dir():
        for place in _PLACES:
            paths = sorted(data.glob(place), key=lambda path: (not path.name.startswith("instances"), path))
            found = [path for path in paths if _is_coco(path)]
            if found:
                return found
        return []
    return [data] if _is_coco(data) else []


def _is_coco(path: Path) -> bool:
    """Whether a JSON file opens as COCO's do and has its keys; of captions there are no categories."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            if not _OPENS.match(stream.read(4096)):
                return False
        raw = path.read_bytes()
    except OSError:
        return False  # reading it will say what is wrong
    last = b'"categories"', b'"caption"'
    return b'"images"' in raw and b'"annotations"' in raw and any(key in raw for key in last)


def _held(raw: bytes, name: str) -> dict[str, Any]:
    try:
        held = json.loads(raw)
    except ValueError as error:
        raise InputError(Problem(name, f"is not JSON: {error}", allowed=_ALLOWED)) from error
    if not isinstance(held, dict):
        raise InputError(Problem(name, f"holds a {type(held).__name__}", allowed=_ALLOWED))
    if "categories" not in held and _captions(held):
        held["categories"] = []
    lacking = [key for key in _KEYS if not isinstance(held.get(key), list)]
    if lacking:
        raise InputError(Problem(name, f"holds no list of {', '.join(lacking)}", allowed=_ALLOWED))
    if not held["images"]:
        raise InputError(Problem(name, "holds an empty list of images", allowed=_ALLOWED))
    return held


def _captions(held: Mapping[str, Any]) -> bool:
    """Whether what is told of the images is captions."""
    told = held.get("annotations")
    return isinstance(told, list) and any(isinstance(entry, dict) and "caption" in entry for entry in told)


def _images(held: Mapping[str, Any], file: Path, root: Path) -> list[Image]:
    """Return the images of one annotation file, each with its boxes."""
    problems: list[Problem] = []
    names = _named(held["categories"], "categories", "name", file.name, problems)
    files = _named(held["images"], "images", "file_name", file.name, problems)
    boxes: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    captions: dict[Any, list[str]] = defaultdict(list)
    crowds, written = 0, _captions(held)
    for place, entry in enumerate(held["annotations"], start=1):
        where = f"{file.name}: annotation {entry.get('id', place) if isinstance(entry, dict) else place}"
        if written:
            if _known(entry, files, "image_id", where, problems) and isinstance(entry.get("caption"), str):
                captions[entry["image_id"]].append(entry["caption"])
            elif isinstance(entry, dict) and not isinstance(entry.get("caption"), str):
                problems.append(Problem(where, f"its caption is {entry.get('caption')!r}", allowed="a text"))
            continue
        box = _box(entry, names, files, where, problems)
        crowds += bool(box is not None and entry.get("iscrowd"))
        if box is not None and not entry.get("iscrowd"):
            boxes[entry["image_id"]].append(box)
    if problems:
        total = Problem(file.name, f"{len(problems):,} of its entries cannot be read")
        raise InputError(*problems[:5], *([total] if len(problems) > 5 else []))
    if crowds:
        say("notice", "read.crowds", f"{file.name}: {crowds:,} annotations of crowds are left out of the boxes")
    split = _split(file, root)
    if written and (bare := [name for key, name in files.items() if not captions[key]]):
        say_rows("read.unlabelled", f"{len(bare):,} images have no caption and are left out", bare, kind="notice")
    return [
        Image(_path(name, file, root, split), name, split and split[0], boxes[key], captions[key])
        for key, name in files.items()
    ]


def _numbered(names: Iterable[str]) -> Iterator[str]:
    """A row's id where an image has several: a.png, a.png:2, a.png:3."""
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}:{seen[name]}"


def _named(entries: list[Any], kind: str, field: str, where: str, problems: list[Problem]) -> dict[Any, str]:
    """Return names by id, for categories and images."""
    found: dict[Any, str] = {}
    for place, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict) or "id" not in entry or not isinstance(entry.get(field), str):
            problems.append(Problem(f"{where}: {kind} {place}", f"has no id or no {field}"))
        elif entry["id"] in found:
            problems.append(Problem(f"{where}: {kind} {place}", f"the id {entry['id']} occurs twice"))
        else:
            found[entry["id"]] = entry[field]
    return found


def _box(
    entry: Any, names: Mapping[Any, str], files: Mapping[Any, str], where: str, problems: list[Problem]
) -> dict[str, Any] | None:
    """Return an annotation as a box, or None with a problem."""
    if not _known(entry, files, "image_id", where, problems) or not _known(
        entry, names, "category_id", where, problems
    ):
        return None
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(part, int | float) for part in box):
        problems.append(Problem(where, f"its bbox is {box!r}", allowed="[x, y, width, height]"))
        return None
    sides = dict(zip(("x", "y", "width", "height"), map(float, box), strict=True))
    return {"category": names[entry["category_id"]], **sides}


def _known(entry: Any, known: Mapping[Any, str], key: str, where: str, problems: list[Problem]) -> bool:
    """Whether an annotation's `key` names an entry of the file; a problem where it does not."""
    if not isinstance(entry, dict):
        problems.append(Problem(where, "is no object"))
        return False
    value = entry.get(key)
    if isinstance(value, list | dict) or value not in known:
        problems.append(Problem(where, f"its {key} {value!r} is not in the file"))
        return False
    return True


def _split(file: Path, root: Path) -> tuple[str, str] | None:
    """Return the split that a file's name or folder says (instances_val2017, valid/), and the word that says it."""
    words = re.split(r"[_.\-]", file.stem) + ([file.parent.name] if file.parent != root else [])
    for word in words:
        split = split_of(word.rstrip("0123456789"))
        if split:
            return split, word
    return None


def _path(name: str, file: Path, root: Path, split: tuple[str, str] | None) -> Path:
    """Return where an image lies: beside its annotation file, or in the folders in which they are kept."""
    word = split[1] if split else ""
    places = (file.parent, root, root / "images", root / word, root / "images" / word, file.parent / "images", file.parent.parent / "images", file.parent.parent / word)  # fmt: skip
    return next((place / name for place in places if (place / name).is_file()), file.parent / name)


def _there(images: list[Image], settings: Read, root: Path) -> list[Image]:
    """Return the images that are there; what becomes of the others the settings say."""
    lost = [image.name for image in images if not image.path.is_file()]
    if lost and (settings.bad_rows == "refuse" or len(lost) == len(images)):
        shown = ", ".join(lost[:5]) + (", ..." if len(lost) > 5 else "")
        fix = "put them beside the annotations or into images/" + (
            "" if len(lost) == len(images) else ", or leave these rows out with --read.bad_rows leave_out"
        )
        raise InputError(Problem(str(root), f"{len(lost):,} of {len(images):,} images are missing: {shown}", fix=fix))
    if lost:
        say_rows("read.bad_rows", f"{len(lost):,} rows left out, because their images are missing", lost)
    return [image for image in images if image.path.is_file()]


def _labels(images: list[Image]) -> Any:
    """Return the column of what is on the images: one category each where all have one, else lists."""
    import polars as pl

    found = [sorted({box["category"] for box in image.boxes}) for image in images]
    counts = Counter(map(len, found))
    if set(counts) == {1}:
        return pl.Series("category", [names[0] for names in found])
    if counts[0]:
        bare = [image.name for image, names in zip(images, found, strict=True) if not names]
        say_rows(
            "read.unlabelled", f"{len(bare):,} images have no annotation: their list is empty", bare, kind="notice"
        )
    say("choice", "read.categories", "categories is a list, because some images have none or several")
    return pl.Series("categories", found, dtype=pl.List(pl.String))
