"""Which rows train, which choose the best weights, and which measure: by the user's word, else seeded and stratified.

n rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from netwright.data import media
from netwright.data.table import Table
from netwright.errors import InputError, Problem
from netwright.events import say, say_rows
from netwright.recipe import Split
from netwright.runtime.seeds import generator

_SLICE = 2**20
TRAIN, VALIDATION, TEST = "train", "validation", "test"
UNLABELLED, UNMARKED = "unlabelled", ""  # marks of rows that a teacher answered, which only train, and of all others
NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
    "test": TEST,
}


@dataclass(frozen=True)
class Parts:
    """Row numbers (sorted) of each part; any but `train` may be empty."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        return {TRAIN: self.train, VALIDATION: self.validation, TEST: self.test}[name]

    def folds(
        self, count: int, classes: np.ndarray | None, *, seed: int, groups: np.ndarray | None = None
    ) -> list[Parts]:
        """Return `count` divisions of all rows, each with another part as its test; validation is drawn from the rest.

        `groups` (n,): rows of one group stay on one side.
        """
        rows = np.sort(np.concatenate([self.train, self.validation, self.test]))
        if groups is not None:
            return _grouped_folds(rows, groups[rows], count, seed)
        order = _dealt(rows, classes, seed=seed)
        out = []
        for number in range(count):
            test = np.sort(order[number::count])
            rest = np.setdiff1d(rows, test)
            held = _dealt(rest, classes, seed=seed + 1 + number)[:: max(count, 2)]
            out.append(Parts(np.setdiff1d(rest, held), np.sort(held), test))
        return out


def shares(split: Split, rows: int) -> tuple[float, float]:
    """Return the shares of validation and test rows: the recipe's, else by how many rows there are."""
    default = (0.15, 0.2) if rows < 10_000 else (0.1, 0.1) if rows < 200_000 else (20_000 / rows, 20_000 / rows)
    return (
        default[0] if split.validation is None else split.validation,
        default[1] if split.test is None else split.test,
    )


def joined(table: Table, other: Table, name: str) -> Table:
    """Return both tables' rows, the other's marked as validation, test or unlabelled."""
    usual = UNMARKED if name == UNLABELLED else TRAIN
    marks = np.full(len(table), usual, dtype="U10") if table.splits is None else table.splits.astype("U10")
    frames = [table.frame, media.beside(table, other).select(table.columns)]
    for column in table.columns:  # a column read as numbers in one file and as text in the other is text
        if frames[0][column].dtype != frames[1][column].dtype and pl.String in (
            frames[0][column].dtype,
            frames[1][column].dtype,
        ):
            frames = [frame.with_columns(pl.col(column).cast(pl.String)) for frame in frames]
    declared = {name: known.joined(other.declared.get(name)) for name, known in table.declared.items()}
    return replace(
        table, frame=pl.concat(frames, how="vertical_relaxed"), files=(*table.files, *other.files), declared=declared,
        file=np.concatenate([table.file, other.file + len(table.files)]), line=np.concatenate([table.line, other.line]),
        fingerprint=table.fingerprint + other.fingerprint, splits=np.concatenate([marks, np.full(len(other), name, dtype="U10")]),
    )  # fmt: skip


def own(table: Table) -> int:
    """Return how many rows are no unlabelled ones."""
    return len(table) if table.splits is None else int((table.splits != UNLABELLED).sum())


