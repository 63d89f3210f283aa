"""Tags: a tag for each word of one text column (parts of speech, names of persons). n rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from netwright.errors import InputError, Problem, quoted
from netwright.events import say_rows
from netwright.kinds import base, words
from netwright.runtime.arrays import Arrays, Ragged

if TYPE_CHECKING:
    import polars as pl

    from netwright.kinds.facts import Facts

LOOK = 1000  # rows whose words are counted to tell which column tags are about
ALIKE = 0.9  # the share of rows whose parts are as many as the words: below, it is by chance
UNSEEN = -1


class Options(base.Options):
    """Settings of a tags column."""

    kind: Literal["tags"] = "tags"
    about: str | None = Field(
        default=None, description="the text input whose words it labels; default: the one with as many words"
    )


class Target(base.Target):
    """A fitted tags column: `tags` in sorted order, with how many training words have each."""

    nested: ClassVar[bool] = True
    needs: ClassVar = "elements"
    each: ClassVar[bool] = True
    places: ClassVar[tuple[str, ...]] = ("word",)
    asks: ClassVar[dict[str, Any]] = {"tokens": "bpe", "lowercase": False, "windows": True}
    Options: ClassVar[type[base.Options]] = Options

    kind: Literal["tags"] = "tags"
    about: str
    tags: tuple[str, ...]
    counts: tuple[int, ...]
    whole: bool = False

    @property
    def beside(self) -> tuple[str, ...]:
        """The column that it is about."""
        return (self.about,)

    @classmethod
    def sniff(cls, facts: Facts) -> base.Guess | None:
        """As many parts as another column has words in nearly every row (the others are mistakes); lists whose items repeat within a row."""
        if not len(facts.present) or not (facts.is_text or _listed(facts.values)):
            return None
        there = facts.values.is_not_null().to_numpy().nonzero()[0][:LOOK]
        own = words.counts(facts.values[there])
        for name, column in facts.beside.items():
            if own.mean() <= 1.5 or column.dtype not in _read():
                continue
            alike = float((words.counts(column[there]) == own).mean())
            if alike >= ALIKE:
                which = "each" if alike == 1 else f"{alike:.1%}"
                reason = f"{which} of its values {'has' if alike == 1 else 'have'} as many parts as {name} has words"
                return base.Guess(sure=0.95, reason=reason)
        if not _listed(facts.values):
            return None
        held = [value for value in words.values(facts.values[there]) if value]
        twice = sum(len(set(value)) < len(value) for value in held)
        if twice > 0.2 * len(held):
            reason = f"its values are lists, in {twice / len(held):.0%} of which an item occurs twice"
            return base.Guess(sure=0.92, reason=reason)
        return None

    @classmethod
    def about_which(cls, column: pl.Series, texts: dict[str, pl.Series]) -> str | None:
        """Return the name of the text that a column's tags are about: the only one, or the one with as many words."""
        if len(texts) == 1:
            return next(iter(texts))
        there = column.is_not_null().to_numpy().nonzero()[0][:LOOK]
        own = words.counts(column[there])
        fits = [name for name, text in texts.items() if np.array_equal(words.counts(text[there]), own)]
        return fits[0] if len(fits) == 1 else None

    @classmethod
    def wrong(cls, column: pl.Series, text: pl.Series) -> dict[int, str]:
        """Return, by row, what is wrong with its tags."""
        own, theirs = words.counts(column), words.counts(text)
        bad = np.flatnonzero((own != theirs) & column.is_not_null().to_numpy())
        return {
            int(row): f"it has {_many(own[row], 'tag')}, and {text.name} has {_many(theirs[row], 'word')}"
            for row in bad
        }

    @classmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn the list of tags; `frame` holds the column and the one that it is about."""
        column, about = frame.columns
        rows = words.values(frame[column])
        whole = _whole(frame[column])
        counts = Counter(tag for row in rows for tag in words.parted(row).words)
        tags = sorted(counts, key=int) if whole else sorted(counts)
        if len(tags) < 2:
            what = f"has a single tag: {tags[0]!r}" if tags else "has no tag in any training row"
            raise InputError(Problem(f"target {column}", what, fix="give rows of at least two tags"))
        return cls(
            columns=(column,), about=about, tags=tuple(tags), counts=tuple(counts[tag] for tag in tags), whole=whole
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The tags."""
        return self.tags

    def encode(self, frame: pl.DataFrame, ids: base.RowIds) -> Arrays:
        """{"tags": ragged int64 numbers of the words' tags, -1 for one never seen in training; "absent": (n,) bool}.

        Raises `InputError` naming the rows whose tags are not as many as their words.
        """
        column = frame[self.columns[0]]
        bad = self.wrong(column, frame[self.about])
        if bad:
            raise misfits(self.columns[0], bad, ids)
        place = {tag: number for number, tag in enumerate(self.tags)}
        rows, unseen = [], dict[int, str]()
        for row, value in enumerate(words.values(column)):
            tags = words.parted(value).words
            rows.append(np.array([place.get(tag, UNSEEN) for tag in tags], np.int64))
            lost = next((tag for tag in tags if tag not in place), None)
            if lost is not None:
                unseen[row] = lost
        if unseen:
            count = sum(int((row == UNSEEN).sum()) for row in rows)
            first = next(iter(unseen.values()))
            text = (
                f"{column.name}: {count:,} tags not seen in training, such as {quoted(first)}; these words are ignored"
            )
            say_rows("tags.unseen", text, ids(list(unseen)))
        counted = np.array([bool((row != UNSEEN).any()) for row in rows], bool)
        return {"tags": Ragged.of(rows, np.int64), "absent": ~counted}

    def absent(self, arrays: Arrays) -> np.ndarray:
        """(n,) rows of a target without a word whose tag counts."""
        absent = arrays["absent"]
        assert isinstance(absent, np.ndarray)
        return absent

    def truth(self, arrays: Arrays) -> np.ndarray:
        """(n,) lists of tags, None for one that does not count."""
        held = arrays["tags"]
        assert isinstance(held, Ragged)
        names = [*self.tags, None]  # -1 is the last
        return listed([[names[code] for code in held.row(row)] for row in range(len(held))])

    def decode(self, arrays: dict[str, Any], *, prefix: str = "") -> pl.DataFrame:
        """`TARGET_predicted`, a list of tags, and `TARGET_probability`, that of each."""
        import polars as pl

        tags = [list(map(int, row)) for row in arrays["tags"]] if self.whole else list(map(list, arrays["tags"]))
        kept = [np.asarray(row, np.float64).round(4).tolist() for row in arrays["probability"]]
        name = self.columns[0]
        return pl.DataFrame([
            pl.Series(f"{name}_predicted", tags, dtype=pl.List(pl.Int64 if self.whole else pl.String)),
            pl.Series(f"{name}_probability", kept, dtype=pl.List(pl.Float64)),
        ])  # fmt: skip

    def show(self) -> str:
        """How many tags there are, and of what."""
        return f"{self.columns[0]} ({len(self.tags)} tags of the words of {self.about})"


