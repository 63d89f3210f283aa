"""Which rows train, choose and test: shares, strata, groups, time, marks and folds; contradictions are errors."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from netwright.data.splits import Parts, divide, grouped
from netwright.data.table import Table
from netwright.errors import InputError
from netwright.events import listening
from netwright.recipe import Recipe, Split, validate

ROWS = 200
RANDOM = np.random.default_rng(0)
CLASSES = RANDOM.choice(3, ROWS, p=[0.7, 0.25, 0.05])
DAYS = [date(2024, 1, 1) + timedelta(days=int(k)) for k in RANDOM.permutation(ROWS)]
MARKS = np.array(["train", "Dev", " test "])[RANDOM.choice(3, ROWS, p=[0.6, 0.2, 0.2])]


def table(rows: int = ROWS, **columns: Any) -> Table:
    frame = pl.DataFrame({
        "x": np.arange(rows), "patient": [f"p{k % 23}" for k in range(rows)], "day": DAYS[:rows], "part": MARKS[:rows], **columns,
    })  # fmt: skip
    return Table.of(frame, name="rows")


def whole(parts: Parts, rows: int = ROWS) -> None:
    """Assert that each row stands on exactly one side, sorted."""
    every = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(every.tolist()) == list(range(rows))
    for part in (parts.train, parts.validation, parts.test):
        assert (np.diff(part) > 0).all() and part.dtype == np.int64


def split(given: dict[str, Any], classes: np.ndarray | None = None, seed: int = 0, **columns: Any) -> Parts:
    parts = divide(table(**columns), Split(**given), classes, seed=seed)
    whole(parts)
    return parts


@pytest.mark.parametrize(("validation", "test"), [(0.15, 0.2), (0.0, 0.5), (0.25, 0.0), (0.1, 0.1), (0.4, 0.5)])
def test_shares_are_what_was_asked_for(validation: float, test: float) -> None:
    parts = split({"validation": validation, "test": test})
    assert abs(len(parts.validation) - validation * ROWS) <= 1 and abs(len(parts.test) - test * ROWS) <= 1


def test_each_class_is_divided_alike() -> None:
    parts = split({"validation": 0.2, "test": 0.2}, CLASSES)
    for part, share in ((parts.validation, 0.2), (parts.test, 0.2), (parts.train, 0.6)):
        found = np.bincount(CLASSES[part], minlength=3)
        assert np.abs(found - share * np.bincount(CLASSES)).max() <= 1.5


def test_the_seed_alone_decides() -> None:
    first, same, other = (split({}, CLASSES, seed=seed).test.tolist() for seed in (0, 0, 1))
    assert first == same != other


@pytest.mark.parametrize(
    ("rows", "validation", "test"), [(100, 15, 20), (20_000, 2000, 2000), (1_000_000, 20_000, 20_000)]
)
def test_without_word_the_shares_follow_the_rows(rows: int, validation: int, test: int) -> None:
    parts = divide(Table.of(pl.DataFrame({"x": np.zeros(rows)}), name="rows"), Split(), None, seed=0)
    assert (len(parts.validation), len(parts.test)) == (validation, test)


@pytest.mark.parametrize("rows", [2, 3, 5, 7])
def test_few_rows_are_divided_too(rows: int) -> None:
    parts = divide(table(rows), Split(), None, seed=0)
    whole(parts, rows)
    assert len(parts.train) >= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_group_is_never_on_two_sides(seed: int) -> None:
    parts = split({"group": "patient", "validation": 0.2, "test": 0.2}, seed=seed)
    groups = grouped(table(), "patient")
    sides = [set(groups[part]) for part in (parts.train, parts.validation, parts.test)]
    assert all(sides) and not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert 0.05 < len(parts.test) / ROWS <= 0.2 and 0.05 < len(parts.validation) / ROWS <= 0.25


def test_rows_without_a_group_are_one_group() -> None:
    patients = [None if k % 4 == 0 else f"p{k % 9}" for k in range(ROWS)]
    parts = split({"group": "patient"}, patient=patients)
    alone = set(range(0, ROWS, 4))
    assert sum(bool(alone & set(part.tolist())) for part in (parts.train, parts.validation, parts.test)) == 1


@pytest.mark.parametrize("column", ["day", "stamp", "text"])
def test_the_latest_rows_test_and_those_before_them_choose(column: str) -> None:
    stamps = [float((day - DAYS[0]).days) for day in DAYS]
    parts = split(
        {"time": column, "validation": 0.1, "test": 0.2}, stamp=stamps, text=[f"{day:%d.%m.%Y}" for day in DAYS]
    )
    moments = np.array(stamps)
    assert moments[parts.train].max() < moments[parts.validation].min()
    assert moments[parts.validation].max() < moments[parts.test].min()
    assert (len(parts.validation), len(parts.test)) == (20, 40)


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_rows_without_a_time_train_and_are_said(gap: float | None) -> None:
    stamps = [gap if k < 20 else float(k) for k in range(ROWS)]
    with listening(said := []):
        parts = split({"time": "stamp"}, stamp=stamps)
    assert set(range(20)) <= set(parts.train.tolist())
    (event,) = [event for event in said if event.kind == "warning"]
    assert event.data["count"] == 20


def test_a_column_of_marks_divides() -> None:
    parts = split({"column": "part"})
    names = np.array([mark.strip().lower() for mark in MARKS])
    assert [set(names[part]) for part in (parts.train, parts.validation, parts.test)] == [{"train"}, {"dev"}, {"test"}]


def test_marks_without_validation_have_some_drawn_from_training() -> None:
    parts = split({"column": "part", "validation": 0.25}, CLASSES, part=["train"] * 160 + ["test"] * 40)
    assert parts.test.tolist() == list(range(160, 200)) and len(parts.validation) == 40 and max(parts.validation) < 160


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_folds_test_each_row_once(count: int, groups: bool) -> None:
    parts = split({"folds": count, **({"group": "patient"} if groups else {})}, CLASSES)
    own = grouped(table(), "patient")
    folds = parts.folds(count, CLASSES, seed=0, groups=own if groups else None)
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(ROWS))
    for fold in folds:
        whole(fold)
        assert len(fold.train) and len(fold.validation)
        if groups:
            sides = [set(own[part]) for part in (fold.train, fold.validation, fold.test)]
            assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
            assert abs(len(fold.test) - ROWS / count) <= 10
        else:
            assert np.abs(np.bincount(CLASSES[fold.test], minlength=3) - np.bincount(CLASSES) / count).max() <= 1


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({"column": "part", "time": "day"}, "column and time are given. Allowed: one of column, group, time, folds"),
    ({"time": "day", "folds": 3}, "time and folds are given"),
    ({"group": "patient", "time": "day"}, "group and time are given"),
    ({"validation": 0.6, "test": 0.5}, "validation 0.6 and test 0.5 leave no rows to train on"),
    ({"column": "nme"}, "rows has no column 'nme'"),
    ({"group": "patent"}, "rows has no column 'patent'. Fix: did you mean patient"),
    ({"column": "patient"}, "patient holds p0, p1, p10, p11, p12. Allowed: train, validation, test"),
    ({"group": "two"}, "two has 2 different values. Allowed: at least 3"),
    ({"time": "patient"}, "patient holds no dates or numbers"),
    ({"column": "tests"}, "no rows are left to train on, of 200"),
]


@pytest.mark.parametrize(("given", "message"), CONTRADICTIONS, ids=[message[:30] for _, message in CONTRADICTIONS])
def test_settings_that_contradict_each_other_or_the_data_are_errors(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        split(given, two=["a", "b"] * 100, tests=["test"] * ROWS)
    assert message in str(caught.value) and str(caught.value).startswith("split")


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(InputError, match=r"split\.folds: 5 folds of 4 groups. Allowed: 2 to 4"):
        split({}).folds(5, None, seed=0, groups=np.arange(ROWS) % 4)


@pytest.mark.parametrize("given", [{"validation": 1.0}, {"test": -0.1}, {"folds": 1}, {"shuffle": True}])
def test_settings_out_of_range_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"split\.{next(iter(given))}"):
        validate(Recipe, {"split": given})
