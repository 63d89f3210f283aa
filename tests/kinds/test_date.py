"""Dates: read in many forms, and seen as a distance in time and places in cycles."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from netwright.errors import InputError
from netwright.events import Event
from netwright.kinds import parse
from netwright.kinds.infer import infer

from .fitting import encode, fit

FORMS = [
    "2024-02-29", "2024/02/29", "20240229", "29.02.2024", "2024年02月29日", "29 Feb 2024", "Feb 29, 2024", "29 February 2024",
    "2024-02-29 00:00:00", "2024-02-29T00:00:00", "2024-02-29 00:00", "2024/2/29 0:00", "2024年2月29日 00:00", "29/02/2024 00:00", "2024.02.29", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000+00:00",
    "29-02-2024", "29.02.24", "02/29/24", "29-Feb-2024",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMS)
def test_a_date_in_many_forms(text: str) -> None:
    assert parse.dates(pl.Series([text, text])).to_list() == [datetime(2024, 2, 29)] * 2


def test_the_form_that_reads_most_rows_is_taken() -> None:
    months_first = parse.dates(pl.Series(["01/02/2024", "12/31/2024"]))
    days_first = parse.dates(pl.Series(["01/02/2024", "31/12/2024"]))
    assert months_first[0] == datetime(2024, 1, 2) and days_first[0] == datetime(2024, 2, 1)


def test_stored_dates_are_read_as_they_are() -> None:
    there = datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert parse.dates(pl.Series([date(2024, 2, 29)])).to_list() == [datetime(2024, 2, 29)]
    assert parse.dates(pl.Series([there])).to_list() == [datetime(2024, 2, 29, 12)]


def values(kind: Any, asked: Any) -> np.ndarray:
    out = encode(kind, asked)["values"]
    assert isinstance(out, np.ndarray)
    return out


DAYS = [date(2023, 1, 1) + timedelta(days=k) for k in range(800)]


def test_days_are_a_scaled_distance_and_three_cycles() -> None:
    kind = fit("date", DAYS)
    out = values(kind, DAYS)
    assert kind.width == out.shape[1] == 7 and not kind.timed
    np.testing.assert_allclose(out[:, 0].mean(), 0, atol=1e-5)
    np.testing.assert_allclose(out[:, 0].std(), 1, atol=1e-5)
    np.testing.assert_allclose(out[:, 1::2] ** 2 + out[:, 2::2] ** 2, 1, atol=1e-5)
    week, month, year = out[:, 1:3], out[:, 3:5], out[:, 5:7]
    np.testing.assert_allclose(week[:-7], week[7:], atol=1e-4)
    first = [k for k, day in enumerate(DAYS) if day.day == 1]
    np.testing.assert_allclose(month[first], np.tile([0.0, 1.0], (len(first), 1)), atol=1e-5)
    assert [DAYS[k] for k in np.flatnonzero(np.abs(year - [0, 1]).max(1) < 1e-5)] == [
        date(2023, 1, 1),
        date(2024, 1, 1),
        date(2025, 1, 1),
    ]


def test_moments_have_a_time_of_day_too() -> None:
    hours = [datetime(2024, 1, 1) + timedelta(hours=k) for k in range(60)]
    kind = fit("date", hours)
    out = values(kind, hours)
    assert kind.timed and out.shape == (60, 9)
    np.testing.assert_allclose(out[:-24, 7:], out[24:, 7:], atol=1e-4)
    np.testing.assert_allclose(out[6, 7:], [1, 0], atol=1e-5)


def test_a_missing_date_is_missing_and_an_unreadable_one_is_said(said: list[Event]) -> None:
    kind = fit("date", ["2024-01-01", "2024-01-02", None])
    out = values(kind, ["2024-01-01", None, "yesterday"])
    assert np.isnan(out).all(1).tolist() == [False, True, True] and all(kind.missing)
    (event,) = [event for event in said if event.name == "date.unreadable"]
    assert event.data["rows"] == ["rows:3"] and "'yesterday'" in event.text


def test_dates_before_1970_are_dates() -> None:
    old = [date(1815, 12, 10), date(1903, 12, 28), date(1912, 6, 23)]
    assert np.isfinite(values(fit("date", old), old)).all()


def test_rows_to_be_answered_are_read_in_the_form_of_training() -> None:
    kind = fit("date", ["01/02/2024", "31/12/2024"])
    alone, beside = values(kind, ["05/03/2024"]), values(kind, ["05/03/2024", "31/12/2024"])
    np.testing.assert_array_equal(alone[0], beside[0])
    other = values(kind, ["2024-03-05"])
    np.testing.assert_array_equal(alone, other)


def test_dates_of_which_no_value_tells_day_from_month_are_doubted_and_can_be_named() -> None:
    column = pl.Series("day", [f"{k % 12 + 1:02}/{k % 9 + 1:02}/2024" for k in range(40)])
    assert infer(column, {}, "input").reason.endswith("no value tells day from month")
    assert infer(column.replace(column[0], "12/31/2024"), {}, "input").reason == "100% of its values are dates"
    named = values(fit("date", column.to_list(), layout="%d/%m/%Y"), ["05/03/2024"])
    assert not np.array_equal(named, values(fit("date", column.to_list()), ["05/03/2024"]))


@pytest.mark.parametrize("layout", ["dd/mm/yyyy", "%H", "%Q", ""])
def test_a_layout_that_reads_nothing_is_refused(layout: str) -> None:
    with pytest.raises(InputError, match=r"columns\.x\.layout: .* reads none of its values, such as '31/12/2024'"):
        fit("date", ["31/12/2024", "01/02/2024"], layout=layout)


def test_times_with_unlike_offsets_are_brought_to_utc_and_that_is_said() -> None:
    texts = [
        "2024-02-29T08:00:00+08:00",
        "2024-02-29T00:00:00Z",
        "2024-02-28T19:00:00-05:00",
        "2024-03-01T00:00:00+0000",
    ]
    assert "brought to UTC" in infer(pl.Series("at", texts * 10), {}, "input").reason
    out = values(fit("date", texts), texts)
    np.testing.assert_array_equal(out[0], out[1])
    np.testing.assert_array_equal(out[0], out[2])
    local = ["2024-02-29T08:00:00+08:00", "2024-03-01T09:00:00+08:00"]
    assert not fit("date", local).utc, "one clock for all stays that clock"
