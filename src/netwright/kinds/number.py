"""Number: a quantity. Scaled on the training rows; missing values stay missing and the network is told of them.

The robust scale with its smooth clip is RealMLP's (Holzmüller, Grinsztajn & Steinwart 2024, "Better by default",
arXiv 2407.04491, section 3): x' = (x - median) / (q75 - q25), then x' / sqrt(1 + (x' / 3)²). n rows, C columns.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from netwright.errors import InputError, Problem, quoted
from netwright.events import say, say_rows
from netwright.kinds import base
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from netwright.kinds.facts import Facts
    from netwright.kinds.parse import Notation

Scale = Literal["standard", "robust", "quantile", "none"]
LARGEST = 1e38  # about the largest float32
_ALL = slice(None)
QUANTILES = 257  # knots of the quantile scale: 0.4 % of the rows each


class Options(base.Options):
    """Settings of a number column."""

    kind: Literal["number"] = "number"
    scale: Scale = Field(
        default="standard",
        description="standard: mean 0, deviation 1; robust: by quartiles, softly clipped; quantile: to a normal",
    )
    bins: int = Field(
        default=0, ge=0, le=512, description="cut points by quantile, for piecewise-linear embeddings; 0: none"
    )


class Number(base.Kind):
    """Fitted number columns (a block of C)."""

    many: ClassVar[bool] = True
    by_rows: ClassVar[bool] = True
    answerable: ClassVar[bool] = True
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
    def sniff(cls, facts: Facts, role: base.Role) -> base.Guess | None:
        """Numbers stored as numbers; strings of which at least 95 % can be read as numbers."""
        if facts.is_number:
            return base.Guess(sure=0.7, reason=f"its values are numbers, {facts.distinct:,} of them distinct")
        if facts.is_text and len(facts.present) and facts.number_share >= 0.95:
            unit = facts.notation.unit
            if unit and role == "target" and facts.distinct <= 20:  # 3 stars are a class, as a whole number 3 is
                return None
            written = f"numbers with the unit {unit!r}" if unit else "numbers written as text"
            return base.Guess(sure=0.65, reason=f"{facts.number_share:.0%} of its values are {written}")
        return None

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any, role: base.Role) -> Number:
        """Learn centre and spread of each column. Raises `InputError` for a target's scale that cannot be undone."""
        from netwright.kinds import parse

        if role == "target" and options.scale not in ("standard", "none"):
            where, what = f"columns.{frame.columns[0]}.scale", f"{options.scale} cannot be undone, as a target's must"
            raise InputError(Problem(where, what, allowed="standard, none"))
        facts: list[dict[str, Any]] = []
        for name in frame.columns:  # one at a time: of a large table all together would take several times its memory
            written = parse.notation(frame[name])
            values = _floats(frame[name], written)
            present = values[np.isfinite(values)]
            with np.errstate(all="ignore"):
                center, spread = _scale(present, options.scale)
            facts.append({
                "center": center, "spread": spread, "low": float(present.min()) if len(present) else 0.0,
                "high": float(present.max()) if len(present) else 0.0, "missing": bool(np.isnan(values).any()),
                "whole": frame[name].dtype.is_integer(), "commas": written.comma, "units": written.unit, "knots": _knots(present) if options.scale == "quantile" else (),
            })  # fmt: skip
        every: dict[str, Any] = {name: tuple(each[name] for each in facts) for name in facts[0]}
        if options.scale != "quantile":
            every["knots"] = ()
        fitted = cls(columns=tuple(frame.columns), scale=options.scale, **every)
        if options.bins:
            edges = (
                _edges(
                    fitted._scaled(_floats(frame[name], fitted._notation(at))[:, None], slice(at, at + 1))[:, 0],
                    options.bins,
                )
                for at, name in enumerate(frame.columns)
            )
            fitted = fitted.model_copy(update={"edges": tuple(edges)})
        return fitted

    @property
    def width(self) -> int:
        """How many values a row has."""
        return len(self.columns)

    def notation(self, column: str) -> Notation:
        """How a column's numbers were written in training."""
        from netwright.kinds.parse import Notation

        return self._notation(self.columns.index(column)) or Notation()

    def _notation(self, index: int) -> Notation | None:
        """How a column's numbers were written in training; None: older runs did not tell."""
        from netwright.kinds.parse import Notation

        return Notation(self.commas[index], self.units[index]) if self.commas else None

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """{"values": (n, C) float32}, NaN where missing."""
        out = np.empty((len(self.columns), frame.height), np.float32)
        for index, name in enumerate(self.columns):  # a column fits into the processor's cache, a table does not
            column = _floats(frame[name], self._notation(index), ids=ids)[:, None]
            out[index] = self._scaled(column, slice(index, index + 1))[:, 0]
        return {"values": np.ascontiguousarray(out.T)}

    def encode_values(self, values: Sequence[Sequence[Any]], ids: base.RowIds) -> Arrays:
        """The same of numbers, None where missing."""
        out = np.array(values, np.float64).T  # None becomes NaN
        lost = np.abs(out) > LARGEST
        if lost.any():
            for index, name in enumerate(self.columns):
                _say_infinite(name, np.flatnonzero(lost[:, index]), ids)
            out = np.where(lost, np.nan, out)
        return {"values": self._scaled(out).astype(np.float32)}

    def form(self, column: str) -> dict[str, Any]:
        """A number, with the range that training saw."""
        at = self.columns.index(column)
        whole = bool(self.whole and self.whole[at])
        held = {"low": self.low[at], "high": self.high[at], "whole": whole}
        return {"form": "number", **held, **self.notation(column)._asdict()}

    @cached_property
    def _fit(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.center), np.array(self.spread)

    def _scaled(self, values: np.ndarray, columns: slice = _ALL) -> np.ndarray:
        """Return values (n, k) of these columns on the network's scale."""
        if self.scale == "quantile":
            from scipy.special import ndtri

            levels = np.linspace(0, 1, QUANTILES)
            pairs = zip(values.T, self.knots[columns], strict=True)
            ranks = np.column_stack([np.interp(column, knots, levels) for column, knots in pairs])
            return np.where(np.isfinite(values), ndtri(np.clip(ranks, 1e-4, 1 - 1e-4)), np.nan)
        center, spread = self._fit[0][columns], self._fit[1][columns]
        out = (values - center) / spread
        np.maximum(out, -LARGEST, out=out)  # a third of clip's time on one row
        np.minimum(out, LARGEST, out=out)
        if self.scale == "robust":
            out = out / np.sqrt(1 + (out / 3) ** 2)
        return out

    def absent(self, arrays: Arrays) -> np.ndarray:
        """(n,) rows of a target without a value."""
        values = arrays["values"]
        assert isinstance(values, np.ndarray)
        return np.asarray(np.isnan(values).any(1))

    def truth(self, arrays: Arrays) -> np.ndarray:
        """(n,) float64 in the target's own unit."""
        values = arrays["values"]
        assert isinstance(values, np.ndarray)
        return self.unscaled(values[:, 0])

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

        name = self.columns[0]
        columns = {"predicted": "value", "low": "low", "high": "high"}
        return pl.DataFrame({f"{name}_{to}": self.unscaled(arrays[of]) for to, of in columns.items() if of in arrays})

    def plain(self, arrays: dict[str, Any]) -> list[dict[str, Any]]:
        """{"predicted", "low", "high"}."""
        columns = {"predicted": "value", "low": "low", "high": "high"}
        held = {to: self.unscaled(arrays[of]).tolist() for to, of in columns.items() if of in arrays}
        return [dict(zip(held, row, strict=True)) for row in zip(*held.values(), strict=True)]

    def unscaled(self, values: np.ndarray) -> np.ndarray:
        """Return scaled values of a target in its own unit (float64)."""
        assert self.scale in ("standard", "none"), "a target's scale can be undone"
        return np.asarray(values, np.float64) * self.spread[0] + self.center[0]

    def show(self) -> str:
        """Columns with their ranges."""
        return ", ".join(
            f"{name} [{low:g}, {high:g}]" for name, low, high in zip(self.columns, self.low, self.high, strict=True)
        )


