"""Image: a picture, from a file, from bytes or as pixels. Kept as 8-bit pixels at one size. n rows, H×W, C channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.kinds import base
from netwright.kinds.values import Value, value
from netwright.kinds.values.image import opened, pixels, sized
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        description="side length in pixels that images are resized to; 0: their own if all alike, else 64",
    )
    channels: Literal[0, 1, 3] = Field(default=0, description="1: grey, 3: colours; 0: as the images are")
    mirror: bool | None = Field(
        default=None,
        description="whether augmentation may mirror images; default: colour yes, grey no",
    )
    mean: tuple[float, ...] | None = Field(
        default=None,
        description="mean subtracted from each channel (values 0 to 1); default: that of the training images",
    )
    deviation: tuple[float, ...] | None = Field(
        default=None,
        description="standard deviation that each channel is divided by; default: that of the training images",
    )


class Input(base.Input):
    """A fitted image column."""

    signal: ClassVar = "grid"
    costly: ClassVar[bool] = True
    nested: ClassVar[bool] = True
    media: ClassVar[bool] = True
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["image"] = "image"
    height: int
    wide: int
    channels: int
    mean: float | tuple[float, ...]
    deviation: float | tuple[float, ...]
    mirror: bool | None = None  # None: a run of before this setting

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """Pixel arrays, encoded bytes, and names of image files."""
        import polars as pl

        dtype = facts.values.dtype
        if isinstance(dtype, pl.Array) and len(dtype.shape) >= 2:
            return base.Guess(sure=0.95, reason=f"its values are pixels, {'×'.join(map(str, dtype.shape))}")
        if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.List | pl.Array):
            return base.Guess(sure=0.95, reason="its values are lists of rows of pixels")
        if dtype == pl.Binary or (isinstance(dtype, pl.Struct) and {"bytes", "path"} <= {f.name for f in dtype.fields}):
            if any(isinstance(opened(one), np.ndarray) for one in facts.present.head(LOOK // 10).to_list()):
                return base.Guess(sure=0.9, reason="its values are image bytes")
            return None
        if facts.is_text and facts.sample:
            share = sum(one.lower().endswith(ENDINGS) for one in facts.sample) / len(facts.sample)
            if share >= 0.95:
                return base.Guess(sure=0.95, reason=f"{share:.0%} of its values are names of image files")
        return None

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn size, channels, and the pixels' mean and deviation (from up to 200 images)."""
        name = frame.columns[0]
        cells = _checked(base.media(frame[name], LOOK), name)
        found = [image for image in map(opened, cells) if not isinstance(image, str)]
        sizes = {image.shape[:2] for image in found}
        own = next(iter(sizes)) if len(sizes) == 1 and max(next(iter(sizes))) <= 224 else (64, 64)
        height, wide = (options.size, options.size) if options.size else own
        channels = options.channels or (1 if found and all(image.shape[2] == 1 for image in found) else 3)
        if (height, wide) != own or len(sizes) > 1:
            text = f"{name}: images are resized to {height}×{wide} pixels; they come in {len(sizes)} sizes"
            say("notice", "image.size", text)
        # a mirrored photo is a photo; a mirrored digit or letter is none
        mirror = channels == 3 if options.mirror is None else options.mirror
        shape = (height, wide, channels)
        for setting, part in (("mean", options.mean), ("deviation", options.deviation)):
            if part is not None and (len(part) != channels or setting == "deviation" and min(part) <= 0):
                allowed = f"{channels} numbers, one for each channel" + (", above 0" if setting == "deviation" else "")
                raise InputError(Problem(f"columns.{name}.{setting}", f"got {part}", allowed=allowed))
        learnt: dict[str, Any] = {"mean": options.mean, "deviation": options.deviation}
        if options.mean is None or options.deviation is None:
            seen = np.stack([sized(image, shape) for image in found]) if found else np.zeros((1, *shape))
            own_values = {"mean": float(seen.mean() / 255), "deviation": float(seen.std() / 255) or 1.0}
            learnt = {setting: own_values[setting] if part is None else part for setting, part in learnt.items()}
        return cls(columns=(name,), height=height, wide=wide, channels=channels, mirror=mirror, **learnt)

    @property
    def width(self) -> int:
        """How many values an image has: H·W·C."""
        return self.height * self.wide * self.channels

    def value(self, column: str) -> Value:
        """A picture; small grey ones can be drawn."""
        return value({"form": "image", "height": self.height, "wide": self.wide, "channels": self.channels})

    def encode(self, cells: Sequence[Sequence[Any]], ids: base.RowIds) -> Arrays:
        """{"pixels": (n, H, W, C) uint8}. Raises `InputError` that names each image that cannot be read."""
        found, wrong = self.value(self.columns[0]).read(_checked(cells[0], self.columns[0]))
        if wrong:
            shown = [Problem(ids([row])[0], f"this image cannot be read: {wrong[row]}") for row in list(wrong)[:5]]
            total = f"{len(wrong):,} of {len(cells[0]):,} images cannot be read"
            raise InputError(*shown, Problem(self.columns[0], total, fix=MEND))
        return {"pixels": found[""]}

    @classmethod
    def unreadable(cls, cells: Sequence[Any]) -> dict[int, str]:
        """Return, by row, why its image cannot be read."""
        whole = value({"form": "image", "height": 1, "wide": 1, "channels": 1})
        return {} if isinstance(cells, np.ndarray) else whole.read(cells)[1]

    def show(self) -> str:
        """Size and channels."""
        return f"{self.columns[0]} ({self.height}×{self.wide}, {'grey' if self.channels == 1 else 'colours'})"


def _checked(cells: Sequence[Any], name: str) -> Sequence[Any]:
    """Cells as they are, an array of pixels as uint8. Raises `InputError` where its numbers are none."""
    if not isinstance(cells, np.ndarray):
        return cells
    found = pixels(cells, axes=(3, 4))
    if isinstance(found, str):
        raise InputError(Problem(name, f"of its images, {found}", fix="give (X * 255).astype('uint8') of X in 0 ... 1"))
    return found  # type: ignore[return-value]
