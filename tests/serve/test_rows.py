"""The short way of a row, without a data frame, gives what `predict` gives."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from serving import images, table

import netwright as nw
from netwright.data.media import read
from netwright.data.table import Table
from netwright.inference.model import Model
from netwright.kinds.category import Input as CategoryInput
from netwright.kinds.number import Input as NumberInput
from netwright.runtime.arrays import Ragged
from netwright.serve.columns import Reader
from netwright.serve.settings import Settings
from netwright.serve.short import answered, encode


def ids(rows: list[int]) -> list[str]:
    return [f"row {row}" for row in rows]


def short(model: Model, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return answered(model, [encode(model, Reader(model.fitted, Settings()).read(rows))])[0]


def alike(one: Any, two: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(two, np.ndarray):
        return one.dtype == two.dtype and np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
    return (
        isinstance(one, Ragged)
        and isinstance(two, Ragged)
        and alike(one.values, two.values)
        and alike(one.offsets, two.offsets)
    )


def test_every_kind_encodes_values_as_it_encodes_a_frame(runs: Path) -> None:
    model, rows = nw.load(runs / "table"), table(40)
    rows[3] |= {"city": "Nowhere", "code": 7, "lift": None}
    for kind in model.fitted.inputs.values():
        frame = pl.DataFrame({name: [row[name] for row in rows] for name in kind.columns}, strict=False)
        found = kind.encode([[row[name] for row in rows] for name in kind.columns], ids)
        wanted = kind.encode(read(kind, frame, Table.of(frame, name="rows")), ids)
        assert found.keys() == wanted.keys()
        assert all(alike(found[name], wanted[name]) for name in wanted), kind


@pytest.mark.parametrize("value", [1, 1.0, 1.5, "1", " 1 ", True, False, "true", "", None, "é", 10**12])
def test_a_category_is_read_from_any_value_as_from_a_column(value: Any) -> None:
    kind = CategoryInput.fit(pl.DataFrame({"c": ["1", "1.5", "true", "é", "1000000000000"]}), CategoryInput.Options())  # type: ignore[arg-type]
    wanted = kind.encode(read(kind, frame := pl.DataFrame({"c": [value]}), Table.of(frame, name="rows")), ids)["codes"]
    assert alike(kind.encode([[value]], ids)["codes"], wanted)


@pytest.mark.parametrize("scale", ["standard", "robust", "quantile", "none"])
def test_numbers_are_scaled_alike(scale: str) -> None:
    frame = pl.DataFrame({"a": [1.0, 2.0, None, 5e200], "b": [3, 4, 5, 6]})
    kind = NumberInput.fit(frame, NumberInput.Options(scale=scale))  # type: ignore[call-arg]
    assert alike(
        kind.encode([frame["a"].to_list(), frame["b"].to_list()], ids)["values"],
        kind.encode(read(kind, frame, Table.of(frame, name="rows")), ids)["values"],
    )


def test_answers_are_those_of_predict(runs: Path) -> None:
    model, rows = nw.load(runs / "table"), table(30)
    found, frame = short(model, rows), model.predict(rows)
    assert [row["price"]["predicted"] for row in found] == pytest.approx(frame["price_predicted"].to_list())
    assert [row["sold"]["predicted"] for row in found] == frame["sold_predicted"].to_list()
    assert [row["sold"]["probabilities"]["yes"] for row in found] == pytest.approx(
        frame["p_sold_yes"].to_list(), abs=1e-6
    )
    assert [row["price"]["low"] for row in found] == pytest.approx(frame["price_low"].to_list())
    assert ["|".join(row["tags"]["predicted"]) for row in found] == [
        text.replace(";", "|") for text in frame["tags_predicted"]
    ]
    assert [row["tags"]["probabilities"]["x"] for row in found] == pytest.approx(frame["p_tags_x"].to_list(), abs=1e-6)


def test_images_are_those_of_predict(runs: Path) -> None:
    import base64
    import io

    from PIL import Image

    model, held = nw.load(runs / "pictures"), images()
    rows = []
    for pixels in held["picture"][:6]:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        rows.append({"picture": base64.b64encode(out.getvalue()).decode()})
    found = short(model, rows)
    frame = model.predict({"picture": held["picture"][:6]})
    assert [row["side"]["probabilities"]["left"] for row in found] == pytest.approx(frame["p_left"].to_list(), abs=1e-6)


def test_requests_answered_together_are_what_they_are_alone(runs: Path) -> None:
    model = nw.load(runs / "table")
    reader = Reader(model.fitted, Settings())
    parts = [table(40)[at : at + size] for at, size in ((0, 1), (1, 7), (8, 2), (10, 1))]
    encoded = [encode(model, reader.read(part)) for part in parts]
    for part, rows in zip(encoded, answered(model, encoded), strict=True):
        for one, two in zip(rows, answered(model, [part])[0], strict=True):
            assert math.isclose(one["price"]["predicted"], two["price"]["predicted"], rel_tol=1e-5)
            assert one["sold"]["predicted"] == two["sold"]["predicted"]


def test_numbers_and_dates_written_as_text_are_read_as_training_read_them(tmp_path: Path) -> None:
    rows = [
        {"rate": f"{k % 90}%", "price": f"1.{k:03},50 €", "day": f"{k % 28 + 1:02}/03/2024", "y": float(k)}
        for k in range(60)
    ]
    settings = {"training": {"epochs": 1}, "columns": {name: {"kind": kind} for name, kind in (("rate", "number"), ("price", "number"), ("day", "date"))}}  # fmt: skip
    model = nw.train(rows, target="y", model="linear", settings=settings, output=tmp_path / "run")
    asked = [{"rate": "65%", "price": "1.234,50 €", "day": "05/03/2024"}]
    wanted = model.predict(asked)["y_predicted"][0]
    for given in ({}, {"rate": 65}, {"price": 1234.5}, {"price": "1.234,5"}, {"day": "2024-03-05"}):
        assert short(model, [asked[0] | given])[0]["y"]["predicted"] == pytest.approx(wanted, rel=1e-6), given
