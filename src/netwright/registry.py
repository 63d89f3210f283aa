"""The registry: what there is of each sort (kinds, families, heads, sources, ...), found by a file's name or an entry point.

The folder is the list: a file in `kinds/` is a kind. Another package adds its own by an entry point of the group
`netwright.SORT`, whose value is the module (for families and heads the folder with `settings` and `net`).
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType

from netwright.errors import InputError, Problem, nearest

PACKAGES = {
    "kinds": "netwright.kinds",
    "stems": "netwright.nn.stems",
    "trunks": "netwright.nn.trunks",
    "heads": "netwright.nn.heads",
    "sources": "netwright.data.readers",
    "metrics": "netwright.evaluation.metrics",
    "baselines": "netwright.evaluation.baselines",
    "export": "netwright.export",
    "onnx": "netwright.export.onnx.kinds",
    "report": "netwright.report",
    "report_kinds": "netwright.report.kinds",
}


@cache
def _places(sort: str) -> dict[str, str]:
    """Where each entry's module is; a name that is taken is kept by netwright's own."""
    package = importlib.import_module(PACKAGES[sort])
    added = {point.name: point.value for point in entry_points(group=f"netwright.{sort}")}
    helpers = getattr(package, "HELPERS", ())
    own = [module.name for module in pkgutil.iter_modules(package.__path__) if module.name not in helpers]
    return {**added, **{name: f"{PACKAGES[sort]}.{name}" for name in own}}


@cache
def names(sort: str) -> tuple[str, ...]:
    """Return what there is of a sort, in alphabetical order. Modules that a package lists in `HELPERS` are its tools.

    >>> "number" in names("kinds")
    True
    """
    return tuple(sorted(_places(sort)))


def find(sort: str, name: str, part: str = "") -> ModuleType:
    """Import and return the module `name` of a sort; `part` is a module within a folder (`settings`, `net`).

    Raises `InputError` with the nearest right name where there is none.

    >>> find("kinds", "number").Number.__name__
    'Number'
    """
    if name not in names(sort):
        raise InputError(Problem(sort, f"there is no {name!r}", fix=nearest(name, names(sort))))
    return importlib.import_module(_places(sort)[name] + (f".{part}" if part else ""))


def refresh() -> None:
    """Look again, after packages or files were added."""
    for cached in (names, _places):
        cached.cache_clear()
