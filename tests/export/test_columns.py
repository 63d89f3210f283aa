"""What the graph makes of raw columns is what the kinds make of them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
import torch

from netwright.data.media import read as cells
from netwright.export.onnx.base import Columns
from netwright.export.onnx.kinds.category import Columns as Categories
from netwright.export.onnx.kinds.date import Columns as Dates
from netwright.export.onnx.kinds.number import Columns as Numbers
from netwright.export.onnx.kinds.text import Grams
from netwright.kinds import parse
from netwright.kinds.category import Input as Category
from netwright.kinds.category import Options as CategoryOptions
from netwright.kinds.date import Input as Date
from netwright.kinds.date import Options as DateOptions
from netwright.kinds.number import Input as Number
from netwright.kinds.number import Options as NumberOptions
from netwright.kinds.text import Input as Text
from netwright.kinds.text import Options as TextOptions
from netwright.kinds.values import value
from netwright.kinds.values.text import murmur

IDS = "{}".format


def block(part: Columns, **raw: np.ndarray) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return part.block({name: torch.from_numpy(array.copy()) for name, array in raw.items()})  # type: ignore[return-value]


@pytest.mark.parametrize("scale", ["standard", "robust", "quantile", "none"])
def test_numbers_are_scaled_alike(scale: str) -> None:
    draw = np.random.default_rng(0)
    column = np.concatenate([draw.normal(5, 3, 300).round(1), [1e30, -1e30, np.nan, np.inf, 0.0, 0.0]])
    frame = pl.DataFrame({"x": column, "same": np.full(len(column), 2.0)})
    kind = Number.fit(frame.head(300), NumberOptions(scale=scale))  # type: ignore[arg-type]
    asked = frame.with_columns(same=pl.Series(draw.choice([1.0, 2.0, 3.0], len(column))))
    ours = kind.encode(cells(kind, asked, ""), lambda rows: list(map(str, rows)))["values"]
    theirs = block(Numbers(kind), x=asked["x"].to_numpy(), same=asked["same"].to_numpy())
    assert isinstance(ours, np.ndarray)
    np.testing.assert_array_equal(np.isnan(ours), theirs["values_missing"].numpy())
    np.testing.assert_allclose(np.nan_to_num(ours), theirs["values"].numpy(), rtol=1e-6, atol=1e-6)


def test_days_have_the_same_places_in_week_month_and_year() -> None:
    moments = [
        dt.datetime(1903, 3, 1),
        dt.datetime(1970, 1, 1),
        dt.datetime(2000, 2, 29, 23, 59),
        dt.datetime(2100, 3, 1),
    ]
    moments += [dt.datetime(2023, 12, 31) + dt.timedelta(hours=31 * k) for k in range(400)]
    frame = pl.DataFrame({"day": [*moments, None]})
    kind = Date.fit(frame, DateOptions())
    ours = kind.encode(cells(kind, frame, ""), lambda rows: [])["values"]
    seconds = np.array([(moment - dt.datetime(1970, 1, 1)).total_seconds() for moment in moments] + [np.nan])
    theirs = block(Dates(kind), day=seconds)
    assert isinstance(ours, np.ndarray) and theirs["values_missing"][-1].all()
    np.testing.assert_allclose(ours[:-1], theirs["values"].numpy()[:-1], atol=2e-6)


def test_categories_that_are_numbers_keep_their_codes() -> None:
    frame = pl.DataFrame({"class": [3, 1, 2, 3], "flag": [True, False, True, None], "rate": [0.5, 1.25, 0.5, None]})
    kind = Category.fit(frame, CategoryOptions())
    asked = pl.DataFrame({"class": [1, 9, None, 3], "flag": [True, False, None, True], "rate": [1.25, 0.75, None, 0.5]})
    raw = {name: asked[name].cast(pl.Float64).to_numpy() for name in asked.columns}
    ours = kind.encode(cells(kind, asked, ""), lambda rows: list(map(str, rows)))["codes"]
    np.testing.assert_array_equal(ours, block(Categories(kind), **raw)["codes"].numpy())  # type: ignore[arg-type]


@pytest.mark.parametrize("lowercase", [True, False])
def test_bags_are_hashed_and_weighed_alike(lowercase: bool) -> None:
    from sklearn.utils.murmurhash import murmurhash3_32

    for gram in ("", "a", "ab", "abc", "abcd", "film plot", "电影 好", "🙂 x"):
        assert murmur(gram.encode()) == murmurhash3_32(gram, 0)
    texts = ["A good Film, a GOOD plot!", "电影很好 ok", "", "x", "I'm 3.5 metres tall   \t here"]
    frame = pl.DataFrame({"text": texts})
    kind = Text.fit(frame, TextOptions(vocabulary=512, lowercase=lowercase))
    bags = kind.encode(cells(kind, frame, ""), lambda rows: [])
    part = Grams(kind)
    found, _ = value(part.inputs[0]).read(texts)
    feed = {f"text.{name}" if name else "text": array for name, array in found.items()}
    ids, weights = part.weights({name: torch.from_numpy(array) for name, array in feed.items()})
    for row in range(len(texts)):
        ours = dict(zip(bags["ids"].row(row).tolist(), bags["weights"].row(row).tolist(), strict=True))  # type: ignore[union-attr]
        theirs = {
            int(k): float(w) for k, w, real in zip(ids[row], weights[row], feed["text"][row] >= 0, strict=True) if real
        }
        assert ours.keys() == theirs.keys()
        assert all(abs(ours[k] - theirs[k]) < 1e-6 for k in ours)


WRITTEN = [
    "1,234.5", "$5", "12 %", "65%", "３．５", "(3)", "3.2万", "7百万", "- 4", "-4", "€ 9", "9,50 €", "1.234,50", "1.234", "12 345",
    "1\u00a0234,5", "1'234.5", "46 kg", "7.5kg", "1e5", ".5", "5.", "1_000", "x", "", "5 lb", "+3", "1,2,3", "２０%", "1,5e3", "￥300",
]  # fmt: skip


@pytest.mark.parametrize("written", [parse.Notation(), parse.Notation(comma=True), parse.Notation(unit="kg")])
def test_numbers_written_as_text_are_read_alike(written: parse.Notation) -> None:
    reader = value({"form": "number", **written._asdict()})

    def read(text: str) -> float | None:
        found = float(reader.read([text])[0][""][0])
        return None if np.isnan(found) else found

    assert [read(text) for text in WRITTEN] == parse.numbers(pl.Series([*WRITTEN, "%"]), written).to_list()[:-1]


@pytest.mark.parametrize("column", [
    ["05/03/2024", "17/03/2024"], ["05/03/2024", None], ["31-12-2024", "1-1-2024"], ["5.3.24", "17.12.69"], ["2024年3月5日"],
    ["5 Mar 2024"], ["March 5, 2024"], ["2024-03-05 12:30:15.123456789", "2024-03-05 12:30:15"], ["2024/3/5 1:05"], ["20240305"],
    ["2024-03-05T12:30:15+02:00", "2024-03-05T12:30:15Z"], ["2024-03-05T12:30Z"], ["2024-03-05 12:30:15.5-0330", "2024-03-05 12:30:15Z"],
])  # fmt: skip
def test_dates_are_read_alike(column: list[str | None]) -> None:
    frame = pl.DataFrame({"day": column}, schema={"day": pl.String})
    kind = Date.fit(frame, DateOptions())
    part = Dates(kind)
    theirs = block(part, day=value(part.inputs[0]).read(column)[0][""])
    ours = kind.encode(cells(kind, frame, ""), lambda rows: [])["values"]
    assert isinstance(ours, np.ndarray) and np.isfinite(ours[0]).all()
    np.testing.assert_allclose(np.nan_to_num(ours), theirs["values"].numpy(), atol=2e-6)
