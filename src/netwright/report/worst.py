"""Worst answers: the rows that the network answers worst, with what stands in them and where they come from."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from netwright.report import kinds
from netwright.report.page.found import Found
from netwright.report.page.html import brief, cut, joined, more, note, tag
from netwright.report.page.written import number, score, share

TITLE = "Worst answers"
PLACE = 80
FIRST = 6
"""Rows that are shown before one has to open the rest."""


def section(found: Found) -> Markup | None:
    """Return the rows of the largest losses of each target, or None where none were kept."""
    out = []
    for target, listed in (found.worst.get("targets") or {}).items():
        if not listed:
            continue
        several = tag("h3", cut(target, 80), class_="target") if len(found.targets) > 1 else None
        out.append(joined([several, note(_told(found, target)), _rows(found, target, listed)]))
    return joined(out) if out else None


def _told(found: Found, target: str) -> str:
    by = kinds.of(found.kind(target)).worst
    return f"Rows where {by}. Look here first for wrong labels, odd rows and missing columns."


def _rows(found: Found, target: str, listed: list[dict[str, Any]]) -> Markup:
    if any(row["images"] for row in listed):
        return tag("ul", [_picture(row) for row in listed], class_="pictures")
    total = found.worst.get("columns", 0)
    lines = [_row(row, total) for row in listed]
    first, rest = tag("ol", lines[:FIRST], class_="rows"), lines[FIRST:]
    return joined([first, more(f"{len(rest)} more", tag("ol", rest, class_="rows")) if rest else None])


def _row(row: dict[str, Any], total: int) -> Markup:
    """One row: where it is, what is true, what was said, what stands in it."""
    values = row["inputs"]
    shown = [
        tag("div", tag("dt", brief(name, 40)), tag("dd", _value(value), class_=_style(value, len(values))))
        for name, value in values.items()
    ]
    if "words" in row:
        shown.append(_words(row["words"]))
    rest = total - len(shown) - len(row["images"])
    if rest > 0:
        shown.append(tag("div", tag("dt", "and"), tag("dd", f"{rest:,} more columns")))
    return tag(
        "li", tag("p", tag("code", cut(row["id"], 100)), class_="id"), _answer(row), tag("dl", shown, class_="values")
    )


def _words(words: list[list[str]]) -> Markup:
    """A text whose wrongly tagged words stand out, each with the right tag and the one that was given."""
    parts: list[Any] = []
    for word, truth, given in words:
        wrong = tag(
            "span", tag("b", brief(word, 40)), tag("small", f" {cut(truth, 20)} → {cut(given, 20)}"), class_="wrong"
        )
        parts += [brief(word, 40) if truth == given else wrong, " "]
    return tag("div", tag("dt", "words, and right → answered tag of the wrong ones"), tag("dd", parts, class_="long"))


def _answer(row: dict[str, Any]) -> Markup:
    if "words" in row:
        return tag("p", f"{row['wrong']:,} of {row['of']:,} words wrong", class_="told")
    if isinstance(row["truth"], list):
        pairs = [("truth", ", ".join(row["truth"]) or "none"), ("answer", ", ".join(row["answer"]) or "none")]
        extra: list[Any] = ["", f"loss {score(row['loss'])}"]
    elif isinstance(row["truth"], str):
        pairs = [("truth", row["truth"]), ("answer", row["answer"])]
        extra = [share(row["p_truth"], 1), share(row["p_answer"], 1)]
    else:
        pairs = [("truth", number(row["truth"], 4)), ("answer", number(row["answer"], 4))]
        extra = ["", f"off by {number(row['loss'])}"]
    parts = [
        tag(
            "span", tag("small", name), " ", tag("b", brief(value, 60)), " ", tag("small", more_) if more_ else None,
            class_="wrong" if name == "answer" and isinstance(row["truth"], str) and value != row["truth"] else None,
        )
        for (name, value), more_ in zip(pairs, extra, strict=True)
    ]  # fmt: skip
    return tag("p", parts, class_="told")


def _value(value: str | None) -> Any:
    return tag("span", "missing", class_="faint") if value is None else value


def _style(value: str | None, count: int) -> str | None:
    return "long" if count == 1 or value is not None and len(value) > 60 else None


def _picture(row: dict[str, Any]) -> Markup:
    """One row whose inputs are images."""
    pictures = [
        tag("img", src=source, alt=f"{cut(name, 40)} of {cut(row['id'], 60)}", loading="lazy")
        for name, source in row["images"].items()
    ]
    others = [
        tag("div", tag("dt", brief(name, 30)), tag("dd", brief(value or "missing", 40)))
        for name, value in list(row["inputs"].items())[:4]
    ]
    values = tag("dl", others, class_="values") if others else None
    return tag("li", pictures, _answer(row), tag("p", tag("code", brief(row["id"], 30)), class_="id"), values)
