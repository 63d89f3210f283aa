"""ROC and precision-recall: what each threshold on a class's probability would give. n rows, C classes."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from netwright.report.page.figure import LINES, MUTED, SERIES, Figure, key, side_by_side
from netwright.report.page.found import Answered, Found
from netwright.report.page.html import cut, joined, note, tag
from netwright.report.page.written import score, share

TITLE = "Thresholds"
PLACE = 60
POINTS = 300


def section(found: Found) -> Markup | None:
    """Return the curves of category and labels targets, or None where there are none."""
    out = []
    for target, answered in found.answers.items():
        if answered.probability is None:
            continue
        drawn = _target(answered, found)
        if drawn is not None:
            out.append(joined([tag("h3", cut(target, 80), class_="target") if len(found.targets) > 1 else None, drawn]))
    return joined(out) if out else None


def _target(answered: Answered, found: Found) -> Markup | None:
    """Both curves of a target: of its second class where it has two, else of its most frequent ones against the rest."""
    assert answered.probability is not None
    names = answered.classes
    positive = answered.truth == 1 if answered.truth.ndim == 2 else answered.truth[:, None] == np.arange(len(names))
    counts = positive.sum(0)
    usable = np.flatnonzero((counts > 0) & (counts < len(answered)))
    binary = answered.truth.ndim == 1 and len(names) == 2
    shown = usable[usable == 1] if binary else usable[np.argsort(-counts[usable], kind="stable")][:SERIES]
    if not len(shown):
        return None
    what = [f"{cut(names[k], 30)}" for k in shown]
    roc = Figure(_alt("ROC curve", what), x="false positive rate", y="true positive rate (recall)")
    pr = Figure(_alt("Precision-recall curve", what), x="recall", y="precision")
    roc.axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, dashes=(3, 3))
    areas = []
    for k, colour in zip(shown.tolist(), LINES, strict=False):
        hits, alarms, precision, area = curve(positive[:, k], answered.probability[:, k])
        roc.axes.plot(alarms, hits, color=colour)
        pr.axes.plot(hits, precision, color=colour, drawstyle="steps-pre")
        areas.append(area)
    if binary:
        pr.axes.axhline(counts[1] / len(answered), color=MUTED, linewidth=1, dashes=(3, 3))
    for figure in (roc, pr):
        figure.axes.set(xlim=(-0.01, 1.01), ylim=(0, 1.02))
    legend = [
        (colour, joined([tag("q", cut(names[k], 30)), f" area {score(area)}"]))
        for k, colour, area in zip(shown.tolist(), LINES, areas, strict=False)
    ]
    rest = len(names) - len(shown)
    told = (
        f"Each of the {len(shown)} most frequent against the rest; {rest:,} more are not drawn."
        if not binary and rest
        else "Each against the rest."
        if not binary
        else f"Of the class {cut(names[1], 40)}; {share(counts[1] / len(answered))} of the rows are of it (dashed on the right)."
    )
    weighed = " Each row counts once, whatever its weight." if found.setting("weight") else ""
    baseline = "Dashed: guessing."
    return joined([
        note(told, weighed), key(legend) if not binary else None,
        side_by_side(
            roc.html(joined([tag("b", "ROC"), f", area {score(areas[0])}. " if binary else ". ", baseline])),
            pr.html(joined([tag("b", "Precision and recall"), "."])),
        ),
    ])  # fmt: skip


def _alt(what: str, names: list[str]) -> str:
    return f"{what} of {', '.join(names)}"


def curve(positive: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the share of positives found, of others taken along, and the precision over falling thresholds, and the ROC area.

    At most about POINTS of each; ties are one threshold.
    """
    order = np.argsort(-given, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(given[order]) != 0, True))
    found, taken = np.cumsum(positive[order])[ends], ends + 1
    hits = np.concatenate([[0.0], found / positive.sum()])
    alarms = np.concatenate([[0.0], (taken - found) / (~positive).sum()])
    precision = np.concatenate([[found[0] / taken[0]], found / taken])
    area = float(np.trapezoid(hits, alarms))
    if len(hits) > POINTS:  # evenly along the curve, not along the thresholds
        along = np.cumsum(np.concatenate([[0.0], np.diff(hits) + np.diff(alarms)]))
        kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], POINTS)).clip(0, len(hits) - 1))
        hits, alarms, precision = hits[kept], alarms[kept], precision[kept]
    return hits, alarms, precision, area
