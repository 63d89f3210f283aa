"""Number: a quantity. Scaled on the training rows; missing values stay missing and the network is told of them.

The robust scale with its smooth clip is RealMLP's (Holzmüller, Grinsztajn & Steinwart 2024, "Better by default",
arXiv 2407.04491, section 3): x' = (x - median) / (q75 - q25), then x' / sqrt(1 + (x' / 3)²). n rows, C columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from netwright.errors import InputError, Problem, quoted
from netwright.events import say, say_rows
from netwright.kinds import base
from netwright.kinds.values import Value, value
from netwright.kinds.values.number import plain
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from netwright.kinds.facts import Facts

Scale = Literal["standard", "robust", "quantile", "none"]
LARGEST = 1e38  # about the largest float32
QUANTILES = 257  # knots of the quantile scale: 0.4 % of the rows each
FAR = 1e5  # deviations of a target in which 80 % of its values are alike to five digits of float32's seven; assumed


class Options(base.Options):
    """Settings of a number column."""

    kind: Literal["number"] = "number"
    scale: Scale = Field(
        default="standard",
        description="standard: mean 0, standard deviation 1; robust: by quartiles, softly clipped; quantile: to a normal distribution",
    )
    bins: int = Field(
        default=0, ge=0, le=512, description="cut points by quantile, for piecewise-linear embeddings; 0: none"
    )


class Number(base.Kind):
    """Fitted number columns (a block of C)."""

    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["number"] = "number"
    scale: Scale
    center: tuple[float, ...]
    spread: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    missing: tuple[bool, ...]
    knots: tuple[tuple[float, ...], ...] = ()
    edges: tuple[tuple[float, ...], ...] = ()
    whole: tuple[bool, ...] = ()
    commas: tuple[bool, ...] = ()
    units: tuple[str, ...] = ()

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """Numbers stored as numbers; strings of which at least 95 % can be read as numbers."""
        if facts.is_number:
            return base.Guess(sure=0.7, reason=f"its values are numbers, {facts.distinct:,} of them distinct")
        if facts.is_text and len(facts.present) and facts.number_share >= 0.95 and not facts.padded:
            unit = facts.notation.unit
            written = f"numbers with the unit {unit!r}" if unit else "numbers written as text"
            return base.Guess(sure=0.65, reason=f"{facts.number_share:.0%} of its values are {written}")
        return None

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn centre and spread of each column."""
        from netwright.kinds import parse

        facts: list[dict[str, Any]] = []
        for name in frame.columns:  # one at a time: of a large table all together would take several times its memory
            written = parse.notation(frame[name])
            values = _finite(value({"form": "number", **written._asdict()}).read(base.cells(frame[name]))[0][""])
            present = values[np.isfinite(values)]
            with np.errstate(all="ignore"):
                center, spread = _scale(present, options.scale)
            facts.append({
                "center": center, "spread": spread, "low": float(present.min()) if len(present) else 0.0,
                "high": float(present.max()) if len(present) else 0.0, "missing": bool(np.isnan(values).any()),
                "whole": frame[name].dtype.is_integer(), "commas": written.comma, "units": written.unit,
                "knots": _knots(present) if options.scale == "quantile" else (),
            })  # fmt: skip
            last = facts[-1]
            scaled = _scaled(present, options.scale, center, spread, last["knots"]) if options.bins else present[:0]
            last["edges"] = _edges(scaled, options.bins) if options.bins else ()
        every: dict[str, Any] = {name: tuple(each[name] for each in facts) for name in facts[0]}
        every |= {name: () for name in ("knots", "edges") if not any(every[name])}
        return cls(columns=tuple(frame.columns), scale=options.scale, **every)

    @property
    def width(self) -> int:
        """How many values a row has."""
        return len(self.columns)

    def value(self, column: str) -> Value:
        """A number, as training wrote it, with the range that training saw."""
        at = self.columns.index(column)
        held = {"low": self.low[at], "high": self.high[at], "whole": bool(self.whole and self.whole[at])}
        written = {"comma": self.commas[at], "unit": self.units[at]} if self.commas else {"comma": False, "unit": ""}
        return value({"form": "number", **held, **written})

    def read(self, cells: Sequence[Any], column: str, ids: base.RowIds) -> np.ndarray:
        """(n,) float64 of one column's cells, NaN where missing; what is no number or too large is said."""
        found, wrong = self.value(column).read(cells)
        if wrong:
            text = f"{column}: not numbers, such as {quoted(cells[next(iter(wrong))])}; read as missing"
            say_rows("number.unreadable", text, ids(list(wrong)), column=column)
        elif not isinstance(cells, np.ndarray):
            _say_read(column, cells, found[""])
        lost = np.flatnonzero(np.abs(found[""]) > LARGEST)
        if len(lost):
            text = f"{column}: values that are infinite or beyond {LARGEST:.0e}, read as missing"
            say_rows("number.infinite", text, ids(lost.tolist()), column=column)
        return _finite(found[""])

    def encode_column(self, cells: Sequence[Any], index: int, ids: base.RowIds) -> np.ndarray:
        """(n,) float32 on the network's scale, NaN where missing."""
        values = self.read(cells, self.columns[index], ids)
        knots = self.knots[index] if self.knots else ()
        return _scaled(values, self.scale, self.center[index], self.spread[index], knots).astype(np.float32)

    def show(self) -> str:
        """Columns with their ranges."""
        return ", ".join(
            f"{name} [{low:g}, {high:g}]" for name, low, high in zip(self.columns, self.low, self.high, strict=True)
        )


