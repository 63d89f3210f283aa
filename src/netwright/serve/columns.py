"""What a row must be: each column's value checks its cells; the same as JSON schema. n rows."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

from netwright.data.schema import Fitted
from netwright.errors import nearest
from netwright.kinds.base import kind_name
from netwright.kinds.values import Limits, Value, Wrong
from netwright.kinds.values.base import got
from netwright.serve.refusal import SHOWN, Refusal, sentence
from netwright.serve.settings import Settings

_NUMBERS = {int, float, type(None)}


@dataclass(frozen=True)
class Column:
    """An input column: what its cells may be."""

    name: str
    kind: str
    value: Value

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {**self.value.schema(), "title": self.name}


class Reader:
    """Reads rows that came over the wire into columns of checked values."""

    def __init__(self, fitted: Fitted, settings: Settings) -> None:
        self.settings = settings
        self.limits = Limits(characters=settings.characters, pixels=settings.pixels)
        read = {name: (kind_name(kind), kind.value(name)) for kind in fitted.inputs.values() for name in kind.columns}
        other = {name: ("text", kind.prompt_value()) for kind in fitted.targets.values() for name in kind.prompted}
        self.columns = [Column(name, *{**other, **read}[name]) for name in fitted.columns]
        self.names = frozenset(fitted.columns)
        self.number_names = [column.name for column in self.columns if column.value.numeric]
        self.others = [column for column in self.columns if not column.value.numeric]
        targets = {kind.columns[0] for kind in fitted.targets.values()}
        self.ignored = frozenset({*targets, *fitted.left_out, "id"}) - self.names
        self.light = all(column.value.quick for column in self.columns)

    def read(self, rows: list[Any]) -> dict[str, Any]:
        """Return the columns of rows. Raises `Refusal` that tells every problem, up to some."""
        if not rows:
            raise Refusal(422, "There is no row: send an object, or a list of objects.", code="empty")
        if len(rows) > self.settings.rows:
            raise Refusal(413, f"{len(rows):,} rows are too many for one request: {self.settings.rows:,} at most.")
        try:
            if all(type(row) is dict and len(row) == len(self.columns) for row in rows):
                return self._quick(rows)
        except (KeyError, Wrong, OverflowError):
            pass  # something is wrong: it is now looked for
        return self._slow(rows)

    def _quick(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Read rows column by column, of which most hold values of one type. Raises where anything is wrong."""
        out: dict[str, Any] = {}
        if self.number_names:
            names, held = self.number_names, _values(rows, self.number_names)
            types = set(map(type, chain.from_iterable(held)))
            if not types <= _NUMBERS:
                raise Wrong("not all are numbers")
            there = chain.from_iterable(held)
            if not math.isfinite(sum(there if type(None) not in types else (v for v in there if v is not None))):
                raise Wrong("not all are finite")
            out.update(zip(names, zip(*held, strict=True), strict=True))
        if self.others:
            held = zip(*_values(rows, [column.name for column in self.others]), strict=True)
            for column, values in zip(self.others, held, strict=True):
                out[column.name] = [column.value.accept(cell, self.limits) for cell in values]
        return out

    def _slow(self, rows: list[Any]) -> dict[str, list[Any]]:
        """Read rows one by one. Raises `Refusal` that tells every problem, up to some."""
        out: dict[str, list[Any]] = {name: [] for name in self.names}
        problems: list[dict[str, str]] = []
        status = 422
        for number, row in enumerate(rows):
            if type(row) is not dict or len(row) != len(self.columns) or not self.names >= row.keys():
                problems += self._shape(number, row)
                if type(row) is not dict:
                    continue
            for column in self.columns:
                name = column.name
                try:
                    out[name].append(column.value.accept(row.get(name), self.limits))
                except Wrong as error:
                    status = error.status
                    problems.append({"where": _place(number, name, len(rows)), "what": str(error)})
            if len(problems) >= SHOWN:
                break
        if problems:
            first = problems[0]
            told = sentence(first["where"], first["what"])
            raise Refusal(status, told, code="row", param=first["where"], problems=tuple(problems[:SHOWN]))
        return out

    def _shape(self, number: int, row: Any) -> list[dict[str, str]]:
        """What is wrong with a row's names; names of the target and of columns that were left out are passed over."""
        if type(row) is not dict:
            return [{"where": f"row {number + 1}", "what": f"expected an object of columns, got {got(row)}"}]
        found = []
        for name in row.keys() - self.names - self.ignored:
            shown = name if len(name) <= 60 else name[:59] + "…"
            found.append({"where": f"row {number + 1}", "what": f"there is no column {shown!r}; {nearest(name[:100], self.names)}"})  # fmt: skip
        found += [
            {"where": f"row {number + 1}", "what": f"lacks the column {name!r} (null where its value is not known)"}
            for name in (column.name for column in self.columns)
            if name not in row
        ]
        return found[:SHOWN]

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a row."""
        return {
            "type": "object", "properties": {column.name: column.schema() for column in self.columns},
            "required": [column.name for column in self.columns],
            # the target and columns that were left out may stand in a row, and are passed over
            "additionalProperties": False, "patternProperties": {f"^{re.escape(name)}$": {} for name in sorted(self.ignored)},
        }  # fmt: skip

    def typical(self) -> dict[str, Any]:
        """Return a row that could be: each number in the middle of its range, each list's most frequent value."""
        return {column.name: column.value.typical() for column in self.columns}

    def blank(self) -> dict[str, list[Any]]:
        """Return the columns of one row as kinds read it, to try the model on before it is asked."""
        return {column.name: [column.value.blank()] for column in self.columns}


def _values(rows: list[dict[str, Any]], names: list[str]) -> list[Any]:
    """The values of some columns, row by row."""
    get = itemgetter(*names)
    return list(map(get, rows)) if len(names) > 1 else [(get(row),) for row in rows]


def _place(number: int, name: str, of: int) -> str:
    return name if of == 1 else f"row {number + 1}, {name}"
