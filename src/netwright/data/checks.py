"""Doubts about a target's values that are said and not mended: classes spelt in two ways, a number far from the others."""

from __future__ import annotations

import unicodedata
from typing import Any

import polars as pl

from netwright.data.table import Table
from netwright.events import say, say_rows
from netwright.kinds import parse
from netwright.kinds.number import LARGEST

FAR = 1e5  # deviations of a target in which 80 % of its values are alike to five digits of float32's seven; assumed


def spellings(name: str, values: pl.Series) -> None:
    """Say which classes differ in capitals, full width or blanks alone, as yes and Yes do: they are learnt as different."""
    spelt: dict[str, list[str]] = {}
    for value in values.unique().sort().to_list():
        spelt.setdefault("".join(unicodedata.normalize("NFKC", value).casefold().split()), []).append(value)
    several = [each for each in spelt.values() if len(each) > 1]
    if several:
        shown = "; ".join(" and ".join(map(repr, each)) for each in several[:3])
        text = f"{name}: classes that differ in their spelling alone are different classes: {shown}"
        say("warning", "target.spelling", text, column=name)


def far(table: Table, name: str) -> None:
    """Say which value of a number target is so far from the others that, on a common scale, float32 hardly parts them."""
    values = parse.numbers(table.frame[name])[0]
    usual = values.filter(values.is_finite() & (values.abs() <= LARGEST))
    low, high = usual.quantile(0.1), usual.quantile(0.9)
    spread: Any = usual.std()
    if low is None or high is None or high <= low or spread < FAR * (high - low):
        return
    off = (values - low).abs()
    row = (off * (values.abs() <= LARGEST)).fill_nan(None).arg_max() or 0
    text = (
        f"{name}: {values[row]:g} is so far from the other values, mostly {low:g} to {high:g}, that they can hardly be told apart: "
        "leave its row out if it is no true value"
    )
    say_rows("target.far", text, [table.id(row)], column=name)