def listed(rows: list[Any]) -> np.ndarray:
    """(n,) rows of unlike length, each as it is."""
    out = np.empty(len(rows), object)
    for place, row in enumerate(rows):  # all at once, rows of like length would become an axis
        out[place] = row
    return out


def misfits(name: str, bad: dict[int, str], ids: base.RowIds) -> InputError:
    """Return the error for rows of a target that do not fit the text that they are about."""
    shown = list(bad)[:5]
    problems = [Problem(where, f"{name}: {bad[row]}") for row, where in zip(shown, ids(shown), strict=True)]
    fix = "fix these rows, or leave them out with --read.bad_rows leave_out"
    return InputError(*problems, Problem(name, f"{len(bad):,} rows do not fit", fix=fix))


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _read() -> tuple[Any, ...]:
    import polars as pl

    return (pl.String, pl.List(pl.String))


def _listed(column: pl.Series) -> bool:
    """Whether values are lists of texts or whole numbers."""
    import polars as pl

    return isinstance(column.dtype, pl.List) and (column.dtype.inner == pl.String or column.dtype.inner.is_integer())


def _whole(column: pl.Series) -> bool:
    """Whether tags are whole numbers, stored as such."""
    import polars as pl

    return isinstance(column.dtype, pl.List) and column.dtype.inner.is_integer()