def divide(table: Table, split: Split, classes: np.ndarray | None, *, seed: int) -> Parts:
    """Divide a table's rows. `classes` (n,) stratifies: each class's rows are divided alike.

    Unlabelled rows, which stand last, all train: the others are divided as they are without them. Raises `InputError` for
    settings that contradict each other or leave no rows to train on.
    """
    if (first := own(table)) < len(table):
        rest = table.slice(0, first)
        rest = replace(rest, splits=None if (rest.splits == UNMARKED).all() else rest.splits)
        if split.folds:
            raise InputError(Problem("split.folds", "folds cannot be combined with a teacher", fix="name a share: --split.test 0.2"))  # fmt: skip
        parts = divide(rest, split, None if classes is None else classes[:first], seed=seed)
        return replace(parts, train=np.concatenate([parts.train, np.arange(first, len(table))]))
    given = [name for name in ("column", "group", "time", "folds") if getattr(split, name) is not None]
    if len(given) > 1 and given != ["group", "folds"]:
        raise InputError(
            Problem("split", f"{' and '.join(given)} are given", allowed="one of column, group, time, folds")
        )
    validation, test = shares(split, len(table))
    if validation + test >= 1:
        raise InputError(
            Problem(
                "split",
                f"validation {validation:g} and test {test:g} leave no rows to train on",
                allowed="a sum below 1",
            )
        )
    rows = np.arange(len(table))
    if split.column:
        parts = _by_column(table, split.column, classes, validation, seed)
    elif table.splits is not None:
        parts = _by_marks(table.splits, rows, classes, validation, test, seed, where=table.name)
    elif split.group:
        parts = _by_group(table, split.group, validation, test, seed)
    elif split.time:
        parts = _by_time(table, split.time, validation, test)
    else:
        parts = _at_random(rows, classes, validation, test, seed)
        how = "each class's rows divided alike" if classes is not None else "at random"
        say(
            "choice",
            "split",
            f"{len(parts.train):,} training rows, {len(parts.validation):,} validation, {len(parts.test):,} test; seeded, {how}",
        )
    if not len(parts.train):
        raise InputError(
            Problem(
                "split", f"no rows are left to train on, of {len(table):,}", fix="give more rows, or smaller shares"
            )
        )
    return parts


def _grouped_folds(rows: np.ndarray, groups: np.ndarray, count: int, seed: int) -> list[Parts]:
    """Each group, the largest first, to the part that has the fewest rows; a fold tests one part."""
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < max(count, 3):
        raise InputError(
            Problem(
                "split.folds",
                f"{count} folds of {len(names)} groups",
                allowed=f"2 to {len(names)}, of at least 3 groups",
            )
        )
    order = generator(seed, "group").permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    part, filled = np.zeros(len(names), np.int64), np.zeros(count)
    for group in order:
        part[group] = filled.argmin()
        filled[part[group]] += sizes[group]
    out = []
    for number in range(count):
        rest = order[part[order] != number][::-1]  # the smallest first: at least one group chooses the weights
        held = rest[: max(1, int((np.cumsum(sizes[rest]) <= sizes[rest].sum() / max(count, 2)).sum()))]
        tested, chooses = np.isin(groups, names[part == number]), np.isin(groups, names[held])
        out.append(Parts(rows[~tested & ~chooses], rows[chooses], rows[tested]))
    return out


def grouped(table: Table, column: str) -> np.ndarray:
    """(n,) the number of each row's group; rows without one are one group."""
    table.require([column], setting="split.group")
    return table.frame[column].rank("dense").fill_null(0).to_numpy().astype(np.int64)


def _dealt(rows: np.ndarray, classes: np.ndarray | None, *, seed: int) -> np.ndarray:
    """Rows shuffled, then ordered so that any regular choice of them holds each class alike."""
    shuffled = generator(seed, "split").permutation(rows)
    if classes is None:
        return shuffled
    return shuffled[np.argsort(classes[shuffled], kind="stable")]


def _at_random(rows: np.ndarray, classes: np.ndarray | None, validation: float, test: float, seed: int) -> Parts:
    order = _dealt(rows, classes, seed=seed)
    n = len(order)
    # row k of the dealt order goes to a part where k·share passes a whole number: even over classes, however small
    is_test = _passes(np.arange(n, dtype=np.int32 if n < 2**31 else np.int64), test)
    rest = np.cumsum(~is_test, dtype=np.int32 if n < 2**31 else np.int64) - 1
    is_validation = ~is_test & _passes(rest, validation / (1 - test))
    del rest
    train = order[~is_test & ~is_validation]
    train.sort()
    return Parts(train, np.sort(order[is_validation]), np.sort(order[is_test]))


