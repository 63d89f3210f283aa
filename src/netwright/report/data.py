"""Data: how the rows were divided, what stands in each column, and what was dropped, cut or coerced on the way."""

from __future__ import annotations

from collections import Counter
from typing import Any

from markupsafe import Markup

from netwright.report import kinds
from netwright.report.page.found import Found
from netwright.report.page.html import brief, cut, joined, more, note, table, tag
from netwright.report.page.written import number, rows, share

TITLE = "Data"
PLACE = 10
FIRST = 24
"""Columns that are shown before one has to open the rest."""
CLASSES = 12
LEFT_OUT = 200
IDS = 20
ELSEWHERE = ("training.", "validation.", "measure.", "baseline.", "model.", "plan.")
"""Events that tell of the training, not of the rows."""


def section(found: Found) -> Markup | None:
    """Return the profile of the data; without `profile.json`, what was handled is left."""
    parts = [handled(found)]
    if found.profile:
        parts = [divided(found), columns(found), left_out(found), *parts]
    parts = [part for part in parts if part is not None]
    return joined(parts) if parts else None


def divided(found: Found) -> Markup:
    """Return how many rows went into each part, and the targets' values in each."""
    counts = found.profile["rows"]
    every = sum(counts.values()) or 1
    folds = found.metrics.get("folds")
    used = {
        "train": "to learn from",
        "validation": "to choose the best weights",
        "test": "to measure, never seen before",
    }
    lines = [
        [name, used[name], f"{count:,}", _bar(count / every), share(count / every)]
        for name, count in counts.items()
        if count
    ]
    tested = (
        f"{folds} folds tested every row once, by networks that never saw it; these are the rows of the network that was kept."
        if folds
        else None
    )
    split = found.said("split")
    out = [
        tag("h3", "Rows"),
        table(["part", "used", "rows", "", "share"], lines, caption="Rows of each part", numbers=(2, 4)),
        note(tested or f"{split[-1]['text']}.") if tested or split else None,
    ]
    for column in found.profile["columns"]:
        if column["role"] == "target" and column.get("frequent"):
            out.append(_classes(column, found.profile["looked"]))
    return joined(out)


def _bar(value: float, style: str = "bar") -> Markup:
    return tag("div", tag("i", style=f"width:{100 * value:.2f}%"), class_=style, aria_hidden="true")


def _classes(column: dict[str, Any], looked: dict[str, int]) -> Markup:
    """The shares of a target's classes or labels in each part."""
    parts = [name for name, count in looked.items() if count]
    shown = column["frequent"][:CLASSES]
    lines = []
    most = max((entry["train"] for entry in shown), default=0) or 1
    how = kinds.of(column["kind"])
    if how.counted != "rows":  # shares of the words
        every = [*column["frequent"], column["others"]]
        looked = {name: sum(entry[name] for entry in every) or 1 for name in parts}
    for entry in shown:
        lines.append([
            brief(entry["value"], 40), f"{entry['train']:,}", _bar(entry["train"] / most),
            *(share(entry[name] / looked[name]) for name in parts),
        ])  # fmt: skip
    more_values = len(column["frequent"]) - len(shown) + column["others"]["values"]
    return joined([
        tag("h3", f"{how.called} of ", tag("q", cut(column["name"], 60))),
        table(
            [how.called.lower(), f"training {how.counted}", "", *(f"of {name}" for name in parts)], lines,
            caption=f"How often each value of {cut(column['name'], 60)} occurs",
            numbers=(1, *range(3, 3 + len(parts))),
        ),
        note(f"The {len(shown)} most frequent are shown; {more_values:,} more are not.") if more_values else None,
    ])  # fmt: skip


def columns(found: Found) -> Markup:
    """Return a line for each column: its kind and why, gaps, values."""
    profile = found.profile
    inputs = [column for column in profile["columns"] if column["role"] == "input"]
    targets = [column for column in profile["columns"] if column["role"] == "target"]
    head = ["column", "kind", "missing", "distinct", "values", ""]
    every = sum(profile["rows"].values()) or 1
    lines = [_line(column, every) for column in [*targets, *inputs]]
    kinds = Counter(column["kind"] for column in inputs)
    count = profile["count"]
    told = f"{count:,} columns are used" if count > 1 else "1 column is used"
    if count > len(profile["columns"]):
        told += f", of which {len(profile['columns'])} are described"
    parts = [f"{len(targets)} to predict", *(f"{n:,} {kind}" for kind, n in kinds.most_common())]
    told += ": " + ", ".join(parts)
    looked, sizes = profile["looked"], profile["rows"]
    if any(looked[name] < sizes[name] for name in sizes):
        told += f". Shares and histograms are of an even sample of {looked['train']:,} training rows; counts of missing values are of all"
    key = tag(
        "ul", tag("li", tag("i", style="background:var(--bars)", aria_hidden="true"), "training rows"),
        tag("li", tag("i", style="background:var(--accent)", aria_hidden="true"), "test rows") if looked["test"] else None,
        class_="key",
    )  # fmt: skip
    first = table(head, lines[:FIRST], caption="Columns", numbers=(2, 3), class_="columns")
    rest = lines[FIRST:]
    return joined([
        tag("h3", "Columns"), note(told, "."), key, first,
        more(f"{len(rest)} more columns", table(head, rest, caption="More columns", numbers=(2, 3), class_="columns")) if rest else None,
    ])  # fmt: skip


