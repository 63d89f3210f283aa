"""Images: from files, bytes and arrays; grey, colour, transparent, turned by their camera; a broken one is named."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image as Pillow

from netwright.errors import InputError
from netwright.events import Event
from netwright.kinds.infer import infer

from .fitting import encode, fit

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (6, 8)).astype(np.uint8)
COLOUR = RANDOM.integers(0, 256, (6, 8, 3)).astype(np.uint8)


def png(array: np.ndarray, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(array).save(buffer, "png", **settings)
    return buffer.getvalue()


def pixels(kind: Any, values: Any) -> np.ndarray:
    out = encode(kind, values)["pixels"]
    assert isinstance(out, np.ndarray) and out.dtype == np.uint8
    return out


def test_grey_images_stay_grey_and_colours_stay_colours() -> None:
    grey, colour = fit("image", [png(GREY)]), fit("image", [png(COLOUR)])
    assert (grey.height, grey.wide, grey.channels, colour.channels, colour.width) == (6, 8, 1, 3, 144)
    assert (pixels(grey, [png(GREY)])[0, ..., 0] == GREY).all()
    assert (pixels(colour, [png(COLOUR)])[0] == COLOUR).all()


def test_mixed_images_become_colours_and_a_colour_becomes_grey_where_asked() -> None:
    mixed = fit("image", [png(GREY), png(COLOUR)])
    assert mixed.channels == 3 and (pixels(mixed, [png(GREY)])[0] == GREY[..., None]).all()
    luma = COLOUR @ np.array([0.299, 0.587, 0.114])  # ITU-R 601, as Pillow's
    assert np.abs(pixels(fit("image", [png(COLOUR)], channels=1), [png(COLOUR)])[0, ..., 0] - luma).max() <= 1


def test_transparency_palettes_and_one_bit_are_read() -> None:
    clear = np.dstack([COLOUR, np.full((6, 8), 255, np.uint8)])
    kind = fit("image", [png(clear)])
    assert kind.channels == 3 and (pixels(kind, [png(clear)])[0] == COLOUR).all()
    for mode in ("P", "1", "LA"):
        buffer = io.BytesIO()
        Pillow.fromarray(GREY).convert(mode).save(buffer, "png")
        assert fit("image", [buffer.getvalue()]).channels == (3 if mode == "P" else 1)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_a_drawing_on_nothing_is_seen_on_white(mode: str) -> None:
    drawing = Pillow.new("RGBA", (4, 4), (0, 0, 0, 0))
    drawing.putpixel((1, 2), (0, 0, 0, 255))
    file = io.BytesIO()
    drawing.convert(mode).save(file, "PNG")
    seen = encode(fit("image", [file.getvalue()]), [file.getvalue()])["pixels"][0, :, :, 0]  # type: ignore[index]
    assert seen[2, 1] == 0
    assert (seen == 255).sum() == 15


def test_bytes_that_are_no_pictures_are_not_taken_for_them() -> None:
    found = infer(pl.Series("blob", [bytes([k, 7, 9]) for k in range(30)]), {}, "input")
    assert found.kind is None and found.reason == "no kind reads bytes"


def test_sixteen_bits_become_eight_and_are_not_cut_to_white() -> None:
    deep = GREY.astype(np.uint16) * 257
    assert (pixels(fit("image", [png(deep)]), [png(deep)])[0, ..., 0] == GREY).all()


def test_a_photo_turned_by_its_camera_is_turned_back() -> None:
    turned = Pillow.fromarray(GREY.T[::-1].copy())  # as a camera held sideways stores it
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright
    buffer = io.BytesIO()
    turned.save(buffer, "png", exif=exif)
    kind = fit("image", [png(GREY)])
    assert (pixels(kind, [buffer.getvalue()])[0, ..., 0] == GREY).all()


def test_files_bytes_records_arrays_and_lists_are_the_same_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(GREY))
    kind = fit("image", [png(GREY)])
    forms: list[Any] = [
        [str(tmp_path / "a.png")], [png(GREY)], [{"bytes": png(GREY), "path": None}], [{"bytes": None, "path": str(tmp_path / "a.png")}],
        {"x": GREY[None]}, [GREY.tolist()],
    ]  # fmt: skip
    for form in forms:
        assert (pixels(kind, form)[0, ..., 0] == GREY).all()


def test_sizes_that_differ_are_scaled_and_said(said: list[Event]) -> None:
    kind = fit("image", [png(GREY), png(GREY[:3, :4])], size=4)
    out = pixels(kind, [png(np.full((16, 16), 7, np.uint8)), png(np.full((2, 2), 9, np.uint8))])
    assert out.shape == (2, 4, 4, 1) and (out[0] == 7).all() and (out[1] == 9).all()
    assert (
        "resized to 4×4 pixels; they come in 2 sizes"
        in next(event for event in said if event.name == "image.size").text
    )


def test_a_smaller_image_is_the_mean_of_its_squares() -> None:
    even = RANDOM.integers(0, 256, (8, 8)).astype(np.uint8)
    out = pixels(fit("image", [png(even)], size=4), [png(even)])[0, ..., 0]
    np.testing.assert_allclose(out, even.reshape(4, 2, 4, 2).mean((1, 3)), atol=1)


def test_the_mean_and_deviation_are_the_training_pixels() -> None:
    kind = fit("image", {"x": np.stack([GREY, GREY[::-1]])})
    assert (kind.mean, kind.deviation) == pytest.approx((GREY.mean() / 255, GREY.std() / 255))
    assert fit("image", {"x": np.full((2, 3, 3), 5, np.uint8)}).deviation == 1.0


def test_each_image_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    kind = fit("image", [png(GREY)])
    values = [png(GREY), b"no picture", None, png(GREY)[:40], tmp_path / "none.png"]
    with pytest.raises(InputError) as caught:
        kind.encode([values], lambda rows: [f"row {row}" for row in rows])
    text = str(caught.value)
    for named in (
        "row 1: this image cannot be read: it is not an image in a known format", "row 2: this image cannot be read: it is missing",
        "row 3: this image cannot be read", f"row 4: this image cannot be read: there is no file none.png in {tmp_path}", "x: 4 of 5 images cannot be read",
    ):  # fmt: skip
        assert named in text


@pytest.mark.parametrize("values", [GREY / 255, GREY.astype(int) + 200, -GREY.astype(int)])
def test_pixels_that_are_no_bytes_are_refused(values: np.ndarray) -> None:
    for form in ({"x": values[None]}, [values.tolist()]):
        with pytest.raises(InputError, match="the pixels are not whole numbers from 0 to 255"):
            pixels(fit("image", [png(GREY)]), form)
