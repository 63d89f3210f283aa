"""What every kind is made of.

A kind is fitted on the training rows only and is then a frozen, typed value that is saved as JSON. n rows, C columns.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from netwright.recipe import Settings
from netwright.runtime.arrays import Arrays

if TYPE_CHECKING:
    import numpy as np
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
    """A fitted kind: encodes columns into arrays and decodes a head's arrays into columns.

    `many`: whether columns of this kind with like settings make one block. `costly`: whether encoding takes so long
    that what it gives is worth keeping. `nested`: whether a value may be a list, an array or bytes. `by_rows`: whether
    rows are encoded alike whatever stands beside them, so that a large table may be encoded slice by slice; `looks_ahead`:
    whether it must have seen all rows before (`ready`), of columns of texts.
    `answerable`: whether it may be a target; it then has `absent`, `truth`, `decode` and, where needed, `in_unit`.
    `written`: whether it is a text that is written token by token. `elementwise`: whether it says something of the words of an input, which is its option `about`; it then has
    `about_which` and `wrong`, and `asks` for settings of that input where the user gave none; with `compares` of all text
    inputs, which are then read in the same tokens. `paired`: whether it is the other half of a pair with its option `about`,
    read by the network as that input is. `missing_is_a_value`: whether nothing, too, answers a row.
    """

    many: ClassVar[bool] = False
    costly: ClassVar[bool] = False
    nested: ClassVar[bool] = False
    by_rows: ClassVar[bool] = False
    looks_ahead: ClassVar[bool] = False
    answerable: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    written: ClassVar[bool] = False
    compares: ClassVar[bool] = False
    paired: ClassVar[bool] = False
    missing_is_a_value: ClassVar[bool] = False
    asks: ClassVar[dict[str, Any]] = {}
    Options: ClassVar[type[Options]]

    columns: tuple[str, ...]

    @classmethod
    @abstractmethod
    def sniff(cls, facts: Facts, role: Role) -> Guess | None:
        """Say how sure it is that a column with these facts is of this kind, or None where it cannot be."""

    @classmethod
    @abstractmethod
    def fit(cls, frame: pl.DataFrame, options: Any, role: Role) -> Kind:
        """Learn from the training rows what encoding needs (a vocabulary, a scale)."""

    @abstractmethod
    def encode(self, frame: pl.DataFrame, ids: RowIds) -> Arrays:
        """Return the columns as arrays of n rows; what is dropped, cut or coerced is said with `ids`' row ids."""

    def encode_values(self, values: Sequence[Sequence[Any]], ids: RowIds) -> Arrays:
        """Return what `encode` returns, of columns (each of n) given as Python values, None where missing.

        The short way of few rows: kinds that can do without a frame do.
        """
        import polars as pl

        pairs = zip(self.columns, values, strict=True)
        return self.encode(pl.DataFrame([pl.Series(name, list(column), strict=False) for name, column in pairs]), ids)

    def form(self, column: str) -> dict[str, Any]:
        """Return what a form needs to ask for a value of one of its columns; `form` says how: text, number, list, date,
        labels or image."""
        return {"form": "text"}

    def ready(self, frame: pl.DataFrame, size: int) -> Kind:
        """Return the kind with what it must know of all rows to encode them in slices of `size` rows."""
        return self

    def outside(self, frame: pl.DataFrame) -> str:
        """Return a text that changes when anything that encoding reads, but the table does not hold, has changed."""
        return ""

    @property
    def tongue(self) -> str:
        """What blocks that are read in the same tokens have in common, and with it their embedding; empty: nothing."""
        return ""

    @property
    def beside(self) -> tuple[str, ...]:
        """Columns that encoding a target looks at beside its own."""
        return ()

    @classmethod
    def about_which(cls, column: pl.Series, texts: dict[str, pl.Series]) -> str | None:
        """Return which of several texts an elementwise target is about, or None where it cannot be told."""
        raise NotImplementedError(f"{cls.__name__} is about no text")

    @classmethod
    def wrong(cls, column: pl.Series, text: pl.Series) -> dict[int, str]:
        """Return, by row, how the values of an elementwise target do not fit their text."""
        raise NotImplementedError(f"{cls.__name__} is about no text")

    def knowing(self, inputs: Mapping[str, Kind]) -> Kind:
        """Return the fitted target with what it takes over from the fitted inputs."""
        return self

    def absent(self, arrays: Arrays) -> Any:
        """(n,) which rows of an encoded *target* have no usable value."""
        raise NotImplementedError(f"{type(self).__name__} cannot be a target")

    def truth(self, arrays: Arrays) -> np.ndarray:
        """Return the encoded values of a *target* as its metrics compare with them (`netwright.evaluation.metrics`)."""
        raise NotImplementedError(f"{type(self).__name__} cannot be a target")

    def in_unit(self, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return a head's arrays in the target's own unit."""
        return found

    def rebased(self, found: dict[str, np.ndarray], whole: Kind) -> dict[str, np.ndarray]:
        """Return a fold's arrays as `whole`, the same column's kind fitted on all rows, would have them."""
        return found

    def located(self, found: dict[str, Any], frame: pl.DataFrame) -> dict[str, Any]:
        """Return a head's arrays with what decoding needs of the rows themselves."""
        return found

    @property
    def prompted(self) -> tuple[str, ...]:
        """The input columns that a target which is written reads as its beginning."""
        return ()

    def prompts(self, frame: pl.DataFrame, ids: RowIds) -> Arrays:
        """Return what each row's answer begins with, of a target that has a prompt."""
        raise NotImplementedError(f"{type(self).__name__} has no prompt")

    def prompt_values(self, values: Sequence[Sequence[Any]], ids: RowIds) -> Arrays:
        """Return what `prompts` returns, of columns given as Python values, of a target that is `paired`."""
        raise NotImplementedError(f"{type(self).__name__} is no half of a pair")

    def decode(self, arrays: dict[str, Any], *, prefix: str = "") -> pl.DataFrame:
        """Return a head's answer as columns: `TARGET_predicted`, and `p_...` where there are probabilities.

        `prefix` stands in the probabilities' names where there are several targets.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be a target")

    def plain(self, arrays: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a head's answer row by row as plain values: "predicted", and what else `decode` gives, by short names."""
        frame, name = self.decode(arrays), f"{self.columns[0]}_"
        return [{key.removeprefix(name): value for key, value in row.items()} for row in frame.iter_rows(named=True)]

    def show(self) -> str:
        """Return one line for people: what was learnt."""
        return ", ".join(self.columns)


def placed(found: dict[str, np.ndarray], names: tuple[str, ...], into: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return arrays (n, len(names)) with their columns at the names' places in `into`; "choice" (n,) holds places."""
    import numpy as np

    place = np.array([into.index(name) for name in names])
    out = {}
    for name, array in found.items():
        if name == "choice":
            out[name] = place[array]
            continue
        out[name] = np.zeros((len(array), len(into)), array.dtype)
        out[name][:, place] = array
    return out
