"""Words: what is right and wrong of targets about the words of a text."""

from __future__ import annotations

from markupsafe import Markup

from netwright.kinds.base import kind_name
from netwright.report import kinds
from netwright.report.page.found import Found
from netwright.report.page.html import cut, joined, tag

TITLE = "Words"
PLACE = 52


def section(found: Found) -> Markup | None:
    """Return what is right and wrong of targets about words, or None where there are none."""
    out = []
    for target, answered in found.said_of_words.items():
        shown = kinds.of(kind_name(answered.kind)).words(answered) if len(answered) else None
        if shown is not None:
            several = tag("h3", cut(target, 80), class_="target") if len(found.targets) > 1 else None
            out.append(joined([several, shown]))
    return joined(out) if out else None
