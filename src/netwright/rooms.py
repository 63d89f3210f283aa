"""The folder is the registry: what stands in a room (kinds, stems, trunks, heads, sources) is found by its file's name."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from netwright.errors import InputError, Problem, nearest


@cache
def names(room: str) -> tuple[str, ...]:
    """Return what a room holds, sorted; modules that a room lists in `HELPERS` are its own tools and no entries.

    >>> "number" in names("kinds")
    True
    """
    package = importlib.import_module(f"netwright.{room}")
    found = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(name for name in found if name not in getattr(package, "HELPERS", ()))


def find(room: str, name: str, part: str = "") -> ModuleType:
    """Import and return the module `name` of a room; `part` is a module within a folder (`settings`, `net`).

    Raises `InputError` with the nearest right name where there is none.

    >>> find("kinds", "number").Number.__name__
    'Number'
    """
    if name not in names(room):
        raise InputError(Problem(room, f"there is no {name!r}", fix=nearest(name, names(room))))
    return importlib.import_module(f"netwright.{room}.{name}" + (f".{part}" if part else ""))
