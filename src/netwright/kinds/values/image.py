"""Images: pixels, the bytes of a picture, or a path that the caller resolved. A text names no file here. n rows."""

from __future__ import annotations

import binascii
import io
import re
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .base import Limits, Read, Value, Wrong, got

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
WEB = ("http://", "https://", "ftp://", "file://", "s3://", "gs://", "hf://")
_DATA = re.compile(r"data:[\w/+.-]*(;[\w=.-]+)*;base64,")


class Image(Value):
    """Form: `height`, `wide`, `channels`."""

    files: ClassVar[bool] = True
    quick: ClassVar[bool] = False
    required: ClassVar[bool] = True

    def __init__(self, form: dict[str, Any]) -> None:
        super().__init__(form)
        self.shape = (form["height"], form["wide"], form["channels"])

    def read(self, cells: Sequence[Any]) -> Read:
        """(n, H, W, C) uint8; black where it cannot be read."""
        if isinstance(cells, np.ndarray) and cells.ndim in (3, 4) and cells.dtype == np.uint8:
            given: Any = cells
            images = given[..., None] if given.ndim == 3 else given
            if images.shape[1:] == self.shape:
                return {"": np.ascontiguousarray(images)}, {}
        out, wrong = np.zeros((len(cells), *self.shape), np.uint8), dict[int, str]()

        def one(item: tuple[int, Any]) -> None:
            row, cell = item
            image = opened(cell)
            if isinstance(image, str):
                wrong[row] = image
            else:
                out[row] = sized(image, self.shape)

        with ThreadPoolExecutor() as pool:  # Pillow releases the lock while it decodes
            list(pool.map(one, enumerate(cells), chunksize=64))
        return {"": out}, dict(sorted(wrong.items()))

    def accept(self, cell: Any, limits: Limits) -> Any:
        """The bytes of a picture, in JSON as base64."""
        if cell is None or cell == "" or cell == b"":
            raise Wrong("expected an image as base64, got none")
        if type(cell) is str:
            cell = cell[found.end() :] if (found := _DATA.match(cell)) else cell
            try:
                cell = binascii.a2b_base64(cell, strict_mode=True)
            except (binascii.Error, ValueError):
                raise Wrong("expected an image as base64, got a text that is no base64") from None
        if type(cell) is not bytes:
            raise Wrong(f"expected an image as base64, got {got(cell)}")
        looked_at(cell, limits.pixels)
        return cell

    def schema(self) -> dict[str, Any]:
        """Base64."""
        size = f"{self.shape[1]}×{self.shape[0]} pixels ({', '.join(FORMATS)})"
        return {"type": "string", "contentEncoding": "base64", "description": f"an image, scaled to {size}"}

    def typical(self) -> Any:
        """None: a picture that anybody would send is nobody's example."""
        return None

    def sample(self, at: int) -> Any:
        """One shade of grey."""
        height, wide, channels = self.shape
        shade = (at + 1) * 80
        return [[[shade] * channels if channels > 1 else shade] * wide] * height

    def blank(self) -> Any:
        """Black."""
        return np.zeros(self.shape, np.uint8)

    def field(self, parts: list[Any]) -> Any:
        """A file's bytes."""
        return parts[0] if parts[0] else None


def looked_at(content: bytes, pixels: int) -> None:
    """Look at a picture's head. Raises `Wrong` where it is none, or has more pixels than may be decoded."""
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    try:
        with Pillow.open(io.BytesIO(content), formats=FORMATS) as picture:
            wide, high = picture.size
    except Pillow.DecompressionBombError:
        raise Wrong(f"is an image of more than {pixels:,} pixels", 413) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, TypeError, struct.error):
        raise Wrong(f"is no image that can be read ({', '.join(FORMATS)})") from None
    if wide * high > pixels:
        raise Wrong(f"is an image of {wide:,}×{high:,} pixels: {pixels:,} at most", 413)


def is_address(name: str) -> bool:
    """Whether a text is an address, which is never opened.

    >>> is_address("HTTPS://example.org/1.png"), is_address("photos/1.png")
    (True, False)
    """
    return name.lower().startswith(WEB)


def opened(cell: Any) -> np.ndarray | str:
    """Return a picture as (H, W, 1 or 3) uint8, or a text that says why it cannot be read. Only a `Path` is opened."""
    from PIL import Image as Pillow
    from PIL import ImageOps, UnidentifiedImageError

    if isinstance(cell, dict):
        cell = cell.get("bytes") or cell.get("path")
    if cell is None:
        return "it is missing"
    if isinstance(cell, list | tuple | np.ndarray):
        array = pixels(cell)
        return array[..., None] if isinstance(array, np.ndarray) and array.ndim == 2 else array
    if isinstance(cell, str) and is_address(cell):
        return f"it is the address {cell[:200]}, and addresses are not opened"
    if not isinstance(cell, bytes | Path):
        return f"it is {got(cell)}, not a picture"
    try:
        with Pillow.open(io.BytesIO(cell) if isinstance(cell, bytes) else cell) as picture:
            upright = ImageOps.exif_transpose(picture)
            if upright.mode == "F":
                return "its pixels are floating-point numbers: save it with 8 or 16 bits"
            if upright.mode.startswith("I"):  # 16 bits: Pillow would cut them to 255, which is white
                array = (np.asarray(upright).clip(0, 65_535) // 257).astype(np.uint8)
            else:
                mode = "L" if upright.mode in ("1", "L", "LA") else "RGB"
                array = np.asarray(_on_white(upright).convert(mode))
    except FileNotFoundError:
        assert isinstance(cell, Path)
        return f"there is no file {cell.name} in {cell.absolute().parent}"
    except UnidentifiedImageError:
        return "it is not an image in a known format"
    except (OSError, ValueError, Pillow.DecompressionBombError) as error:
        return str(error)
    return array[..., None] if array.ndim == 2 else array


def pixels(values: Any, *, axes: tuple[int, ...] = (2, 3)) -> np.ndarray | str:
    """Return uint8 of pixels given as numbers, or a text that says why they are none."""
    array = np.asarray(values)
    if array.ndim not in axes:
        return f"the pixels have {array.ndim} axes, not height, width and perhaps channels"
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "iuf" or not np.array_equal(array, array.clip(0, 255).round()):
        return "the pixels are not whole numbers from 0 to 255"
    return array.astype(np.uint8)


def _on_white(picture: Any) -> Any:
    """What one sees of a picture on white paper: a black drawing on nothing would else be black on black."""
    from PIL import Image as Pillow

    if not picture.has_transparency_data:
        return picture
    seen = picture.convert("RGBA")
    return Pillow.alpha_composite(Pillow.new("RGBA", seen.size, "white"), seen)


def sized(image: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return any image as (H, W, C) uint8 of a shape; made smaller, its areas are averaged."""
    from PIL import Image as Pillow

    height, wide, channels = shape
    if image.shape[2] != channels:
        picture = Pillow.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        image = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
        image = image[..., None] if image.ndim == 2 else image
    if image.shape[:2] == (height, wide):
        return image
    picture = Pillow.fromarray(image[..., 0] if channels == 1 else image)
    way = Pillow.Resampling.BOX if image.shape[0] > height else Pillow.Resampling.BILINEAR
    scaled = np.asarray(picture.resize((wide, height), way))
    return scaled[..., None] if scaled.ndim == 2 else scaled
