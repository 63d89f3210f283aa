"""Category: one of a list of values. A value never seen in training, and a missing one, have codes of their own. n rows."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from netwright.errors import InputError, Problem, quoted
from netwright.events import say, say_rows
from netwright.kinds import base
from netwright.kinds.values import Value, value
from netwright.kinds.values.category import text_of
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

    from netwright.kinds.facts import Facts

UNSEEN, MISSING, FIRST = 0, 1, 2  # codes of an input; a target's codes count from 0, -1: absent
SLICE = 2**20  # rows whose values are counted at once
LISTED = 1000  # values that a form offers
Stored = Literal["text", "whole", "number", "boolean"]


class Options(base.Options):
    """Settings of a category column."""

    kind: Literal["category"] = "category"
    minimum: int = Field(
        default=1, ge=1, description="training rows a value needs for its own code; rarer values share one"
    )
    order: tuple[str, ...] = Field(
        default=(), description="all values of a target, in the order to show them; default: detected"
    )


class Category(base.Kind):
    """Fitted category columns (a block of C)."""

    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["category"] = "category"
    values: tuple[tuple[str, ...], ...]
    stored: tuple[Stored, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """Strings that repeat, booleans, and whole numbers of two values."""
        import polars as pl

        n, distinct = len(facts.present), facts.distinct
        if facts.values.dtype == pl.Boolean:
            return base.Guess(sure=0.9, reason="its values are true and false")
        if facts.values.dtype in (pl.Categorical, pl.Enum):
            return base.Guess(sure=0.9, reason="it is stored as a category")
        if facts.is_text:
            if facts.distinct_share <= 0.5 and (facts.words < 6 or distinct <= 50):
                return base.Guess(sure=0.6, reason=f"its {n:,} values repeat: {distinct:,} are distinct")
            return base.Guess(sure=0.2, reason=f"its values are short texts, {distinct:,} of {n:,} distinct")
        if facts.is_number and facts.is_whole and distinct <= 2:
            return base.Guess(sure=0.8, reason=f"it has {distinct} values, both whole numbers")
        return None

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn the values, in the order of `_ordered`."""
        found = [_counted(frame[name], options, cls._ordered) for name in frame.columns]
        return cls(
            columns=tuple(frame.columns),
            values=tuple(values for values, _ in found),
            counts=tuple(counts for _, counts in found),
            stored=tuple(_stored(frame[name]) for name in frame.columns),
        )

    @staticmethod
    def _ordered(counts: dict[str, int], minimum: int) -> list[str]:
        """The values that stand in at least `minimum` rows, the most frequent ones first."""
        return [value for value, rows in counts.items() if rows >= minimum]

    def codes(self, cells: Sequence[Any], index: int, ids: base.RowIds) -> np.ndarray:
        """(n,) int32 the codes of one column's cells; unseen ones are said."""
        known, first = self._places[index], dict[Any, int]()
        if isinstance(cells, np.ndarray):
            distinct, places = np.unique(cells, return_inverse=True)
            codes = np.array([known.get(text_of(one), UNSEEN) for one in distinct.tolist()], np.int32)[places]
        else:
            for cell in cells:
                if (key := (type(cell), cell)) not in first:  # True is no 1
                    first[key] = known.get(text_of(cell), UNSEEN)
            codes = np.fromiter((first[type(cell), cell] for cell in cells), np.int32, len(cells))
        unseen = np.flatnonzero(codes == UNSEEN)
        if len(unseen):
            name, shown = self.columns[index], text_of(cells[int(unseen[0])])
            text = f"{name}: values not seen in training, such as {quoted(shown)}; read as unknown"
            say_rows("category.unseen", text, ids(unseen.tolist()), column=name)
        return codes

    @cached_property
    def _places(self) -> list[dict[str | None, int]]:
        """By column, the code of each value."""
        return [{None: MISSING, **{one: code for code, one in enumerate(values, FIRST)}} for values in self.values]

    def show(self) -> str:
        """Columns with how many values each has."""
        return ", ".join(
            f"{name} ({len(values)} values)" for name, values in zip(self.columns, self.values, strict=True)
        )


class Input(Category, base.Input):
    """Categories that are read."""

    many: ClassVar[bool] = True
    by_rows: ClassVar[bool] = True

    def value(self, column: str) -> Value:
        """A list of the values that training saw, the most frequent ones first."""
        values = self.values[self.columns.index(column)]
        return value({"form": "list", "values": list(values[:LISTED]), "of": len(values)})

    def encode(self, cells: Sequence[Sequence[Any]], ids: base.RowIds) -> Arrays:
        """{"codes": (n, C) int32}: 0 unseen, 1 missing, then the values."""
        return {"codes": np.column_stack([self.codes(column, at, ids) for at, column in enumerate(cells)])}


