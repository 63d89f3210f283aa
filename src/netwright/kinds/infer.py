"""Which kind each column is of: each kind says how sure it is, the surest wins, and the reason is said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl

from netwright import registry
from netwright.errors import InputError, Problem, quoted
from netwright.kinds.base import Guess, Input, Kind, Options, Role, Target
from netwright.kinds.facts import Facts
from netwright.kinds.values.category import text_of
from netwright.recipe import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netwright.data.table import Declared

_ID_NAME = re.compile(r"(^|[_\s.-])(id|uuid|guid|index|rowid|unnamed: 0)$|^(id|编号|序号)$|[a-z]Id$|ID$", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """What was decided of a column: its kind (None: left out), the settings the user gave, and why."""

    name: str
    kind: str | None
    given: dict[str, Any]
    reason: str


@cache
def able(role: Role) -> tuple[str, ...]:
    """Return the kinds that may be an input, or a target.

    >>> "image" in able("input"), "image" in able("target")
    (True, False)
    """
    return tuple(name for name in registry.names("kinds") if _class(name, role) is not None)


def _class(kind: str, role: Role) -> Any:
    return getattr(registry.find("kinds", kind), role.capitalize(), None)


def input_class(kind: str) -> type[Input]:
    """Return the class of a kind that is read."""
    return _named(kind, "input")


def target_class(kind: str) -> type[Target]:
    """Return the class of a kind that is answered."""
    return _named(kind, "target")


def kind_class(kind: str, role: Role) -> type[Kind]:
    """Return a kind's class by its name and role."""
    return _named(kind, role)


def _named(kind: str, role: Role) -> Any:
    found = _class(kind, role)
    assert found is not None, f"a {kind} cannot be {'read' if role == 'input' else 'predicted'}"
    return found


def infer(
    column: pl.Series, given: Mapping[str, Any], role: Role, setting: str = "", *,
    beside: Mapping[str, pl.Series] | None = None, declared: Declared | None = None,
) -> Column:  # fmt: skip
    """Decide one column's kind: the user's word, else what the source declares, else the surest kind; none: it is left out.

    `beside`: the other columns, of which a target may be a part.

    >>> infer(pl.Series("size", [1.5, 2.5, 4.0]), {}, "input").kind
    'number'
    """
    settings = dict(given)
    asked = settings.pop("kind", None)
    where = setting or f"columns.{column.name}"
    if asked is not None:
        if asked not in registry.names("kinds"):
            raise InputError(
                Problem(f"{where}.kind", f"there is no kind {asked!r}", allowed=", ".join(registry.names("kinds")))
            )
        if asked not in able(role):
            place, what = (f"target {column.name}", "predicted") if role == "target" else (f"{where}.kind", "read")
            raise InputError(Problem(place, f"{asked} cannot be {what}", allowed=", ".join(able(role))))
        check_options(asked, settings, where, role)
        return Column(column.name, asked, settings, "as the recipe says")
    facts = Facts.of(column, beside)
    known = declared is not None and declared.kind in registry.names("kinds")
    if role == "input" and (reason := useless(facts, known=known)):
        return Column(column.name, None, settings, reason)
    if known:
        assert declared is not None
        return _declared(column, declared, settings, where, role)
    stays = declared is not None and declared.text
    guesses = [(name, kind_class(name, role).sniff(facts)) for name in able(role) if not (stays and name == "number")]
    found: list[tuple[str, Guess]] = [(name, guess) for name, guess in guesses if guess is not None]
    if not found:
        return Column(
            column.name, None, settings, f"no kind {'reads' if role == 'input' else 'answers'} {_called(column.dtype)}"
        )
    name, guess = max(found, key=lambda pair: pair[1].sure)
    check_options(name, settings, where, role)
    reason = guess.reason
    if stays and name == "category" and facts.is_text and facts.number_share >= 0.95:
        reason += f", stored as texts; --{where}.kind number reads them as numbers"
    return Column(column.name, name, settings, reason)


def _declared(column: pl.Series, declared: Declared, settings: dict[str, Any], where: str, role: Role) -> Column:
    """A column whose kind its source knows; a target's classes keep their order."""
    kind = declared.kind or ""
    if kind not in able(role):
        return Column(column.name, None, settings, f"{declared.reason}: {kind}, which cannot be {'read' if role == 'input' else 'predicted'}")  # fmt: skip
    if role == "target" and declared.ordered and "order" in target_class(kind).Options.model_fields:
        there = present_classes(column)
        settings = {"order": tuple(one for one in declared.classes if one in there), **settings}
    check_options(kind, settings, where, role)
    return Column(column.name, kind, settings, declared.reason)


def present_classes(column: pl.Series) -> set[str]:
    """Return the values of a column as the texts of classes.

    >>> sorted(present_classes(pl.Series([2, 1, None, 2])))
    ['1', '2']
    """
    values = column.explode() if isinstance(column.dtype, pl.List) else column
    return {text for value in values.unique().to_list() if (text := text_of(value)) is not None}


def _called(dtype: Any) -> str:
    """Return what a column's values are called in messages: polars' own names are nobody's words."""
    if isinstance(dtype, pl.List | pl.Array):
        return f"lists of {_called(dtype.inner)}"
    if isinstance(dtype, pl.Struct):
        return f"objects (with {', '.join(field.name for field in dtype.fields[:3])}{', ...' if len(dtype.fields) > 3 else ''})"
    if dtype.is_numeric():
        return "numbers"
    called = {
        pl.Date: "dates",
        pl.Datetime: "dates",
        pl.String: "texts",
        pl.Binary: "bytes",
        pl.Boolean: "true and false",
    }
    return called.get(type(dtype), f"values of type {dtype}")


def check_options(kind: str, settings: Mapping[str, Any], where: str, role: Role) -> Options:
    """Validate a column's settings for its kind."""
    return validate(kind_class(kind, role).Options, dict(settings), where=where)


def useless(facts: Facts, *, known: bool = False) -> str | None:
    """Say why a column cannot help as an input (constant, empty, identifier-like), or None where it can.

    `known`: its kind is declared, so that it is no identifier, whatever it looks like.
    """
    n = len(facts.present)
    if n == 0:
        return "it has no values"
    if facts.nested:
        return None
    if facts.constant:
        return f"all its values are {quoted(facts.present[0])}"
    if known or facts.distinct < n or n < 10:
        return None
    named = bool(_ID_NAME.search(facts.name))
    if facts.is_number and facts.is_whole and (named or facts.in_a_row):
        return "it looks like an identifier: all its values are distinct whole numbers" + ("" if named else " in a row")
    if facts.is_text and named and facts.words <= 1.5:
        return "it looks like an identifier: all its values are distinct"
    if facts.is_text and facts.words <= 1.5 and facts.number_share < 0.95 and _codes(facts.sample):
        return "it looks like an identifier: all its values are distinct codes"
    return None


def _codes(sample: list[str]) -> bool:
    """Whether values look made by a machine: no spaces, with digits, no date nor file name."""
    pattern = re.compile(r"^[A-Za-z_#-]*\d[\w#-]*$")
    return (
        bool(sample)
        and sum(bool(pattern.match(value)) for value in sample) >= 0.95 * len(sample)
        and not _dates(sample)
    )


def _dates(sample: list[str]) -> bool:
    from netwright.kinds import parse

    return parse.dates(pl.Series(sample, dtype=pl.String)).null_count() < 0.05 * len(sample)
