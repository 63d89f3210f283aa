"""What every kind is made of.

A module `kinds/NAME.py` has `Options` (the settings of a column) and one or both of `Input`, what is read, and `Target`,
what is answered. A kind is fitted on the training rows only and is then a frozen, typed value that is saved as JSON.
n rows, C columns.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from netwright.kinds.values import Value, value
from netwright.recipe import Settings
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    import polars as pl

    from netwright.kinds.facts import Facts

Role = Literal["input", "target"]
RowIds = Callable[[list[int]], Sequence[str]]


class Options(Settings):
    """A column's settings; each kind's own class adds its `kind` and what it needs."""


class Guess(Settings):
    """What a kind says of a column that it recognises: how sure it is (0 to 1), and why."""

    sure: float
    reason: str


def kind_name(kind: Kind) -> str:
    """Return a fitted kind's name."""
    return type(kind).model_fields["kind"].default


class Kind(Settings):
    """A fitted kind.

    `nested`: whether a value may be a list, an array or bytes. `media`: whether its values may name files; it then has
    `unreadable`. `every_row`: whether it must see all training rows, however many.
    """

    nested: ClassVar[bool] = False
    media: ClassVar[bool] = False
    every_row: ClassVar[bool] = False
    Options: ClassVar[type[Options]]

    columns: tuple[str, ...]

    @classmethod
    @abstractmethod
    def sniff(cls, facts: Facts) -> Guess | None:
        """Say how sure it is that a column with these facts is of this kind, or None where it cannot be."""

    @classmethod
    @abstractmethod
    def fit(cls, frame: pl.DataFrame, options: Any) -> Self:
        """Learn from the training rows what encoding needs (a vocabulary, a scale)."""

    def show(self) -> str:
        """Return one line for people: what was learnt."""
        return ", ".join(self.columns)


class Input(Kind):
    """A fitted kind that is read.

    `signal`: the form in which its stem gives it by nature: a `vector` for a row, a `sequence` of elements, a `grid` of pixels.
    `moment`: whether it tells when a row was. `many`: whether columns of this kind with like settings make one block. `costly`: whether encoding takes so long
    that what it gives is worth keeping. `by_rows`: whether a large table may be encoded slice by slice into dense arrays.
    """

    signal: ClassVar[Literal["vector", "sequence", "grid"]] = "vector"
    moment: ClassVar[bool] = False
    many: ClassVar[bool] = False
    costly: ClassVar[bool] = False
    by_rows: ClassVar[bool] = False

    @abstractmethod
    def encode(self, cells: Sequence[Sequence[Any]], ids: RowIds) -> Arrays:
        """Return columns, each the cells of n rows, as arrays of n rows; what is dropped, cut or coerced is said with `ids`."""

    @classmethod
    def unreadable(cls, cells: Sequence[Any]) -> dict[int, str]:
        """Return, by row, why a file cannot be read, of a kind whose values name files."""
        raise NotImplementedError(f"{cls.__name__} names no files")

    def value(self, column: str) -> Value:
        """Return what a cell of one of its columns may be; any, of a kind that says nothing else."""
        return value({"form": "cell"})

    @classmethod
    def lengths(cls, arrays: Arrays) -> np.ndarray | None:
        """(n,) how many elements each encoded row has, by which rows are called together; None: all alike."""
        return None

    @property
    def cut(self) -> dict[str, Any]:
        """Settings that say how much of a row is read, which a student takes over."""
        return {}

    @property
    def shared(self) -> str:
        """What blocks that are read in the same tokens have in common, and with it their embedding; empty: nothing."""
        return ""


