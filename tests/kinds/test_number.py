"""Numbers: scaled as their formula says, back again without loss, and nothing unreadable goes by in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn.datasets import load_wine

from netwright.errors import InputError
from netwright.events import Event
from netwright.kinds import parse

from .fitting import encode, fit

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.gamma(2.0, 300.0, 500)


def scaled(values: Any, **settings: Any) -> np.ndarray:
    return encode(fit("number", VALUES, **settings), values)["values"][:, 0]  # type: ignore[index]


def test_the_standard_scale_has_mean_0_and_deviation_1() -> None:
    np.testing.assert_allclose(scaled(VALUES), (VALUES - VALUES.mean()) / VALUES.std(), rtol=1e-5, atol=1e-6)


def test_the_robust_scale_is_realmlps() -> None:
    low, middle, high = np.quantile(VALUES, [0.25, 0.5, 0.75])
    x = (VALUES - middle) / (high - low)
    np.testing.assert_allclose(scaled(VALUES, scale="robust"), x / np.sqrt(1 + (x / 3) ** 2), rtol=1e-5, atol=1e-6)
    assert abs(scaled([1e30], scale="robust")[0]) <= 3.001, "softly clipped at 3"


def test_the_quantile_scale_is_monotone_and_normal() -> None:
    grid = np.linspace(-1000, 5000, 3000)
    out = scaled(grid, scale="quantile")
    assert (np.diff(out) >= 0).all() and np.isfinite(out).all()
    assert stats.kstest(scaled(VALUES, scale="quantile"), "norm").pvalue > 0.5
    few = encode(fit("number", [1.0, 1.0, 1.0, 2.0, 9.0] * 20, scale="quantile"), [0.0, 1.0, 2.0, 9.0, 99.0])["values"][
        :, 0
    ]  # type: ignore[index]
    assert (np.diff(few) >= 0).all(), "with many equal values too"


def test_no_scale_leaves_values_as_they_are() -> None:
    assert scaled([1.5, -2.0], scale="none").tolist() == [1.5, -2.0]


@pytest.mark.parametrize("scale", ["standard", "none"])
@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_a_targets_scale_is_undone_without_loss(scale: str, shift: float) -> None:
    kind = fit("number", VALUES + shift, "target", scale=scale)
    inside = (VALUES + shift - kind.center[0]) / kind.spread[0]  # as a head answers, in float64
    back = kind.decode({"value": inside})["x_predicted"].to_numpy()
    np.testing.assert_allclose(back, VALUES + shift, rtol=1e-12)


@pytest.mark.parametrize("scale", ["robust", "quantile"])
def test_a_targets_scale_that_cannot_be_undone_is_refused(scale: str) -> None:
    with pytest.raises(
        InputError, match=rf"columns\.x\.scale: {scale} cannot be undone, as a target's must\. Allowed: standard, none"
    ):
        fit("number", VALUES, "target", scale=scale)


@pytest.mark.parametrize("scale", ["standard", "robust", "quantile", "none"])
@pytest.mark.parametrize("values", [[3.0] * 9, [3.0], [], [None, None], [0.0] * 99 + [1.0], [1e-300, 2e-300, 4e-300]])
def test_a_strange_column_gives_finite_numbers(scale: str, values: list[Any]) -> None:
    kind = fit("number", pl.Series("x", values, dtype=pl.Float64).to_frame().to_dict(as_series=True), scale=scale)
    out = encode(kind, pl.Series("x", [0.0, 1.0, 3.0], dtype=pl.Float64).to_frame().to_dict())["values"]
    assert np.isfinite(out).all()  # type: ignore[arg-type]


def test_missing_nan_and_infinite_values_are_missing_and_infinite_ones_are_said(said: list[Event]) -> None:
    values = [1.0, None, float("nan"), float("inf"), -1e300, 2.0]
    kind = fit("number", values)
    out = encode(kind, values)["values"][:, 0]  # type: ignore[index]
    assert np.isnan(out).tolist() == [False, True, True, True, True, False]
    assert kind.missing == (True,) and kind.low == (1.0,) and kind.high == (2.0,)
    (event,) = [event for event in said if event.name == "number.infinite"]
    assert event.data["count"] == 2 and event.data["rows"] == ["rows:4", "rows:5"]


@pytest.mark.parametrize(("text", "value"), [
    ("12", 12), (" 1,234.5 ", 1234.5), ("$5", 5), ("-€3.50", -3.5), ("12 %", 12), ("(3)", -3), ("1e3", 1000), ("¥1,000", 1000), ("3元", 3),
    ("1 234 567", 1234567), ("+7", 7), (".5", 0.5), ("1,23", None), ("x", None), ("12 kg", None), ("--1", None), ("1.2.3", None),
])  # fmt: skip
def test_numbers_written_as_text(text: str, value: float | None) -> None:
    out = encode(fit("number", ["0", "1"], scale="none"), [text])["values"][0, 0]  # type: ignore[call-overload]
    assert np.isnan(out) if value is None else out == pytest.approx(value)


@pytest.mark.parametrize(("column", "read"), [
    (["1.234,56", "12,5", "1.234"], [1234.56, 12.5, 1234]), (["12,50 €", "3,00 €"], [12.5, 3]), (["5%", "12,5%"], [5, 12.5]),
    (["3.2万", "5万", "1亿", "800"], [32_000, 50_000, 1e8, 800]), (["674万元", "50万元"], [6_740_000, 500_000]),
    (["￥34,936", "￥12"], [34_936, 12]), (["１２．５", "３％"], [12.5, 3]), (["46㎡", "50.5㎡"], [46, 50.5]), (["1,5 kg", "2 kg"], [1.5, 2]),
    (["1.234", "2.345"], [1.234, 2.345]), (["1,234", "2,345"], [1234, 2345]), (["1 234,5", "2 345,75"], [1234.5, 2345.75]),
    (["1\u202f234,5", "2\u00a0345,75", "1'234,5"], [1234.5, 2345.75, 1234.5]),
    (["46 kg", "50 g"], [None, None]),
])  # fmt: skip
def test_numbers_as_a_column_writes_them(column: list[str], read: list[float | None]) -> None:
    assert parse.numbers(pl.Series("x", column)).to_list() == pytest.approx(read)


def test_rows_to_be_answered_are_read_as_training_wrote_them(said: list[Event]) -> None:
    kind = fit("number", ["1.234,56", "12,5"], scale="none")
    assert encode(kind, ["1.234", "7"])["values"][:, 0].tolist() == [1234, 7]  # type: ignore[index]
    kind = fit("number", ["46 kg", "50 kg"], scale="none")
    assert encode(kind, ["48 kg"])["values"][0, 0] == 48  # type: ignore[call-overload]
    assert any("such as '48 kg' as 48" in event.text for event in said), "what was made of them is shown"
    assert np.isnan(encode(kind, ["48 lb"])["values"][0, 0])  # type: ignore[call-overload]


def test_what_is_no_number_is_said_with_its_row(said: list[Event]) -> None:
    encode(fit("number", ["1", "2"]), ["3", "four", None, "1,000"])
    (event,) = [event for event in said if event.name == "number.unreadable"]
    assert event.kind == "warning" and event.data["rows"] == ["rows:2"] and "'four'" in event.text


def test_columns_of_one_block_keep_their_own_scales() -> None:
    kind = fit("number", {"a": [0.0, 2.0], "b": [100.0, 300.0]})
    np.testing.assert_allclose(encode(kind, {"a": [1.0, 3.0], "b": [200.0, 100.0]})["values"], [[0, 0], [2, -1]])  # type: ignore[arg-type]


def test_bins_are_cut_by_quantile_and_never_equal() -> None:
    kind = fit("number", {"a": VALUES, "b": [0.0] * 499 + [1.0], "c": [5.0] * 500}, bins=4, scale="none")
    levels = [0, 0.5, 1]
    halves = [np.quantile(VALUES, levels), np.quantile(np.unique(VALUES), levels, method="nearest")]
    np.testing.assert_allclose(kind.edges[0], np.unique(np.concatenate(halves).astype(np.float32)), rtol=1e-6)
    assert all(np.all(np.diff(edges) > 0) for edges in kind.edges) and [len(edges) for edges in kind.edges[1:]] == [
        2,
        2,
    ]


def test_rare_values_have_bins_of_their_own() -> None:
    """Nine rows in ten are 0: by the rows' quantiles alone the rest would share one bin."""
    gains = np.concatenate([np.zeros(900), np.arange(1, 101.0) ** 2])
    cuts = np.array(fit("number", gains, bins=64, scale="none").edges[0])
    assert ((cuts > 0) & (cuts < 10_000)).sum() > 30


def test_cut_points_differ_as_the_network_holds_them() -> None:
    """Cut points that differed in the last bits of float64 once made a bin of no size in float32: NaN in step 1."""
    wine = load_wine().data
    for seed in range(20):
        rows = np.random.default_rng(seed).permutation(len(wine))[:115]
        for column in wine[rows].T:
            edges: Any = fit("number", column, scale="robust", bins=48)
            assert (np.diff(np.array(edges.edges[0], np.float32)) > 0).all()