class Target(Category, base.Target):
    """A class that is answered."""

    answer: ClassVar = "one_of"
    by_rows: ClassVar[bool] = True
    every_row: ClassVar[bool] = True  # every class must be known, however rare

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """As an input; also texts of which half are alike, and whole numbers of few values that repeat."""
        n, distinct = len(facts.present), facts.distinct
        if facts.is_text and distinct <= max(2, n // 2):
            return base.Guess(sure=0.6, reason=f"its values are {distinct:,} different texts")
        if facts.is_number and facts.is_whole and 2 < distinct <= 20 and n >= 5 * distinct:
            return base.Guess(sure=0.8, reason=f"its values are {distinct} whole numbers that repeat")
        return super().sniff(facts)

    @classmethod
    def refuse(cls, name: str, values: pl.Series, *, asked: bool) -> None:
        """Raise `InputError` where there is one class only, or each row is its own."""
        if base.alike(values):
            fix = "give rows of at least two classes"
            if " " in (one := str(values[0])) or len(one) > 20:
                fix += f"; texts to be written, which --columns.{name}.kind text makes of it, are to differ too"
            raise InputError(Problem(f"target {name}", f"has one value only: {quoted(one)}", fix=fix))
        if not asked and _all_differ(values):
            what = f"all its {len(values):,} values are different texts, so no class occurs twice"
            fix = f"name another --target; --columns.{name}.kind text generates it, category makes each a class"
            raise InputError(Problem(f"target {name}", what, allowed="numbers, categories, labels", fix=fix))

    @classmethod
    def doubt(cls, column: pl.Series, ids: base.RowIds) -> None:
        """Say which classes differ in capitals, full width or blanks alone, as yes and Yes do: they are learnt as different."""
        import polars as pl

        spelt: dict[str, list[str]] = {}
        for one in column.drop_nulls().unique().sort().to_list() if column.dtype == pl.String else ():
            spelt.setdefault("".join(unicodedata.normalize("NFKC", one).casefold().split()), []).append(one)
        several = [each for each in spelt.values() if len(each) > 1]
        if several:
            shown = "; ".join(" and ".join(map(repr, each)) for each in several[:3])
            text = f"{column.name}: classes that differ only in spelling are kept as different classes: {shown}"
            say("warning", "target.spelling", text, column=column.name)

    @staticmethod
    def _ordered(counts: dict[str, int], minimum: int) -> list[str]:
        """All values in natural order: numbers by size."""
        try:
            return sorted(counts, key=float)
        except ValueError:
            return sorted(counts)

    @property
    def classes(self) -> tuple[str, ...]:
        """The values."""
        return self.values[0]

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """{"codes": (n, 1) int32}: 0 unseen, 1 missing, then the classes."""
        return {"codes": self.codes(base.cells(frame[self.columns[0]]), 0, ids)[:, None]}

    def absent(self, arrays: Arrays) -> np.ndarray:
        """(n,) rows whose class is missing or was never seen in training."""
        return self.truth(arrays) < 0

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


def _all_differ(values: pl.Series) -> bool:
    """Whether there are more than two values, no two alike."""
    first = values.head(base.FIRST)
    return first.n_unique() == len(first) and 2 < values.n_unique() == len(values)


def _stored(column: pl.Series) -> Stored:
    import polars as pl

    if column.dtype == pl.Boolean:
        return "boolean"
    if column.dtype.is_integer() or (column.dtype.is_float() and bool((column.drop_nulls() % 1 == 0).all())):
        return "whole"
    return "number" if column.dtype.is_numeric() else "text"


def texts(column: pl.Series) -> Iterable[tuple[str, int]]:
    """Yield the texts that stand for a column's values, and in how many rows each stands; in no order, one perhaps twice."""
    for at in range(0, max(len(column), 1), SLICE):  # of ten million rows all at once would take a gigabyte
        for cell, rows in Counter(list(base.cells(column.slice(at, SLICE)))).items():
            text = text_of(cell)
            if text is not None:
                yield text, rows


def _counted(column: pl.Series, options: Any, ordered: Any) -> tuple[tuple[str, ...], tuple[int, ...]]:
    found = Counter[str]()
    for text, rows in texts(column):
        found[text] += rows
    counts = dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))
    kept = list(options.order) or ordered(counts, options.minimum)
    return tuple(kept), tuple(counts.get(one, 0) for one in kept)
