"""Image: a picture, from a file, from bytes or as pixels. Kept as 8-bit pixels at one size. n rows, H×W, C channels."""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.kinds import base
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    import polars as pl

    from netwright.kinds.facts import Facts

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
LOOK = 200  # images opened to find their size
MEND = "repair these files, or take them out of the data; in training --read.bad_rows leave_out leaves them out"


class Options(base.Options):
    """Settings of an image column."""

    kind: Literal["image"] = "image"
    size: int = Field(
        default=0,
        ge=0,
        le=2048,
        description="pixels a side that images are scaled to; 0: their own if all alike, else 64",
    )
    channels: Literal[0, 1, 3] = Field(default=0, description="1: grey, 3: colours; 0: as the images are")
    mirror: bool | None = Field(
        default=None,
        description="whether a mirrored image means the same, so that training may mirror it; left out: colours yes, grey no",
    )
    mean: tuple[float, ...] | None = Field(
        default=None, description="what is subtracted from each channel, of values from 0 to 1; left out, the mean"
    )
    deviation: tuple[float, ...] | None = Field(
        default=None, description="what each channel is then divided by; left out, the deviation"
    )


class Image(base.Kind):
    """A fitted image column."""

    costly: ClassVar[bool] = True
    nested: ClassVar[bool] = True
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["image"] = "image"
    height: int
    wide: int
    channels: int
    mean: float | tuple[float, ...]
    deviation: float | tuple[float, ...]
    mirror: bool | None = None  # None: a run of before this setting

    @classmethod
    def sniff(cls, facts: Facts, role: base.Role) -> base.Guess | None:
        """Pixel arrays, encoded bytes, and names of image files."""
        import polars as pl

        dtype = facts.values.dtype
        if isinstance(dtype, pl.Array) and len(dtype.shape) >= 2:
            return base.Guess(sure=0.95, reason=f"its values are pixels, {'×'.join(map(str, dtype.shape))}")
        if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.List | pl.Array):
            return base.Guess(sure=0.95, reason="its values are lists of rows of pixels")
        if dtype == pl.Binary or (isinstance(dtype, pl.Struct) and {"bytes", "path"} <= {f.name for f in dtype.fields}):
            if any(isinstance(_opened(value), np.ndarray) for value in facts.present.head(LOOK // 10).to_list()):
                return base.Guess(sure=0.9, reason="its values are bytes of pictures")
            return None
        if facts.is_text and facts.sample:
            share = sum(value.lower().endswith(ENDINGS) for value in facts.sample) / len(facts.sample)
            if share >= 0.95:
                return base.Guess(sure=0.95, reason=f"{share:.0%} of its values are names of image files")
        return None

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any, role: base.Role) -> Image:
        """Learn size, channels, and the pixels' mean and deviation (from up to 200 images)."""
        column = frame.to_series(0)
        look = column.drop_nulls().gather_every(max(1, len(column) // LOOK)).head(LOOK)
        pixels = _pixel_array(look)
        if pixels is not None:
            found = [image[..., None] if image.ndim == 2 else image for image in pixels]
        else:
            found = [image for image in (_opened(value) for value in look.to_list()) if not isinstance(image, str)]
        sizes = {image.shape[:2] for image in found}
        own = next(iter(sizes)) if len(sizes) == 1 and max(next(iter(sizes))) <= 224 else (64, 64)
        height, wide = (options.size, options.size) if options.size else own
        channels = options.channels or (1 if found and all(image.shape[2] == 1 for image in found) else 3)
        if (height, wide) != own or len(sizes) > 1:
            say(
                "notice",
                "image.size",
                f"{column.name}: images are scaled to {height}×{wide} pixels; they come in {len(sizes)} sizes",
            )
        # a mirrored photo is a photo; a mirrored digit or letter is none
        mirror = channels == 3 if options.mirror is None else options.mirror
        bare = cls(
            columns=(column.name,), height=height, wide=wide, channels=channels, mean=options.mean or 0.0,
            deviation=options.deviation or 1.0, mirror=mirror,
        )  # fmt: skip
        for name, part in (("mean", options.mean), ("deviation", options.deviation)):
            if part is not None and (len(part) != channels or name == "deviation" and min(part) <= 0):
                allowed = f"{channels} numbers, one for each channel" + (", above 0" if name == "deviation" else "")
                raise InputError(Problem(f"columns.{column.name}.{name}", f"got {part}", allowed=allowed))
        if options.mean is not None and options.deviation is not None:
            return bare
        seen = np.stack([bare._sized(image) for image in found]) if found else np.zeros((1, height, wide, channels))
        own = {"mean": float(seen.mean() / 255), "deviation": float(seen.std() / 255) or 1.0}
        return bare.model_copy(update={name: value for name, value in own.items() if getattr(options, name) is None})

    @property
    def width(self) -> int:
        """How many values an image has: H·W·C."""
        return self.height * self.wide * self.channels

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """{"pixels": (n, H, W, C) uint8}. Raises `InputError` that names each image that cannot be read."""
        column = frame[self.columns[0]]
        pixels = _pixel_array(column)
        if pixels is not None:
            if pixels.ndim == 3:
                pixels = pixels[..., None]
            if pixels.shape[1:] == (self.height, self.wide, self.channels):
                return {"pixels": np.ascontiguousarray(pixels)}
            return {"pixels": np.stack([self._sized(image) for image in pixels])}
        out = np.zeros((len(column), self.height, self.wide, self.channels), np.uint8)
        broken: dict[int, str] = {}

        def one(item: tuple[int, Any]) -> None:
            row, value = item
            image = _opened(value)
            if isinstance(image, str):
                broken[row] = image
            else:
                out[row] = self._sized(image)

        with ThreadPoolExecutor() as pool:  # Pillow releases the lock while it decodes
            list(pool.map(one, enumerate(column.to_list()), chunksize=64))
        if broken:
            rows = sorted(broken)
            shown = [Problem(ids([row])[0], f"this image cannot be read: {broken[row]}") for row in rows[:5]]
            total = f"{len(rows):,} of {len(column):,} images cannot be read"
            raise InputError(*shown, Problem(self.columns[0], total, fix=MEND))
        return {"pixels": out}

    @classmethod
    def unreadable(cls, column: pl.Series) -> dict[int, str]:
        """Return, by row, why its image cannot be read."""
        if _pixel_array(column) is not None:
            return {}
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(_why_not, column.to_list(), chunksize=64))
        return {row: why for row, why in enumerate(found) if why is not None}

    def outside(self, frame: pl.DataFrame) -> str:
        """The sizes and times of the files that the column names."""
        import polars as pl

        column = frame[self.columns[0]]
        if column.dtype != pl.String:
            return ""
        digest = hashlib.blake2b(digest_size=16)
        for value in column.to_list():
            try:
                found = os.stat(value or "")
                digest.update(f"{value} {found.st_size} {found.st_mtime_ns}".encode())
            except OSError:
                digest.update(f"{value} is not there".encode())
        return digest.hexdigest()

    def _sized(self, image: np.ndarray) -> np.ndarray:
        """(H, W, C) uint8 of any image, scaled with its area averaged."""
        from PIL import Image as Pillow

        if image.shape[2] != self.channels:
            picture = Pillow.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert(
                "L" if self.channels == 1 else "RGB"
            )
            image = np.asarray(picture)
            image = image[..., None] if image.ndim == 2 else image
        if image.shape[:2] == (self.height, self.wide):
            return image
        picture = Pillow.fromarray(image[..., 0] if self.channels == 1 else image)
        scaled = np.asarray(
            picture.resize(
                (self.wide, self.height),
                Pillow.Resampling.BOX if image.shape[0] > self.height else Pillow.Resampling.BILINEAR,
            )
        )
        return scaled[..., None] if scaled.ndim == 2 else scaled

    def form(self, column: str) -> dict[str, Any]:
        """A picture; small grey ones can be drawn."""
        return {"form": "image", "height": self.height, "wide": self.wide, "channels": self.channels}

    def show(self) -> str:
        """Size and channels."""
        return f"{self.columns[0]} ({self.height}×{self.wide}, {'grey' if self.channels == 1 else 'colours'})"


def _pixel_array(column: pl.Series) -> np.ndarray | None:
    import polars as pl

    if not isinstance(column.dtype, pl.Array) or column.null_count():
        return None
    pixels = _pixels(column.to_numpy(), axes=(3, 4))
    if isinstance(pixels, str):
        raise InputError(
            Problem(column.name, f"of its images, {pixels}", fix="give (X * 255).astype('uint8') of X in 0 ... 1")
        )
    return pixels


def _pixels(values: Any, *, axes: tuple[int, ...] = (2, 3)) -> np.ndarray | str:
    """uint8 of pixels given as numbers, or a text that says why they are none."""
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


def _why_not(value: Any) -> str | None:
    found = _opened(value)
    return found if isinstance(found, str) else None


def _opened(value: Any) -> np.ndarray | str:
    """(H, W, 1 or 3) uint8, or a text that says why it cannot be read."""
    from PIL import Image as Pillow
    from PIL import ImageOps, UnidentifiedImageError

    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if value is None:
        return "it is missing"
    try:
        if isinstance(value, list):
            array = _pixels(value)
            return array[..., None] if isinstance(array, np.ndarray) and array.ndim == 2 else array
        with Pillow.open(io.BytesIO(value) if isinstance(value, bytes) else value) as picture:
            upright = ImageOps.exif_transpose(picture)
            if upright.mode == "F":
                return "its pixels are floating-point numbers: save it with 8 or 16 bits"
            if upright.mode.startswith("I"):  # 16 bits: Pillow would cut them to 255, which is white
                array = (np.asarray(upright).clip(0, 65_535) // 257).astype(np.uint8)
            else:
                mode = "L" if upright.mode in ("1", "L", "LA") else "RGB"
                array = np.asarray(_on_white(upright).convert(mode))
    except FileNotFoundError:
        return "there is no such file"
    except UnidentifiedImageError:
        return "it is no image in a known format"
    except (OSError, ValueError, Pillow.DecompressionBombError) as error:
        return str(error)
    return array[..., None] if array.ndim == 2 else array
