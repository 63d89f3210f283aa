"""Residuals: answers beside the truth, and how far off they are. n rows."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from netwright.report.page.figure import ACCENT, MUTED, OTHER, Figure, side_by_side
from netwright.report.page.found import Answered, Found
from netwright.report.page.html import cut, joined, note, table, tag
from netwright.report.page.written import number, rows

TITLE = "Errors"
PLACE = 55
DOTS = 1_500
"""Rows that are drawn one by one; of more, all are counted in cells."""
LEVELS = 6


def section(found: Found) -> Markup | None:
    """Return answers against truth for number targets, or None where there are none."""
    out = []
    for target, answered in found.answers.items():
        if answered.probability is not None or len(answered) < 2:
            continue
        out.append(
            joined([tag("h3", cut(target, 80), class_="target") if len(found.targets) > 1 else None, _target(answered)])
        )
    return joined(out) if out else None


def _target(answered: Answered) -> Markup:
    truth, answer = answered.truth, answered.chosen
    error = answer - truth
    low, high = _ends(np.concatenate([truth, answer]))
    beside = Figure(f"Answers against the truth for {cut(answered.name, 40)}", x="truth", y="answer")
    beside.axes.plot([low, high], [low, high], color=MUTED, linewidth=1, dashes=(3, 3))
    outside = _scatter(beside, truth, answer, (low, high), (low, high))
    off_low, off_high = _ends(np.append(error, 0.0))
    spread = Figure(
        f"How far answers for {cut(answered.name, 40)} are off, by the answer", x="answer", y="answer − truth"
    )
    spread.axes.axhline(0, color=MUTED, linewidth=1, dashes=(3, 3))
    _scatter(spread, answer, error, _ends(answer), (off_low, off_high))
    many = len(truth) > DOTS
    told = (
        f"All {rows(len(truth))}, counted in cells; darker is more." if many else f"A dot is a row; {rows(len(truth))}."
    )
    if outside:
        told += f" {rows(outside)} lie beyond the frame."
    size = np.abs(error)
    shares = {"a quarter": 0.25, "half": 0.5, "three quarters": 0.75, "90 %": 0.9, "95 %": 0.95, "all": 1.0}
    lines = [[name, number(float(np.quantile(size, share)))] for name, share in shares.items()]
    bias = float(error.mean())
    lean = f"On average answers are {number(abs(bias))} too {'high' if bias > 0 else 'low'}." if bias else ""
    return joined([
        note(told, " Dashed: right."),
        side_by_side(beside.html(tag("b", "Answer against truth")), spread.html(tag("b", "Error against answer"))),
        side_by_side(
            _histogram(error, answered.name),
            tag(
                "div",
                table(["of the rows", "off by at most"], lines, caption="Size of the errors", class_="fit", numbers=[1]),
                note(f"In the unit of {cut(answered.name, 60)}. {lean}"),
            ),
        ),
    ])  # fmt: skip


def _ends(values: np.ndarray) -> tuple[float, float]:
    """The range to draw: all of it, or without the last 0.5 % on each side where those lie far out."""
    low, high = float(values.min()), float(values.max())
    inner = np.quantile(values, [0.005, 0.995])
    if len(values) > 100 and high - low > 3 * (inner[1] - inner[0]) > 0:
        low, high = float(inner[0]), float(inner[1])
    pad = 0.03 * (high - low) or abs(high) * 0.05 or 0.5
    return low - pad, high + pad


def _scatter(figure: Figure, x: np.ndarray, y: np.ndarray, across: tuple[float, float], up: tuple[float, float]) -> int:
    """Draw rows as dots where they are few, as cells where they are many; return how many lie outside."""
    axes = figure.axes
    inside = (x >= across[0]) & (x <= across[1]) & (y >= up[0]) & (y <= up[1])
    axes.set(xlim=across, ylim=up)
    x, y = x[inside], y[inside]
    if len(x) <= DOTS:
        axes.scatter(x, y, s=16 if len(x) > 400 else 26, color=ACCENT, alpha=0.55, linewidths=0)
        return int((~inside).sum())
    counts, right, top = np.histogram2d(x, y, bins=(44, 30), range=(across, up))
    level = np.ceil(LEVELS * np.log1p(counts) / np.log1p(counts.max())).astype(int)
    wide, tall = right[1] - right[0], top[1] - top[0]
    for depth in range(1, LEVELS + 1):
        columns, lines = np.nonzero(level == depth)
        if len(columns):
            figure.boxes(right[columns], top[lines], wide, tall, ACCENT, depth / LEVELS)
    return int((~inside).sum())


def _histogram(error: np.ndarray, name: str) -> Markup:
    low, high = _ends(error)
    figure = Figure(f"Histogram of the errors for {cut(name, 40)}", x="answer − truth", y="rows")
    counts, edges = np.histogram(error, bins=min(40, max(10, int(np.sqrt(len(error)) * 2))), range=(low, high))
    figure.boxes(edges[:-1], 0, np.diff(edges) * 0.92, counts, OTHER)
    figure.axes.axvline(0, color=MUTED, linewidth=1, dashes=(3, 3))
    figure.axes.set(xlim=(low, high), ylim=(0, 1.06 * counts.max()))
    figure.whole("y")
    return figure.html(tag("b", "How often answers are how far off"))