class Target(Kind):
    """A fitted kind that is answered.

    `answer`: what its head gives: a `value`, probabilities of classes of which `one_of` is right, or `some_of`; or something of
    its own. Calibration, baselines and figures follow from it. `scored`: whose metrics measure it (`evaluation/metrics/NAME.py`); left empty, its own name's. `beside`: columns that encoding
    looks at beside its own. `about`: for a target about the words of an input, the option that names it: it then has
    `about_which` and `wrong`, and `asks` for settings of that input where the user gave none; with `compares` of all text
    inputs, which are then read in the same tokens. `missing_is_a_value`: whether nothing, too, answers a row.
    `needs`: what its head asks of a network: a `vector` of a row, its `elements`, a `pair` of vectors, or `stimulus`: it is
    written step by step.
    """

    scored: ClassVar[str] = ""
    needs: ClassVar[Literal["vector", "elements", "pair", "stimulus"]] = "vector"
    answer: ClassVar[Literal["value", "one_of", "some_of", "other"]] = "other"
    reads_prompt: ClassVar[bool] = False  # whether the inputs may be its beginning
    each: ClassVar[bool] = False  # whether each element of what it is about gets an answer
    conversation: ClassVar[bool] = False  # whether a value is a list of messages
    by_rows: ClassVar[bool] = False
    places: ClassVar[tuple[str, ...]] = ()  # of a text that it is about: what is to be known of each token
    compares: ClassVar[bool] = False
    missing_is_a_value: ClassVar[bool] = False
    asks: ClassVar[dict[str, Any]] = {}

    @property
    def beside(self) -> tuple[str, ...]:
        """Columns that encoding looks at beside its own."""
        return ()

    @property
    def prompted(self) -> tuple[str, ...]:
        """The input columns that a target reads as its beginning."""
        return ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that it chooses from; none where it does not."""
        return ()

    @property
    def class_count(self) -> int:
        """How many classes there are of which one is right; 0: that is not the question."""
        return len(self.classes) if self.answer == "one_of" else 0

    @classmethod
    def refuse(cls, name: str, values: pl.Series, *, asked: bool) -> None:
        """Raise `InputError` where a column's present values cannot be such a target. `asked`: the recipe names the kind."""

    @classmethod
    def doubt(cls, column: pl.Series, ids: RowIds) -> None:
        """Say what is doubtful of a target's column, and is not mended."""

    @classmethod
    def about_which(cls, column: pl.Series, texts: dict[str, pl.Series]) -> str | None:
        """Return which of several inputs it is about, or None where it cannot be told."""
        raise NotImplementedError(f"{cls.__name__} is about no input")

    @classmethod
    def wrong(cls, column: pl.Series, text: pl.Series) -> dict[int, str]:
        """Return, by row, how its values do not fit what they are about."""
        raise NotImplementedError(f"{cls.__name__} is about no input")

    def linked(self, inputs: Mapping[str, Input]) -> Self:
        """Return the fitted target with what it takes over from the fitted inputs."""
        return self

    @abstractmethod
    def encode(self, frame: pl.DataFrame, ids: RowIds) -> Arrays:
        """Return its column, of a frame that also holds `beside` and `prompted`, as arrays of n rows."""

    @abstractmethod
    def absent(self, arrays: Arrays) -> np.ndarray:
        """(n,) which encoded rows have no usable value."""

    @abstractmethod
    def truth(self, arrays: Arrays) -> np.ndarray:
        """Return the encoded values as its metrics compare with them (`evaluation/metrics`)."""

    def in_unit(self, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return a head's arrays in the target's own unit."""
        return found

    def scaled_truth(self, arrays: Arrays) -> np.ndarray:
        """Return the encoded values on the scale of the head's arrays, for calibration."""
        return self.truth(arrays)

    @property
    def deviation(self) -> float:
        """What an error in the target's own unit is divided by, to be compared with other targets' errors."""
        return 1.0

    def rebased(self, found: dict[str, np.ndarray], whole: Any) -> dict[str, np.ndarray]:
        """Return a fold's arrays as `whole`, the same column's kind fitted on all rows, would have them."""
        return found

    def located(self, found: dict[str, Any], cells: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Return a head's arrays with what decoding needs of the rows' own cells, by column of `beside`."""
        return found

    def prompt_value(self) -> Value:
        """Return what a cell of a prompted column may be."""
        return value({"form": "any"})

    def prompt_cells(self, cells: Sequence[Sequence[Any]], ids: RowIds) -> Arrays:
        """Return what `prompts` returns, of columns given as cells, of a target that needs a pair."""
        raise NotImplementedError(f"{type(self).__name__} is no half of a pair")

    def prompts(self, frame: pl.DataFrame, ids: RowIds) -> Arrays:
        """Return what each row's answer begins with, of a target that has a prompt."""
        raise NotImplementedError(f"{type(self).__name__} has no prompt")

    @abstractmethod
    def decode(self, arrays: dict[str, Any], *, prefix: str = "") -> pl.DataFrame:
        """Return a head's answer as columns: `TARGET_predicted`, and `p_...` where there are probabilities.

        `prefix` stands in the probabilities' names where there are several targets.
        """

    def plain(self, arrays: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a head's answer row by row as plain values: "predicted", and what else `decode` gives, by short names."""
        frame, name = self.decode(arrays), f"{self.columns[0]}_"
        return [{key.removeprefix(name): item for key, item in row.items()} for row in frame.iter_rows(named=True)]

    def about_itself(self) -> dict[str, Any]:
        """Return what a server tells of it, beside its name and kind."""
        return {"classes": len(self.classes)} if self.classes else {}


def scored_as(kind: Target | type[Target]) -> str:
    """Return whose metrics measure a target: its `scored`, or its own kind's."""
    own = kind if isinstance(kind, type) else type(kind)
    return own.scored or own.model_fields["kind"].default


def cells(column: pl.Series) -> Any:
    """Return a column's values as kinds read them: NumPy where they are numbers, moments or pixels, else Python values."""
    import polars as pl

    dtype = column.dtype
    if dtype.is_decimal() or dtype.is_float() or (dtype.is_integer() and column.null_count() and _fits(column)):
        return column.cast(pl.Float64).to_numpy()
    if dtype.is_integer() and not column.null_count():
        return column.to_numpy()
    if dtype in (pl.Date, pl.Datetime):
        bare = column.dt.replace_time_zone(None) if dtype == pl.Datetime else column
        return bare.cast(pl.Datetime("us")).to_numpy()
    if isinstance(dtype, pl.Array) and not column.null_count():
        return column.to_numpy()
    return (column.cast(pl.String) if dtype in (pl.Categorical, pl.Enum) else column).to_list()


FIRST = 100_000  # values looked at before all are


def alike(values: pl.Series) -> bool:
    """Whether there are no two different values; a look at the first ones mostly spares counting them all."""
    return values.head(FIRST).n_unique() < 2 and values.n_unique() < 2


def media(column: pl.Series, count: int) -> Any:
    """Return about `count` of a column's values that are present, evenly taken; a text is where a file is."""
    some = cells(column.drop_nulls().gather_every(max(1, len(column) // count)).head(count))
    return [Path(cell) if isinstance(cell, str) else cell for cell in some] if isinstance(some, list) else some


def _fits(column: pl.Series) -> bool:
    """Whether a float holds each of these whole numbers."""
    low, high = column.min(), column.max()
    return low is None or max(abs(low), abs(high)) < 2**53  # type: ignore[arg-type, operator]


def placed(found: dict[str, np.ndarray], names: tuple[str, ...], into: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return arrays (n, len(names)) with their columns at the names' places in `into`; "choice" (n,) holds places."""
    place = np.array([into.index(name) for name in names])
    out = {}
    for name, array in found.items():
        if name == "choice":
            out[name] = place[array]
            continue
        out[name] = np.zeros((len(array), len(into)), array.dtype)
        out[name][:, place] = array
    return out
