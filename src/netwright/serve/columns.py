"""What a row must be: one check for each of the model's columns, and the same as JSON schema. n rows."""

from __future__ import annotations

import binascii
import io
import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

from netwright.data.schema import Fitted
from netwright.errors import nearest
from netwright.serve.refusal import SHOWN, Refusal, sentence
from netwright.serve.settings import Settings

Check = Callable[[Any], Any]
"""Returns a value as its kind reads it; raises `Wrong`."""

MOST = 10**300  # no number is larger than what a float holds
LONGEST = 100  # characters of a number that is written as text
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
_NUMBERS = {int, float, type(None)}
_DATA = re.compile(r"data:[\w/+.-]*(;[\w=.-]+)*;base64,")
_JSON = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object", type(None): "null", bytes: "a file"}  # fmt: skip


class Wrong(ValueError):
    """A value that its column does not take; `status` is the answer's."""

    def __init__(self, what: str, status: int = 422) -> None:
        super().__init__(what)
        self.status = status


@dataclass(frozen=True)
class Column:
    """An input column: how it is asked for, and the check of its values."""

    name: str
    kind: str
    form: dict[str, Any]
    check: Check

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {**_SCHEMAS[self.form["form"]](self.form), "title": self.name}


class Reader:
    """Reads rows that came over the wire into columns of checked values."""

    def __init__(self, fitted: Fitted, settings: Settings) -> None:
        self.settings = settings
        blocks = {name: (kind, kind.form(name)) for kind in fitted.inputs.values() for name in kind.columns}
        pairs = [kind for kind in fitted.targets.values() if kind.paired]
        blocks |= {name: (kind, kind.form(name)) for kind in pairs for name in kind.columns}
        asked = {name: blocks.get(name, (None, {"form": "any"})) for name in fitted.columns}
        self.columns = [
            Column(name, type(kind).model_fields["kind"].default if kind else "text", form, _CHECKS[form["form"]](settings))
            for name, (kind, form) in asked.items()
        ]  # fmt: skip
        self.checks = [(column.name, column.check) for column in self.columns]
        self.names = frozenset(fitted.columns)
        self.number_names = [column.name for column in self.columns if column.form["form"] == "number"]
        self.others = [column for column in self.columns if column.form["form"] != "number"]
        targets = {kind.columns[0] for kind in fitted.targets.values()}
        self.ignored = frozenset({*targets, *fitted.left_out, "id"}) - self.names
        self.light = all(column.form["form"] in ("number", "list", "date", "labels") for column in self.columns)

    def read(self, rows: list[Any]) -> dict[str, Any]:
        """Return the columns of rows. Raises `Refusal` that tells every problem, up to some."""
        if not rows:
            raise Refusal(422, "There is no row: send an object, or a list of objects.", code="empty")
        if len(rows) > self.settings.rows:
            raise Refusal(413, f"{len(rows):,} rows are too many for one request: {self.settings.rows:,} at most.")
        try:
            if all(type(row) is dict and len(row) == len(self.checks) for row in rows):
                return self._quick(rows)
        except (KeyError, Wrong, OverflowError):
            pass  # something is wrong: it is now looked for
        return self._slow(self._figured(rows))

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
                out[column.name] = list(map(column.check, values))
        return out

    def _figured(self, rows: list[Any]) -> list[Any]:
        """Return rows with numbers for texts that training would read as such: 65% or, where it had units, 46 kg.

        All that are written alike are read in one go: one at a time takes a millisecond.
        """
        import polars as pl

        from netwright.kinds.parse import Notation, numbers

        texts: dict[Notation, list[tuple[int, str]]] = {}
        for column in self.columns:
            if column.form["form"] != "number":
                continue
            places = texts.setdefault(Notation(column.form["comma"], column.form["unit"]), [])
            for number, row in enumerate(rows):
                value = row.get(column.name) if type(row) is dict else None
                if type(value) is str and len(value) <= LONGEST:
                    places.append((number, column.name))
        rows = [dict(row) if type(row) is dict else row for row in rows]
        for written, places in texts.items():
            found = numbers(pl.Series([rows[number][name] for number, name in places], dtype=pl.String), written)[0]
            for (number, name), value in zip(places, found.to_list(), strict=True):
                if value is not None and math.isfinite(value):
                    rows[number][name] = value
        return rows

    def _slow(self, rows: list[Any]) -> dict[str, list[Any]]:
        """Read rows one by one. Raises `Refusal` that tells every problem, up to some."""
        out: dict[str, list[Any]] = {name: [] for name in self.names}
        problems: list[dict[str, str]] = []
        status = 422
        for number, row in enumerate(rows):
            if type(row) is not dict or len(row) != len(self.checks) or not self.names >= row.keys():
                problems += self._shape(number, row)
                if type(row) is not dict:
                    continue
            for name, check in self.checks:
                try:
                    out[name].append(check(row.get(name)))
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
            return [{"where": f"row {number + 1}", "what": f"expected an object of columns, got {_JSON[type(row)]}"}]
        found = []
        for name in row.keys() - self.names - self.ignored:
            shown = name if len(name) <= 60 else name[:59] + "…"
            found.append({"where": f"row {number + 1}", "what": f"there is no column {shown!r}; {nearest(name[:100], self.names)}"})  # fmt: skip
        found += [
            {"where": f"row {number + 1}", "what": f"lacks the column {name!r} (null where its value is not known)"}
            for name, _ in self.checks
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
        return {column.name: _typical(column.form) for column in self.columns}

    def blank(self) -> dict[str, list[Any]]:
        """Return the columns of one row as kinds read it, to try the model on before it is asked."""
        row = self.typical()
        for column in self.columns:
            if column.form["form"] == "image":
                row[column.name] = [[0] * column.form["wide"]] * column.form["height"]
        return {name: [value] for name, value in row.items()}


def _values(rows: list[dict[str, Any]], names: list[str]) -> list[Any]:
    """The values of some columns, row by row."""
    get = itemgetter(*names)
    return list(map(get, rows)) if len(names) > 1 else [(get(row),) for row in rows]


def _place(number: int, name: str, of: int) -> str:
    return name if of == 1 else f"row {number + 1}, {name}"


def _typical(form: dict[str, Any]) -> Any:
    match form["form"]:
        case "number":
            middle = (form["low"] + form["high"]) / 2
            return round(middle) if form["whole"] else float(f"{middle:.3g}")
        case "list":
            return form["values"][0] if form["values"] else None
        case "date":
            return "2024-01-31 12:00" if form["timed"] else "2024-01-31"
        case "labels":
            return form["values"][:1]
        case "image":
            return None
        case _:
            return "a text"


def _got(value: Any) -> str:
    return _JSON.get(type(value), "something else")


def _number(settings: Settings) -> Check:
    def check(value: Any) -> Any:
        if type(value) is float:
            if math.isfinite(value):
                return value
            raise Wrong("expected a number or null, got one that is not finite")
        if type(value) is int:
            if abs(value) <= MOST:
                return value
            raise Wrong("expected a number, got a whole number that is too large")
        if value is None:
            return None
        raise Wrong(f"expected a number or null, got {_got(value)}")

    return check


def _text(settings: Settings) -> Check:
    most = settings.characters

    def check(value: Any) -> Any:
        if type(value) is str:
            if len(value) > most:
                raise Wrong(f"has {len(value):,} characters: {most:,} at most", 413)
            return value
        if value is None:
            return None
        if type(value) is list and all(type(word) is str for word in value):
            if sum(map(len, value)) > most:
                raise Wrong(f"has more than {most:,} characters", 413)
            return value
        raise Wrong(f"expected a text, got {_got(value)}")

    return check


def _scalar(settings: Settings) -> Check:
    most = settings.characters

    def check(value: Any) -> Any:
        if type(value) is str:
            if len(value) > most:
                raise Wrong(f"has {len(value):,} characters: {most:,} at most", 413)
            return value
        if value is None or type(value) in (int, bool) or (type(value) is float and math.isfinite(value)):
            return value
        raise Wrong(f"expected a text, a number or null, got {_got(value)}")

    return check


def _date(settings: Settings) -> Check:
    def check(value: Any) -> Any:
        if value is None or (type(value) is str and len(value) <= 100):
            return value
        raise Wrong(f"expected a date such as 2024-01-31, got {'a long text' if type(value) is str else _got(value)}")

    return check


def _labels(settings: Settings) -> Check:
    def check(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is str and len(value) <= settings.characters:
            return value
        if type(value) is list and all(type(label) is str for label in value):
            return value
        raise Wrong(f"expected a list of texts, got {_got(value)}")

    return check


def _any(settings: Settings) -> Check:
    """A value that stands in a prompt: whatever it is, it is written out as a text."""
    text = _text(settings)

    def check(value: Any) -> Any:
        if value is None or type(value) in (int, bool) or (type(value) is float and math.isfinite(value)):
            return value
        return text(value)

    return check


def _image(settings: Settings) -> Check:
    def check(value: Any) -> Any:
        if value is None or value == "" or value == b"":
            raise Wrong("expected an image as base64, got none")
        if type(value) is str:
            value = value[found.end() :] if (found := _DATA.match(value)) else value
            try:
                value = binascii.a2b_base64(value, strict_mode=True)
            except (binascii.Error, ValueError):
                raise Wrong("expected an image as base64, got a text that is no base64") from None
        if type(value) is not bytes:
            raise Wrong(f"expected an image as base64, got {_got(value)}")
        looked_at(value, settings.pixels)
        return value

    return check


def looked_at(content: bytes, pixels: int) -> None:
    """Look at an image's head. Raises `Wrong` where it is none, or has more pixels than may be decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            wide, high = picture.size
    except Image.DecompressionBombError:
        raise Wrong(f"is an image of more than {pixels:,} pixels", 413) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, TypeError, struct.error):
        raise Wrong(f"is no image that can be read ({', '.join(FORMATS)})") from None
    if wide * high > pixels:
        raise Wrong(f"is an image of {wide:,}×{high:,} pixels: {pixels:,} at most", 413)


_CHECKS: Mapping[str, Callable[[Settings], Check]] = {
    "number": _number, "text": _text, "list": _scalar, "date": _date, "labels": _labels, "image": _image, "any": _any,
}  # fmt: skip


def _number_schema(form: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": ["number", "null"], "examples": [_typical(form)],
        "description": f"a number; training saw {form['low']:g} to {form['high']:g}",
    }  # fmt: skip


def _list_schema(form: dict[str, Any]) -> dict[str, Any]:
    shown = ", ".join(map(repr, form["values"][:10])) + (", …" if form["of"] > 10 else "")
    return {
        "type": ["string", "number", "boolean", "null"], "examples": form["values"][:3],
        "description": f"one of {form['of']:,} values: {shown}; others are read as unknown",
    }  # fmt: skip


_SCHEMAS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "number": _number_schema,
    "list": _list_schema,
    "text": lambda form: {
        "description": "a text, or a list of words",
        "anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "string"}}],
    },
    "any": lambda form: {
        "description": "a text, a number or a list of words",
        "anyOf": [{"type": ["string", "number", "boolean", "null"]}, {"type": "array", "items": {"type": "string"}}],
    },
    "date": lambda form: {"type": ["string", "null"], "description": "a date", "examples": [_typical(form)]},
    "labels": lambda form: {
        "description": f"labels; training saw {', '.join(form['values'][:10])}",
        "anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": "string"}}],
    },
    "image": lambda form: {
        "type": "string", "contentEncoding": "base64",
        "description": f"an image, scaled to {form['wide']}×{form['height']} pixels ({', '.join(FORMATS)})",
    },
}  # fmt: skip
