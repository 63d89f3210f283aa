"""From cells of text to columns: blanks stripped, missing texts made null, whole columns of numbers made numbers."""

from __future__ import annotations

import polars as pl

from netwright.events import say

_PADDED = r"^[+-]?0[0-9]"  # 007: the zeros carry meaning, so the column is a name and not a number
_WHOLE = r"^[+-]?[0-9]+$"
_NAMED = 5


def typed(frame: pl.DataFrame, missing: tuple[str, ...], *, name: str) -> pl.DataFrame:
    """Return the frame of texts with missing cells null and number columns Int64 or Float64; what was done is said.

    >>> typed(pl.DataFrame({"a": [" 1", "?"], "b": ["007", "8"]}), ("?",), name="x.csv").rows()
    [(1, '007'), (None, '8')]
    """
    frame = _stripped(frame, name)
    frame = _without_missing(frame, missing, name)
    texts = pl.all()
    counts = frame.select(
        texts.count().name.prefix("all:"),
        texts.str.contains(_PADDED).any().name.prefix("padded:"),
        # a look at the first rows spares the texts a cast of the whole column
        texts.head(1000).drop_nulls().cast(pl.Float64, strict=False).is_not_null().all().name.prefix("likely:"),
    ).row(0, named=True)
    likely = [c for c in frame.columns if counts[f"likely:{c}"] and counts[f"all:{c}"]]
    numbers = {c: dtype for c in likely if (dtype := _number(frame[c], bool(counts[f"padded:{c}"]), name))}
    return frame.with_columns(pl.col(c).cast(dtype) for c, dtype in numbers.items())


def _stripped(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the frame without blanks round its cells; newlines inside quotes are the cell's own and stay."""
    bare = frame.select(pl.all().str.strip_chars(" \t"))
    lengths = pl.all().str.len_bytes().cast(pl.Int64).sum()
    before, after = frame.select(lengths).row(0), bare.select(lengths).row(0)
    touched = [c for c, was, now in zip(frame.columns, before, after, strict=True) if was != now]
    if touched:
        text = f"{name}: blanks round the cells of {len(touched)} columns were stripped ({_few(touched)})"
        say("notice", "read.blanks", text, columns=touched)
    return bare


def _without_missing(frame: pl.DataFrame, missing: tuple[str, ...], name: str) -> pl.DataFrame:
    """Return the frame with the missing texts null, and say which they were and how many, empty cells aside."""
    tokens = pl.Series(missing, dtype=pl.String)
    named = tokens.filter(tokens != "")
    if len(named):
        hits = frame.select(pl.all().is_in(named.implode()).sum()).row(0)
        found: dict[str, dict[str, int]] = {}
        for column, count in zip(frame.columns, hits, strict=True):
            if count:
                cells = frame[column].filter(frame[column].is_in(named.implode())).alias("cell")
                for token, times in cells.value_counts(sort=True, name="times").rows():
                    found.setdefault(token, {})[column] = times
        if found:
            parts = []
            for token, columns in found.items():
                where = _few([f"{column} {times:,}" for column, times in columns.items()])
                parts.append(f"{token!r} {sum(columns.values()):,} times ({where})")
            say("notice", "read.missing", f"{name}: read as missing: {'; '.join(parts)}", counts=found)
    return frame.select(pl.when(~pl.all().is_in(tokens.implode())).then(pl.all()))


def _number(cells: pl.Series, padded: bool, name: str) -> pl.DataType | None:
    """Return the number type of a column whose every cell is a number, else None (it stays text)."""
    known = cells.drop_nulls()
    whole = not known.cast(pl.Int64, strict=False).has_nulls()
    if not whole and known.cast(pl.Float64, strict=False).has_nulls():
        return None
    column = f"{name}: {cells.name}"
    if padded:
        reason = "numbers in it start with zeros"
        say("choice", "read.text", f"{column} stays text, because {reason}", column=cells.name)
        return None
    if not whole and bool(known.str.contains(_WHOLE).all()):
        reason = "a number would lose its last digits"
        say("choice", "read.text", f"{column} stays text, because {reason}", column=cells.name)
        return None
    return pl.Int64() if whole else pl.Float64()


def _few(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
