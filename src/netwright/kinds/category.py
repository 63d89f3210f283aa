"""Category: one of a list of values. A value never seen in training, and a missing one, have codes of their own. n rows."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from netwright.errors import quoted
from netwright.events import say_rows
from netwright.kinds import base
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from netwright.kinds.facts import Facts

UNSEEN, MISSING, FIRST = 0, 1, 2  # codes of an input; a target's codes count from 0, -1: absent
SLICE = 2**20  # rows whose values are counted at once
LISTED = 1000  # values that a form offers
Stored = Literal["text", "whole", "number", "boolean"]


class Options(base.Options):
    """Settings of a category column."""

    kind: Literal["category"] = "category"
    minimum: int = Field(default=1, ge=1, description="rows that a value needs in training to get a code of its own")
    order: tuple[str, ...] = Field(
        default=(), description="all values of a target, in the order to show them; found if not given"
    )


class Category(base.Kind):
    """Fitted category columns (a block of C)."""

    many: ClassVar[bool] = True
    by_rows: ClassVar[bool] = True
    answerable: ClassVar[bool] = True
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["category"] = "category"
    values: tuple[tuple[str, ...], ...]
    stored: tuple[Stored, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def sniff(cls, facts: Facts, role: base.Role) -> base.Guess | None:
        """Strings that repeat, booleans, and whole numbers of few values (as a target, or 0/1)."""
        import polars as pl

        n, distinct = len(facts.present), facts.distinct
        if facts.values.dtype == pl.Boolean:
            return base.Guess(sure=0.9, reason="its values are true and false")
        if facts.values.dtype in (pl.Categorical, pl.Enum):
            return base.Guess(sure=0.9, reason="it is stored as a category")
        if facts.is_text:
            if role == "target" and distinct <= max(2, n // 2):
                return base.Guess(sure=0.6, reason=f"its values are {distinct:,} different texts")
            if facts.distinct_share <= 0.5 and (facts.words < 6 or distinct <= 50):
                return base.Guess(sure=0.6, reason=f"its {n:,} values repeat: {distinct:,} are distinct")
            return base.Guess(sure=0.2, reason=f"its values are short texts, {distinct:,} of {n:,} distinct")
        if facts.is_number and facts.is_whole and distinct <= 2:
            return base.Guess(sure=0.8, reason=f"it has {distinct} values, both whole numbers")
        if facts.is_number and facts.is_whole and role == "target" and distinct <= 20 and n >= 5 * distinct:
            return base.Guess(sure=0.8, reason=f"its values are {distinct} whole numbers that repeat")
        return None

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any, role: base.Role) -> Category:
        """Learn the values: an input's by falling frequency, a target's in natural order."""
        found = [_values(frame[name], options, role) for name in frame.columns]
        return cls(
            columns=tuple(frame.columns),
            values=tuple(values for values, _ in found),
            counts=tuple(counts for _, counts in found),
            stored=tuple(_stored(frame[name]) for name in frame.columns),
        )

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """{"codes": (n, C) int32}: 0 unseen, 1 missing, then the values."""
        out = np.empty((frame.height, len(self.columns)), np.int32)
        for index, name in enumerate(self.columns):
            out[:, index] = self.codes(frame[name], index=index, ids=ids)
        return {"codes": out}

    def codes(self, column: pl.Series, *, index: int = 0, ids: base.RowIds | None = None) -> np.ndarray:
        """(n,) the codes of one column's values."""
        text = _text(column)
        values = self.values[index]
        codes = (
            text.replace_strict(list(values), range(FIRST, FIRST + len(values)), default=UNSEEN)
            .fill_null(UNSEEN)
            .to_numpy()
            .copy()
        )
        codes[text.is_null().to_numpy()] = MISSING
        unseen = np.flatnonzero(codes == UNSEEN)
        if len(unseen) and ids is not None:
            _say_unseen(column.name, text[int(unseen[0])], ids(unseen.tolist()))
        return codes

    def encode_values(self, values: Sequence[Sequence[Any]], ids: base.RowIds) -> Arrays:
        """The same of texts, numbers and booleans, None where missing."""
        out = np.empty((len(values[0]), len(self.columns)), np.int32)
        for index, (name, column) in enumerate(zip(self.columns, values, strict=True)):
            known = self._places[index]
            texts = [_text_of(value) for value in column]
            codes = [MISSING if text is None else known.get(text, UNSEEN) for text in texts]
            out[:, index] = codes
            if UNSEEN in codes:
                unseen = [row for row, code in enumerate(codes) if code == UNSEEN]
                _say_unseen(name, texts[unseen[0]], ids(unseen))
        return {"codes": out}

    @cached_property
    def _places(self) -> list[dict[str, int]]:
        """By column, the code of each value."""
        return [{value: code for code, value in enumerate(values, FIRST)} for values in self.values]

    def form(self, column: str) -> dict[str, Any]:
        """A list of the values that training saw, the most frequent ones first."""
        values = self.values[self.columns.index(column)]
        return {"form": "list", "values": list(values[:LISTED]), "of": len(values)}

    @property
    def classes(self) -> tuple[str, ...]:
        """The values of a target."""
        return self.values[0]

    def absent(self, arrays: Arrays) -> np.ndarray:
        """(n,) rows of a target whose value is missing or was never seen in training."""
        codes = arrays["codes"]
        assert isinstance(codes, np.ndarray)
        return codes[:, 0] < FIRST

    def truth(self, arrays: Arrays) -> np.ndarray:
        """(n,) class numbers 0 ... C-1; negative where the value is absent."""
        codes = arrays["codes"]
        assert isinstance(codes, np.ndarray)
        return codes[:, 0].astype(np.int64) - FIRST

    def rebased(self, found: dict[str, np.ndarray], whole: Any) -> dict[str, np.ndarray]:
        """A fold may lack classes: its columns go to their places in the whole list."""
        return base.placed(found, self.classes, whole.classes)

    def decode(self, arrays: dict[str, Any], *, prefix: str = "") -> pl.DataFrame:
        """`TARGET_predicted` in the target's own type, `p_CLASS` for each class, and `TARGET_set`, which holds the truth
        as often as the recipe's `trust.coverage` says."""
        import polars as pl

        probability = np.asarray(arrays["probability"])  # (n, C)
        chosen = arrays["choice"] if "choice" in arrays else probability.argmax(1)
        names = pl.Series(f"{self.columns[0]}_predicted", [self.classes[int(k)] for k in chosen], dtype=pl.String)
        columns = [self.restored(names)]
        columns += [
            pl.Series(f"p_{prefix}{name}", probability[:, k].astype(np.float64)) for k, name in enumerate(self.classes)
        ]
        if "set" in arrays:
            held = [[self.classes[k] for k in np.flatnonzero(row)] for row in arrays["set"]]
            columns.append(pl.Series(f"{self.columns[0]}_set", held, dtype=pl.List(pl.String)))
        return pl.DataFrame(columns)

    def plain(self, arrays: dict[str, Any]) -> list[dict[str, Any]]:
        """{"predicted", "probabilities": by class, "set"}."""
        probability = np.asarray(arrays["probability"])
        chosen = (arrays["choice"] if "choice" in arrays else probability.argmax(1)).tolist()
        out: list[dict[str, Any]] = [
            {"predicted": self._own[at], "probabilities": dict(zip(self.classes, row, strict=True))}
            for at, row in zip(chosen, probability.tolist(), strict=True)
        ]
        if "set" in arrays:
            for row, held in zip(out, arrays["set"].tolist(), strict=True):
                row["set"] = [name for name, there in zip(self.classes, held, strict=True) if there]
        return out

    @cached_property
    def _own(self) -> list[Any]:
        """The classes in the target's own type."""
        import polars as pl

        return self.restored(pl.Series(self.classes, dtype=pl.String)).to_list()

    def restored(self, names: pl.Series) -> pl.Series:
        """Return texts in the type that the target had."""
        import polars as pl

        if self.stored[0] == "boolean":
            return names == "true"
        dtype = {"text": pl.String, "whole": pl.Int64, "number": pl.Float64}[self.stored[0]]
        return names.cast(dtype)

    def show(self) -> str:
        """Columns with how many values each has."""
        return ", ".join(
            f"{name} ({len(values)} values)" for name, values in zip(self.columns, self.values, strict=True)
        )


