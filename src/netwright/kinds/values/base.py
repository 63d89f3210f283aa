"""What every value is: it reads cells into arrays, checks a cell that came over the wire, and describes itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

Read = tuple[dict[str, np.ndarray], dict[int, str]]
"""Arrays of n rows by name ("" for the only one), and what is wrong with a cell, by its place; those count as missing."""

_JSON = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object", type(None): "null", bytes: "a file"}  # fmt: skip


class Wrong(ValueError):
    """A cell that its column does not take; `status` is the HTTP status of the answer."""

    def __init__(self, what: str, status: int = 422) -> None:
        super().__init__(what)
        self.status = status


@dataclass(frozen=True)
class Limits:
    """What a request's cell may be at most: `characters` of a text, `pixels` of a picture."""

    characters: int = 1_000_000
    pixels: int = 40_000_000


class Value:
    """The cells of one column. `form` is what the value is made from.

    `files`: a cell may be a path. `quick`: a cell is read in microseconds. `numeric`: its cells are numbers. `text`: they are texts. `required`: a cell may not be missing.
    """

    files: ClassVar[bool] = False
    quick: ClassVar[bool] = True
    numeric: ClassVar[bool] = False
    text: ClassVar[bool] = False
    required: ClassVar[bool] = False

    def __init__(self, form: dict[str, Any]) -> None:
        self.form = form

    @abstractmethod
    def read(self, cells: Sequence[Any]) -> Read:
        """Read cells (None where missing) into arrays; what cannot be read counts as missing and is told."""

    @abstractmethod
    def accept(self, cell: Any, limits: Limits) -> Any:
        """Return a cell of a request as `read` takes it. Raises `Wrong`."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a cell."""

    def typical(self) -> Any:
        """Return a cell that could be."""
        return "a text"

    def sample(self, at: int) -> Any:
        """Return one of several made-up cells, all of which training might have seen."""
        return "a few words that mean little"

    def blank(self) -> Any:
        """Return a cell that `read` takes, to try a model on before it is asked."""
        return self.typical()

    def field(self, parts: list[Any]) -> Any:
        """Return the cell that the fields of a web form mean: texts, or a file's bytes."""
        first = parts[0].decode("utf-8", "replace") if isinstance(parts[0], bytes) else parts[0]
        return first if first.strip() else None

    def kept(self, text: str) -> Any:
        """Return the cell that a text kept in a report means."""
        return text


def got(cell: Any) -> str:
    """Return what a cell is called in messages."""
    return _JSON.get(type(cell), "something else")