def _line(column: dict[str, Any], every: int) -> list[Any]:
    missing = sum(column["missing"].values())
    distinct = column.get("distinct")
    role = tag("span", "target", class_="tagged") if column["role"] == "target" else None
    about = "about " if column.get("about") else ""
    return [
        joined([brief(column["name"], 36), " ", role]),
        tag("td", tag("span", column["kind"]), tag("small", column["why"], class_="under"), class_="why"),
        tag("span", share(missing / every), title=rows(missing)) if missing else "0",
        "–" if distinct is None else f"{about}{number(distinct, 2) if about else f'{distinct:,}'}",
        tag("td", spark(column), class_="spark"),
        tag("td", _told(column), class_="told"),
    ]


def _told(column: dict[str, Any]) -> Any:
    """A column's values in a few words."""
    if "length" in column:
        length = column["length"]
        return f"{number(length['low'])} to {number(length['high'])} characters, half up to {number(length['median'])}"
    if "quartiles" in column:
        show = kinds.of(column["kind"]).amount
        low, middle, high = show(column["low"]), show(column["quartiles"][1]), show(column["high"])
        return joined([f"{low} to {high}", tag("small", f"median {middle}", class_="under")])
    if column.get("frequent"):
        every = sum(entry["train"] for entry in column["frequent"]) + column["others"]["train"] or 1
        first = column["frequent"][:3]
        names = [
            joined([brief(entry["value"], 24), " ", tag("small", share(entry["train"] / every, 0))]) for entry in first
        ]
        return joined([part for k, name in enumerate(names) for part in ((", ", name) if k else (name,))])
    if "height" in column:
        return f"{column['height']} × {column['wide']} pixels, {'grey' if column['channels'] == 1 else 'colours'}"
    return ""


def spark(column: dict[str, Any]) -> Markup | None:
    """Return a column's distribution as small bars (training rows), with the test rows' beside it as a line."""
    if "histogram" in column:
        train, test = column["histogram"]["train"], column["histogram"]["test"]
    elif column.get("frequent"):
        train, test = ([entry[name] for entry in column["frequent"][:8]] for name in ("train", "test"))
    else:
        return None
    sums = [sum(train) or 1, sum(test) or 1]
    bars, dots = [v / sums[0] for v in train], [v / sums[1] for v in test]
    top = max([*bars, *dots]) or 1.0
    step = 120 / len(bars)
    gap = 1 if step > 3 else 0.4
    path = "".join(
        f"M{k * step + gap / 2:.1f} 28V{28 - 26 * v / top:.1f}h{step - gap:.1f}V28z" for k, v in enumerate(bars) if v
    )
    if "histogram" in column:
        line = "M0 28" + "".join(f"V{28 - 26 * v / top:.1f}h{step:.1f}" for v in dots) + "V28"
    else:
        line = "".join(
            f"M{k * step + gap / 2:.1f} {28 - 26 * v / top:.1f}h{step - gap:.1f}" for k, v in enumerate(dots)
        )
    alt = f"distribution of {cut(column['name'], 40)}"
    shapes = [tag("path", d=path, class_="bars"), tag("path", d=line, class_="line") if sum(test) else None]
    return tag("svg", tag("title", alt), shapes, viewBox="0 0 120 30", role="img", aria_label=alt)


def left_out(found: Found) -> Markup | None:
    """Return the columns that are not read, with the reason."""
    listed = found.profile["left_out"]
    if not listed:
        return None
    lines = [[brief(entry["name"], 60), entry["why"]] for entry in listed[:LEFT_OUT]]
    rest = len(listed) - len(lines)
    whole = table(["column", "why"], lines, caption="Columns that are left out")
    told = note(f"{rest:,} more are left out.") if rest else None
    title = tag("h3", "Left out")
    return (
        joined([title, whole, told])
        if len(lines) <= 12
        else joined([title, more(f"{len(listed):,} columns are not read", whole, told)])
    )


def handled(found: Found) -> Markup | None:
    """Return what was dropped, cut, coerced or read in a way of its own: how many rows, and the first of them."""
    events = [
        event
        for event in found.events
        if event["kind"] in ("warning", "notice") and not event["name"].startswith(ELSEWHERE)
    ]
    if not events:
        return joined([tag("h3", "Handled on the way"), note("Nothing was dropped, cut or coerced.")])
    lines = []
    for event in events[:100]:
        ids = event["data"].get("rows") or []
        ids = [str(name) for name in ids] if isinstance(ids, list) else []
        told = event["text"].partition(f" ({ids[0]}")[0] if ids else event["text"]
        count = event["data"].get("count")
        named = more(rows(count or len(ids)), tag("p", ", ".join(cut(name, 80) for name in ids[:IDS]), tag("span", f" and {count - len(ids):,} more") if count and count > len(ids) else None, class_="ids")) if ids else None  # fmt: skip
        lines.append([tag("td", brief(told, 240)), tag("td", named)])
    rest = len(events) - len(lines)
    return joined([
        tag("h3", "Handled on the way"),
        table(["what", "rows"], lines, caption="What was dropped, cut or coerced", named=False),
        note(f"{rest:,} more stand in events.jsonl.") if rest else None,
    ])  # fmt: skip