def _say_unseen(name: str, first: str | None, rows: Sequence[str]) -> None:
    text = f"{name}: values not known from training, such as {quoted(first)}; read as unknown"
    say_rows("category.unseen", text, rows, column=name)


def _text_of(value: Any) -> str | None:
    """A value as `_text` writes it."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if value is None:
        return None
    import polars as pl

    return _text(pl.Series([value]))[0]


def _stored(column: pl.Series) -> Stored:
    import polars as pl

    if column.dtype == pl.Boolean:
        return "boolean"
    if column.dtype.is_integer() or (column.dtype.is_float() and bool((column.drop_nulls() % 1 == 0).all())):
        return "whole"
    return "number" if column.dtype.is_numeric() else "text"


def _text(column: pl.Series) -> pl.Series:
    """Values as texts, so that 1, 1.0 and "1" are one value."""
    import polars as pl

    if column.dtype.is_float():
        # each value by itself: what stands beside it must not decide how it is written
        column = column.fill_nan(None)
        whole = column.cast(pl.Int64, strict=False).cast(pl.String)
        text = pl.select(
            pl.when(column % 1 == 0)
            .then(pl.coalesce(whole, column.cast(pl.String)))
            .otherwise(column.cast(pl.String))
            .alias(column.name)
        ).to_series()
    else:
        text = column.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def _values(column: pl.Series, options: Any, role: base.Role) -> tuple[tuple[str, ...], tuple[int, ...]]:
    import polars as pl

    # slice by slice: of ten million rows as texts all at once would take a gigabyte
    parts = [
        _text(column.slice(at, SLICE)).drop_nulls().alias("value").value_counts(name="rows")
        for at in range(0, max(len(column), 1), SLICE)
    ]
    if len(parts) > 1:
        parts = [pl.concat(parts).group_by("value").agg(pl.col("rows").sum())]
    counted = parts[0].sort(["rows", "value"], descending=[True, False])
    counts = dict(zip(counted["value"].to_list(), counted["rows"].to_list(), strict=True))
    if options.order:
        return options.order, tuple(counts.get(value, 0) for value in options.order)
    kept = [value for value, rows in counts.items() if role == "target" or rows >= options.minimum]
    if role == "target":
        numbers = pl.Series(kept, dtype=pl.String).cast(pl.Float64, strict=False)
        kept = (
            sorted(kept) if numbers.null_count() else [kept[k] for k in np.argsort(numbers.to_numpy(), kind="stable")]
        )
    return tuple(kept), tuple(counts[value] for value in kept)
