"""Confusions: which classes are taken for which; how well each class or label is found. n rows, C classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from netwright.report.page.figure import side_by_side
from netwright.report.page.found import Answered, Found
from netwright.report.page.html import brief, cut, joined, more, note, table, tag
from netwright.report.page.written import rows, share

TITLE = "Confusions"
PLACE = 50
MOST = 12
"""Classes of a matrix; the others are one row and one column."""
PAIRS = 12
SHORT = 16
"""Letters of a name, up to which two tables stand beside each other."""
LISTED = 100


def section(found: Found) -> Markup | None:
    """Return the confusions of category and labels targets, or None where there are none."""
    out = []
    for target, answered in found.answers.items():
        if answered.probability is None or not len(answered):
            continue
        several = tag("h3", cut(target, 80), class_="target") if len(found.targets) > 1 else None
        out.append(joined([several, _labels(answered) if answered.truth.ndim == 2 else classes(answered)]))
    return joined(out) if out else None


def classes(answered: Answered) -> Markup:
    """Return which classes are taken for which, and how well each is found."""
    names, count = answered.classes, len(answered.classes)
    cells = np.bincount(answered.truth * count + answered.chosen, minlength=count**2).reshape(count, count)
    kept = np.arange(count) if count <= MOST else np.sort(np.argsort(-cells.sum(1), kind="stable")[:MOST])
    merged, shown = _merged(cells, kept, names)
    wrong = len(answered) - int(np.trace(cells))
    others = (
        f" The {len(kept)} most frequent of {count:,} classes are shown, the others as one." if count > MOST else ""
    )
    told = f"{rows(wrong)} of {len(answered):,} answered wrongly. A line is a true class, a column an answer; colours are shares of the line.{others}"
    pairs, each = _pairs(cells, names) if count > 2 else None, _each(cells, names)
    short = max(map(len, names)) <= SHORT
    below = side_by_side(tag("div", pairs), tag("div", each)) if pairs is not None and short else joined([pairs, each])
    return joined([note(told), matrix(merged, shown), below])


def _merged(cells: np.ndarray, kept: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    """The matrix of the classes that are kept, with the others as one more class."""
    if len(kept) == len(names):
        return cells, list(names)
    groups = np.full(len(names), len(kept))
    groups[kept] = np.arange(len(kept))
    out = np.zeros((len(kept) + 1,) * 2, cells.dtype)
    np.add.at(out, (groups[:, None], groups[None, :]), cells)
    return out, [*(names[k] for k in kept), f"{len(names) - len(kept):,} others"]


def matrix(cells: np.ndarray, names: list[str]) -> Markup:
    """Return a confusion matrix as a table that can be read aloud: counts, coloured by their share of the true class."""
    sums = cells.sum(1)
    long = len(names) > 6
    head = [tag("th", "true ↓ · answered →", scope="col", class_="corner")]
    head += [tag("th", brief(name, 9 if long else 16, ends=True), scope="col", class_="number") for name in names]
    body = []
    for row, name in enumerate(names):
        line = []
        for column, other in enumerate(names):
            value = int(cells[row, column])
            part = value / sums[row] if sums[row] else 0.0
            style = "hit" if row == column else "miss"
            line.append(tag(
                "td", f"{value:,}" if value else tag("span", "0", class_="faint"), class_=f"{style}{' strong' if part > 0.82 else ' middling' if part > 0.65 else ''}",
                style=f"--v:{100 * part:.0f}%", title=f"{rows(value)}, {share(part)} of {cut(name, 40)}, answered {cut(other, 40)}",
            ))  # fmt: skip
        line.append(tag("td", f"{int(sums[row]):,}", class_="sum"))
        body.append(tag("tr", tag("th", brief(name, 24, ends=True), scope="row"), line))
    head.append(tag("th", "rows", scope="col", class_="number sum"))
    caption = tag("caption", "Confusion matrix: counts by true class and answered class", class_="unseen")
    whole = tag(
        "table", caption, tag("thead", tag("tr", head)), tag("tbody", body), class_="matrix dense" if long else "matrix"
    )
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label="Confusion matrix")


def _pairs(cells: np.ndarray, names: tuple[str, ...]) -> Markup | None:
    """The most frequent confusions."""
    off = cells.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:PAIRS]
    sums = cells.sum(1)
    lines = []
    for place in order.tolist():
        true, other = divmod(place, len(names))
        if off[true, other]:
            lines.append(
                [
                    brief(names[true], 40),
                    brief(names[other], 40),
                    f"{int(off[true, other]):,}",
                    share(off[true, other] / sums[true]),
                ]
            )
    if not lines:
        return None
    return joined([
        tag("h3", "Taken for each other most often"),
        table(["true class", "answered", "rows", "of the true class"], lines, caption="Most frequent confusions", class_="fit", numbers=(2, 3)),
    ])  # fmt: skip


def _each(cells: np.ndarray, names: tuple[str, ...]) -> Markup:
    return _found(names, cells.sum(1), cells.sum(0), np.diag(cells), "class")


def _labels(answered: Answered) -> Markup:
    true, chosen = answered.truth == 1, answered.chosen == 1
    told = f"Of {len(answered):,} rows, {int((true == chosen).all(1).sum()):,} have all their labels right. A label is answered where its probability is above one half."
    return joined([note(told), _found(answered.classes, true.sum(0), chosen.sum(0), (true & chosen).sum(0), "label")])


def _found(names: tuple[str, ...], true: np.ndarray, answered: np.ndarray, both: np.ndarray, what: str) -> Markup:
    """How well each class is found: precision, recall, F1."""
    order = np.argsort(-true, kind="stable")
    lines: list[list[Any]] = []
    for k in order[:LISTED].tolist():
        hits, here, said = int(both[k]), int(true[k]), int(answered[k])
        precision, recall = hits / said if said else None, hits / here if here else None
        f1 = 2 * hits / (here + said) if here + said else None
        lines.append(
            [
                brief(names[k], 40),
                f"{here:,}",
                f"{said:,}",
                share(precision),
                share(recall),
                share(f1),
            ]
        )
    rest = len(names) - len(lines)
    head = [what, "true", "answered", "precision", "recall", "F1"]
    whole = table(head, lines, caption=f"How well each {what} is found", class_="fit", numbers=(1, 2, 3, 4, 5))
    told = note(f"The {LISTED} most frequent are shown; {rest:,} are not.") if rest else None
    many = len(lines) > MOST
    title = tag("h3", f"{what.capitalize()} by {what}")
    return joined(
        [
            title,
            more(f"{len(lines)} {what}{'es' if what == 'class' else 's'}", whole, told)
            if many
            else joined([whole, told]),
        ]
    )
