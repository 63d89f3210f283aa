"""HTML made of elements. Texts are escaped where they enter, so that nothing in a user's table can become markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup, escape

Content = Any
"""A text (escaped), Markup (as it is), a number, None (nothing), or a list of these."""

_EMPTY = frozenset({"br", "img", "meta", "input"})


def tag(name: str, /, *content: Content, **attributes: Any) -> Markup:
    """Return an element. `class_` is the class, `data_x` becomes `data-x`; what is None or False is left out.

    >>> print(tag("td", "a < b", class_="number", title=None))
    <td class="number">a &lt; b</td>
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape("" if value is True else value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _EMPTY:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{joined(content)}</{name}>")


def joined(content: Iterable[Content]) -> Markup:
    """Return the parts one after the other, texts escaped.

    >>> print(joined(["1 < 2", None, [tag("b", "!")]]))
    1 &lt; 2<b>!</b>
    """
    parts = []
    for part in content:
        if part is None:
            continue
        parts.append(joined(part) if isinstance(part, list | tuple) else escape(part))
    return Markup("").join(parts)


def table(
    head: Sequence[Content],
    rows: Iterable[Sequence[Content]],
    *,
    caption: str,
    numbers: Sequence[int] = (),
    named: bool = True,
    class_: str = "",
) -> Markup:
    """Return a table that scrolls by itself where it is wider than the page.

    `caption` is read out by screen readers; the columns in `numbers` are right-aligned; `named`: the first cell of a
    row is its heading. A cell may be a whole `<td>` or `<th>` of its own.
    """
    right = set(numbers)

    def cell(place: int, value: Content) -> Markup:
        if isinstance(value, Markup) and value.startswith(("<td", "<th")):
            return value
        style = "number" if place in right else None
        if place == 0 and named:
            return tag("th", value, scope="row", class_=style)
        return tag("td", value, class_=style)

    heads = [tag("th", value, scope="col", class_="number" if k in right else None) for k, value in enumerate(head)]
    body = [tag("tr", [cell(k, value) for k, value in enumerate(row)]) for row in rows]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption, class_="unseen"),
            tag("thead", tag("tr", heads)) if head else None,
            tag("tbody", body),
            class_=class_ or None,
        ),
        class_="scroll", tabindex="0", role="region", aria_label=caption,
    )  # fmt: skip


def facts(pairs: Iterable[tuple[Content, Content]], *, class_: str = "facts") -> Markup:
    """Return names with their values, as a list of definitions."""
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs], class_=class_)


def more(summary: str, *content: Content) -> Markup:
    """Return what opens when it is clicked; what is open is printed."""
    return tag("details", tag("summary", summary), *content)


def note(*content: Content) -> Markup:
    """Return a small paragraph beside a figure or a table."""
    return tag("p", *content, class_="note")


def cut(text: Any, length: int = 80) -> str:
    """Return a text on one line, cut where it is longer than `length`.

    >>> cut("one  two\\nthree", 8)
    'one two…'
    """
    line = " ".join(str(text)[: 8 * length].split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def brief(text: Any, length: int = 80, *, ends: bool = False) -> Content:
    """Return a text cut to `length`, the longer text in its tooltip; `ends`: cut in its middle, where names differ least.

    >>> print(brief("a long name of a class", 7))
    <span title="a long name of a class">a long…</span>
    >>> print(brief("class number 118", 9, ends=True))
    <span title="class number 118">clas… 118</span>
    """
    shown, whole = cut(text, length), cut(text, 600)
    if ends and shown != whole:
        half = (length - 1) // 2
        shown = f"{whole[:half]}…{whole[-half:]}"
    return shown if shown == whole else tag("span", shown, title=whole)
