"""Texts: what the network writes beside what is true, for some rows that it never saw."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from netwright.report.page.found import Found
from netwright.report.page.html import brief, joined, note, tag

TITLE = "What it writes"
PLACE = 55
LETTERS = 1_200
"""Characters of a text that are shown."""
PROMPT = 400
"""Characters of what was given that are shown."""


def section(found: Found) -> Markup | None:
    """Return texts beside the truth, or None where no text is written."""
    held = found.texts
    if not held.get("samples"):
        return None
    how = (
        "It goes on from the beginning of texts that it never saw, drawing words by their probability (temperature 0.8)."
        if held.get("freely")
        else "Its answers to rows that it never saw, the most probable word each time."
    )
    return joined([note(how), *_shared(found), tag("ol", [_sample(one) for one in held["samples"]], class_="texts")])


def _sample(one: dict[str, Any]) -> Markup:
    parts = [("given", one["prompt"], PROMPT), ("written", one["written"], LETTERS), ("truth", one["truth"], LETTERS)]
    shown = [
        tag("div", tag("dt", name), tag("dd", brief(text, most) or "–"), class_=name) for name, text, most in parts
    ]
    return tag("li", tag("p", tag("code", one["id"]), class_="id"), tag("dl", shown))


def _shared(found: Found) -> list[Markup]:
    told = found.said("text.contamination")
    return [note(told[-1]["text"] + ".")] if told else []