def _floats(column: pl.Series, written: Notation | None = None, ids: base.RowIds | None = None) -> np.ndarray:
    import polars as pl

    from netwright.kinds import parse

    if column.dtype.is_integer() or column.dtype.is_float():  # nothing to be read, and nothing to be said of it
        values = column.cast(pl.Float64).to_numpy()
        lost = np.abs(values) > LARGEST
        if not lost.any():
            return values
        if ids is not None:
            _say_infinite(column.name, np.flatnonzero(lost), ids)
        return np.where(lost, np.nan, values)
    read, coerced = parse.numbers(column, written)
    values = read.to_numpy().astype(np.float64)
    if ids is not None:
        lost = np.flatnonzero(np.isnan(values) & column.is_not_null().to_numpy() & ~_is_nan(column))
        if len(lost):
            first = column[int(lost[0])]
            say_rows(
                "number.unreadable",
                f"{column.name}: not numbers, such as {quoted(first)}; taken as missing",
                ids(lost.tolist()),
                column=column.name,
            )
        elif coerced:
            _say_read(column, read)
        _say_infinite(column.name, np.flatnonzero(np.abs(values) > LARGEST), ids)
    return np.where(np.abs(values) <= LARGEST, values, np.nan)


def _say_read(column: pl.Series, read: pl.Series) -> None:
    """Say what was made of numbers written as text, by the first one that plain reading leaves."""
    import polars as pl

    odd = column.cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False).is_null() & read.is_not_null()
    row = odd.arg_max() or 0
    text = f"{column.name}: numbers written as text were read as numbers, such as {quoted(column[row])} as {read[row]:,.10g}"
    say("notice", "number.text", text, column=column.name)


def _say_infinite(name: str, rows: np.ndarray, ids: base.RowIds) -> None:
    if len(rows):
        text = f"{name}: values that are infinite or beyond {LARGEST:.0e}, taken as missing"
        say_rows("number.infinite", text, ids(rows.tolist()), column=name)


def _is_nan(column: pl.Series) -> np.ndarray:
    if column.dtype.is_float():
        return column.is_nan().fill_null(False).to_numpy()
    return np.zeros(len(column), bool)


def _scale(column: np.ndarray, scale: Scale) -> tuple[float, float]:
    if not len(column) or scale in ("none", "quantile"):
        return 0.0, 1.0
    if scale == "standard":
        deviation = float(column.std())
        return float(column.mean()), deviation if deviation > 0 else 1.0
    low, middle, high = np.quantile(column, [0.25, 0.5, 0.75])
    spread = float(high - low) or float(column.max() - column.min()) / 2 or 1.0
    return float(middle), spread


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