class Input(Number, base.Input):
    """Numbers that are read."""

    many: ClassVar[bool] = True
    by_rows: ClassVar[bool] = True

    def encode(self, cells: Sequence[Sequence[Any]], ids: base.RowIds) -> Arrays:
        """{"values": (n, C) float32}, NaN where missing."""
        # a column fits into the processor's cache, a table does not
        return {"values": np.column_stack([self.encode_column(column, at, ids) for at, column in enumerate(cells)])}


class Target(Number, base.Target):
    """A number that is answered."""

    answer: ClassVar = "value"
    by_rows: ClassVar[bool] = True

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """As an input; but a few values with a unit are classes: 3 stars are one, as a whole number 3 is."""
        return None if facts.is_text and facts.notation.unit and facts.distinct <= 20 else super().sniff(facts)

    @classmethod
    def refuse(cls, name: str, values: pl.Series, *, asked: bool) -> None:
        """Raise `InputError` where all values are alike."""
        if base.alike(values):
            raise InputError(
                Problem(f"target {name}", f"is always {quoted(values[0])}", fix="give rows whose target differs")
            )

    @classmethod
    def doubt(cls, column: pl.Series, ids: base.RowIds) -> None:
        """Say which value is so far from the others that, on a common scale, float32 hardly parts them."""
        from netwright.kinds import parse

        values = parse.numbers(column)
        usual = values.filter(values.is_finite() & (values.abs() <= LARGEST))
        low, high = usual.quantile(0.1), usual.quantile(0.9)
        spread: Any = usual.std()
        if low is None or high is None or high <= low or spread < FAR * (high - low):
            return
        row = ((values - low).abs() * (values.abs() <= LARGEST)).fill_nan(None).arg_max() or 0
        text = f"{column.name}: {values[row]:g} is so far from the other values, mostly {low:g} to {high:g}, that the others become indistinguishable: "
        say_rows("target.far", text + "leave its row out if it is no true value", ids([row]), column=column.name)

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn centre and spread. Raises `InputError` for a scale that cannot be undone."""
        if options.scale not in ("standard", "none"):
            where, what = f"columns.{frame.columns[0]}.scale", f"{options.scale} cannot be undone, as a target's must"
            raise InputError(Problem(where, what, allowed="standard, none"))
        return super().fit(frame, options)

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """{"values": (n, 1) float32}, NaN where missing."""
        return {"values": self.encode_column(base.cells(frame[self.columns[0]]), 0, ids)[:, None]}

    def absent(self, arrays: Arrays) -> np.ndarray:
        """(n,) rows without a value."""
        return np.isnan(self.scaled_truth(arrays))

    def truth(self, arrays: Arrays) -> np.ndarray:
        """(n,) float64 in the target's own unit."""
        return self.unscaled(self.scaled_truth(arrays))

    def scaled_truth(self, arrays: Arrays) -> np.ndarray:
        """(n,) float32 on the network's scale."""
        values = arrays["values"]
        assert isinstance(values, np.ndarray)
        return values[:, 0]

    @property
    def deviation(self) -> float:
        """That of the training rows."""
        return self.spread[0]

    def in_unit(self, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every array of a number's answer is on its scale."""
        return {name: self.unscaled(array) for name, array in found.items()}

    def rebased(self, found: dict[str, np.ndarray], whole: Any) -> dict[str, np.ndarray]:
        """From a fold's scale to that of all rows."""
        return {name: (self.unscaled(array) - whole.center[0]) / whole.spread[0] for name, array in found.items()}

    def decode(self, arrays: dict[str, Any], *, prefix: str = "") -> pl.DataFrame:
        """`TARGET_predicted`, in the target's own unit, and the interval `TARGET_low` to `TARGET_high`, which holds the
        truth as often as the recipe's `trust.coverage` says."""
        import polars as pl

        return pl.DataFrame({f"{self.columns[0]}_{to}": values for to, values in self._named(arrays).items()})

    def plain(self, arrays: dict[str, Any]) -> list[dict[str, Any]]:
        """{"predicted", "low", "high"}."""
        held = {to: values.tolist() for to, values in self._named(arrays).items()}
        return [dict(zip(held, row, strict=True)) for row in zip(*held.values(), strict=True)]

    def _named(self, arrays: dict[str, Any]) -> dict[str, np.ndarray]:
        columns = {"predicted": "value", "low": "low", "high": "high"}
        return {to: self.unscaled(arrays[of]) for to, of in columns.items() if of in arrays}

    def unscaled(self, values: np.ndarray) -> np.ndarray:
        """Return scaled values in the target's own unit (float64)."""
        assert self.scale in ("standard", "none"), "a target's scale can be undone"
        return np.asarray(values, np.float64) * self.spread[0] + self.center[0]

    def about_itself(self) -> dict[str, Any]:
        """The range that training saw."""
        return {"low": self.low[0], "high": self.high[0]}


def _finite(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(values) <= LARGEST, values, np.nan)


def _say_read(name: str, cells: Sequence[Any], values: np.ndarray) -> None:
    """Say what was made of numbers written as text, by the first one that plain reading leaves."""
    row = next((row for row, cell in enumerate(cells) if isinstance(cell, str) and plain(cell) is None), None)
    if row is not None:
        text = f"{name}: numbers written as text were parsed, such as {quoted(cells[row])} as {values[row]:,.10g}"
        say("notice", "number.text", text, column=name)


def _scale(column: np.ndarray, scale: Scale) -> tuple[float, float]:
    if not len(column) or scale in ("none", "quantile"):
        return 0.0, 1.0
    if scale == "standard":
        deviation = float(column.std())
        return float(column.mean()), deviation if deviation > 0 else 1.0
    low, middle, high = np.quantile(column, [0.25, 0.5, 0.75])
    spread = float(high - low) or float(column.max() - column.min()) / 2 or 1.0
    return float(middle), spread


def _scaled(values: np.ndarray, scale: Scale, center: float, spread: float, knots: Sequence[float]) -> np.ndarray:
    """(n,) values of a column on the network's scale."""
    if scale == "quantile":
        from scipy.special import ndtri

        ranks = np.interp(values, knots, np.linspace(0, 1, QUANTILES))
        return np.where(np.isfinite(values), ndtri(np.clip(ranks, 1e-4, 1 - 1e-4)), np.nan)
    out = (values - center) / spread
    np.maximum(out, -LARGEST, out=out)  # a third of clip's time on one row
    np.minimum(out, LARGEST, out=out)
    return out / np.sqrt(1 + (out / 3) ** 2) if scale == "robust" else out


def _knots(present: np.ndarray) -> tuple[float, ...]:
    if not len(present):
        return (0.0,) * QUANTILES
    return tuple(np.quantile(present, np.linspace(0, 1, QUANTILES)).tolist())


def _edges(scaled: np.ndarray, bins: int) -> tuple[float, ...]:
    """Cut points of a column, at least two and all different.

    By quantile of the rows (Gorishniy et al. 2022, section 3.2), and as many by quantile of the distinct values: where
    nine rows in ten are 0, the rows' own quantiles leave no cut for the rest (Adult's capital gain: docs/dev/log.md).
    """
    levels = np.linspace(0, 1, bins // 2 + 1)
    # in float32, as the network holds them: cut points that differ in float64 alone would make a bin of no size
    present = scaled[np.isfinite(scaled)].astype(np.float32)
    cuts = np.array([0.0, 1.0], np.float32)
    if len(present):
        both = [np.quantile(present, levels), np.quantile(np.unique(present), levels, method="nearest")]
        cuts = np.unique(np.concatenate(both).astype(np.float32))
    return tuple(float(cut) for cut in (cuts if len(cuts) > 1 else np.array([cuts[0], cuts[0] + 1])))
