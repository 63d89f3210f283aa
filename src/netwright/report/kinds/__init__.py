"""How columns of a kind look in the report. One file each where the general way (`base`) is not good enough."""

from __future__ import annotations

from netwright import registry
from netwright.report.kinds.base import Shown

HELPERS = ("base", "amounts", "values", "words")


def of(kind: str) -> Shown:
    """Return how a kind is shown: its own way, or the general one.

    >>> of("labels").called, of("a kind of a plugin").called
    ('Labels', 'Classes')
    """
    return registry.find("report_kinds", kind).Shown() if kind in registry.names("report_kinds") else Shown()