def _passes(places: np.ndarray, share: float) -> np.ndarray:
    """(n,) whether place·share passes a whole number there. Slice by slice: of many rows its steps take much memory."""
    out = np.empty(len(places), bool)
    for at in range(0, len(places), _SLICE):
        place = places[at : at + _SLICE].astype(np.int64)
        out[at : at + _SLICE] = np.floor((place + 1) * share + 0.5) > np.floor(place * share + 0.5)
    return out


def _by_marks(
    marks: np.ndarray,
    rows: np.ndarray,
    classes: np.ndarray | None,
    validation: float,
    test: float,
    seed: int,
    where: str,
) -> Parts:
    """Parts that the source gives; a missing validation part is drawn from the training rows, a missing test part too."""
    train, held, tested = (rows[marks == name] for name in (TRAIN, VALIDATION, TEST))
    if not len(held) or not len(tested):
        drawn = _at_random(train, classes, 0.0 if len(held) else validation, 0.0 if len(tested) else test, seed)
        held = held if len(held) else drawn.validation
        tested = tested if len(tested) else drawn.test
        train = drawn.train
    say(
        "choice",
        "split",
        f"{len(train):,} training rows, {len(held):,} validation, {len(tested):,} test, as {where} says",
    )
    return Parts(train, held, tested)


def _by_column(table: Table, column: str, classes: np.ndarray | None, validation: float, seed: int) -> Parts:
    table.require([column], setting="split.column")
    texts = table.frame[column].cast(pl.String).str.to_lowercase().str.strip_chars()
    strange = sorted({str(value) for value in texts.unique().to_list()} - set(NAMES))
    if strange:
        raise InputError(
            Problem("split.column", f"{column} holds {', '.join(strange[:5])}", allowed="train, validation, test")
        )
    marks = np.array([NAMES[str(value)] for value in texts.to_list()])
    return _by_marks(marks, np.arange(len(table)), classes, validation, 0.0, seed, where=f"column {column}")


def _by_group(table: Table, column: str, validation: float, test: float, seed: int) -> Parts:
    groups = grouped(table, column)
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < 3:
        raise InputError(
            Problem(
                "split.group", f"{column} has {len(names)} different values", allowed="at least 3, one for each part"
            )
        )
    order = generator(seed, "group").permutation(len(names))
    passed = np.cumsum(sizes[order]) / sizes.sum()
    is_test = passed <= test
    is_test[0] |= test > 0  # at least one group
    is_validation = ~is_test & (passed <= test + validation)
    if validation > 0 and not is_validation.any():
        is_validation[np.flatnonzero(~is_test)[0]] = True
    part = {TEST: names[order[is_test]], VALIDATION: names[order[is_validation]]}
    tested, held = np.isin(groups, part[TEST]), np.isin(groups, part[VALIDATION])
    say(
        "choice",
        "split",
        f"{(~tested & ~held).sum():,} training rows, {held.sum():,} validation, {tested.sum():,} test; no value of {column} is in two parts",
    )
    return Parts(*(np.flatnonzero(mask) for mask in (~tested & ~held, held, tested)))


def _by_time(table: Table, column: str, validation: float, test: float) -> Parts:
    from netwright.kinds import parse

    table.require([column], setting="split.time")
    values = table.frame[column]
    moments = (
        values.cast(pl.Float64).fill_nan(None)
        if values.dtype.is_numeric()
        else parse.dates(values, utc=True).cast(pl.Int64)
    )
    lost = np.flatnonzero(moments.is_null().to_numpy())
    if len(lost) == len(table):
        raise InputError(
            Problem("split.time", f"{column} holds no dates or numbers", allowed="a date or number in each row")
        )
    if len(lost):
        say_rows("split.time", f"rows without a {column} go into training", table.ids(lost))
    order = np.argsort(moments.fill_null(moments.min() - 1).to_numpy(), kind="stable")  # type: ignore[operator]
    n = len(order)
    first_test, first_held = n - round(n * test), n - round(n * test) - round(n * validation)
    say(
        "choice",
        "split",
        f"{first_held:,} training rows, the next {first_test - first_held:,} validation, the last {n - first_test:,} by {column} test",
    )
    return Parts(np.sort(order[:first_held]), np.sort(order[first_held:first_test]), np.sort(order[first_test:]))
