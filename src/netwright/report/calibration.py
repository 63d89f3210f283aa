"""Calibration: whether a probability of 80 % is right 8 times of 10, and whether intervals hold what they state. n rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from netwright.evaluation.metrics.bootstrap import wilson
from netwright.report.page.figure import ACCENT, MUTED, OTHER, Figure, side_by_side
from netwright.report.page.found import Answered, Found
from netwright.report.page.html import cut, facts, joined, note, table, tag
from netwright.report.page.written import number, rows, score, share

TITLE = "Calibration"
PLACE = 70
BINS = 10
LEAST = 25
"""Rows of a bin, below which its share says little."""


def section(found: Found) -> Markup | None:
    """Return how far probabilities and intervals can be taken at their word, or None where there are none."""
    out = []
    for target, answered in found.answers.items():
        if len(answered) < 2:
            continue
        parts = [_probabilities(found, answered), coverage(found, answered)]
        parts = [part for part in parts if part is not None]
        if parts:
            out.append(joined([tag("h3", cut(target, 80), class_="target") if len(found.targets) > 1 else None, parts]))
    return joined(out) if out else None


def _probabilities(found: Found, answered: Answered) -> Markup | None:
    """The reliability diagram, and how sure the answers are."""
    if answered.probability is None:
        return None
    given, right, what = stated(answered)
    if not len(given):
        return None
    told = [_told(found, answered, what)]
    figure = _diagram(given, right, what)
    spread = _sureness(answered) if answered.truth.ndim == 1 else None
    return joined([*told, side_by_side(figure, spread), _learnt(found.trust(answered.name))])


def stated(answered: Answered) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the probabilities that are judged, whether each came true, and what they are of."""
    assert answered.probability is not None
    if len(answered.classes) == 2 and answered.truth.ndim == 1:
        return answered.probability[:, 1], answered.truth == 1, f"“{cut(answered.classes[1], 30)}”"
    return *sure(answered), "a label" if answered.truth.ndim == 2 else "the class answered"


def _told(found: Found, answered: Answered, what: str) -> Markup:
    measured = found.measured(answered.name).get("ece")
    if measured and measured.get("value") is not None:
        value, bounds = measured["value"], f" [{score(measured['low'])}, {score(measured['high'])}]"
    else:
        value, bounds = ece(*sure(answered)), ""
    of = "a label" if answered.truth.ndim == 2 else "the class answered"
    given, right = sure(answered)
    lean = float(given.mean() - right.mean())
    off = (
        f": on average {100 * abs(lean):.1f} percentage points too {'sure' if lean > 0 else 'unsure'}"
        if abs(lean) > 0.005
        else ""
    )
    return note(
        f"Where the network gives {what} a probability, how often does it come true? The expected calibration error (ECE) of {of} is {score(value)}{bounds}{off}."
    )


def sure(answered: Answered) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of what was answered, and whether it is true; of labels, of each label."""
    assert answered.probability is not None
    if answered.truth.ndim == 2:
        return answered.probability.ravel(), (answered.truth == 1).ravel()
    best = answered.probability.argmax(1)
    return answered.probability[np.arange(len(best)), best], best == answered.truth


def ece(given: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Return the expected calibration error: the mean over rows of |share that came true - mean probability| of the row's bin.

    Guo et al. 2017, "On calibration of modern neural networks", section 2, with 15 bins of equal width.

    >>> round(ece(np.array([0.9, 0.9, 0.1, 0.1]), np.array([True, True, False, True])), 2)
    0.25
    """
    place = (given * bins).astype(int).clip(0, bins - 1)
    distance = np.abs(np.bincount(place, right, bins) - np.bincount(place, given, bins))
    return float(distance.sum() / len(given))


def _diagram(given: np.ndarray, right: np.ndarray, what: str) -> Markup:
    """Shares that came true by bins of about as many rows, with 95 % Wilson intervals."""
    order = np.argsort(given, kind="stable")
    count = int(np.clip(len(given) // LEAST, 2, BINS))
    bins = [part for part in np.array_split(order, count) if len(part)]
    x = np.array([given[part].mean() for part in bins])
    y = np.array([right[part].mean() for part in bins])
    low, high = wilson(y, np.array([len(part) for part in bins]))
    figure = Figure(
        f"Reliability diagram: how often {what} came true, by the probability given",
        x="probability given",
        y="share that came true",
    )
    axes = figure.axes
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, dashes=(3, 3))
    axes.vlines(x, low, high, color=ACCENT, alpha=0.4, linewidth=2)
    axes.plot(x, y, "o-", color=ACCENT, linewidth=1.5, markersize=6)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    least = min(len(part) for part in bins)
    told = f". A dot is {least:,} to {least + 1:,} rows, its line the 95 % interval. Dashed: right."
    return figure.html(joined([tag("b", "Reliability"), told]))


def _sureness(answered: Answered) -> Markup:
    """How sure right and wrong answers are."""
    assert answered.probability is not None
    given = answered.probability[np.arange(len(answered)), answered.chosen]
    right = answered.chosen == answered.truth
    low = 0.0 if len(answered.classes) > 4 else 1 / len(answered.classes)
    low = min(low, float(given.min()))
    edges = np.linspace(low, 1, 21)
    figure = Figure("How sure right and wrong answers are", x="probability of the class answered", y="rows")
    below = np.histogram(given[~right], edges)[0]
    above = np.histogram(given[right], edges)[0]
    width = np.diff(edges) * 0.9
    figure.boxes(edges[:-1], 0, width, above, OTHER)
    figure.boxes(edges[:-1], above, width, below, ACCENT)
    figure.axes.set(xlim=(low - 0.01, 1.01), ylim=(0, 1.06 * (above + below).max()))
    figure.whole("y")
    legend = [(OTHER, f"right ({int(right.sum()):,})"), (ACCENT, f"wrong ({int((~right).sum()):,})")]
    return figure.html(tag("b", "How sure the answers are"), legend)


def _learnt(trust: dict[str, Any]) -> Markup | None:
    """What was learnt on the validation rows: a temperature, a threshold."""
    told = []
    if trust.get("temperature") not in (None, 1.0):
        text = f"The probabilities were {'softened' if trust['temperature'] > 1 else 'sharpened'} by a temperature of {score(trust['temperature'])}, fitted on the validation rows"
        if trust.get("log_loss_before") is not None:
            text += f": log loss there {score(trust['log_loss_before'])} before, {score(trust['log_loss_after'])} after"
        told.append(text + ".")
    elif trust.get("log_loss_before") is not None:
        told.append(
            "The probabilities are as the network gives them: no temperature surely bettered them on the validation rows."
        )
    if trust.get("threshold"):
        text = f"The second class is predicted from a probability of {score(trust['threshold']['value'])}, which gives the best {trust['threshold']['metric']} on the validation rows."
        told.append(text)
    return note(" ".join(told)) if told else None


def coverage(found: Found, answered: Answered) -> Markup | None:
    """Return how many rows lie within the intervals or sets that the answers come with."""
    trust = (found.trust(answered.name) or {}).get("coverage")
    if not trust and answered.low is None and answered.sets is None:
        return None
    sets = answered.probability is not None
    told = None
    if trust:
        pairs = [("stated", share(trust["stated"])), ("found", share(trust["found"])), ("rows", f"{trust['rows']:,}"),
                 ("classes a set" if sets else "mean width", number(trust["size"]))]  # fmt: skip
        told = facts(pairs)
    title = tag("h3", "Sets" if sets else "Intervals")
    what = "the set of classes holds" if sets else "the interval holds"
    return joined(
        [
            title,
            note(
                f"How often {what} the truth: it should be about as often as stated. They were learnt from the validation rows."
            ),
            told,
            _parts(answered),
        ]
    )


def _parts(answered: Answered) -> Markup | None:
    """Coverage by set size, or by fifths of the answers: an average can hide that it fails where it matters."""
    if answered.sets is not None and answered.covers is not None:
        sizes = np.unique(answered.sets)
        if len(sizes) > 12:
            sizes = sizes[:12]
        lines = []
        for size in sizes.tolist():
            here = answered.sets == size
            lines.append(
                [
                    f"{size} class{'' if size == 1 else 'es'}",
                    f"{int(here.sum()):,}",
                    share(float(answered.covers[here].mean())),
                ]
            )
        return table(
            ["set", "rows", "hold the truth"],
            lines,
            caption="Coverage by size of the set",
            class_="fit",
            numbers=(1, 2),
        )
    if answered.low is None or answered.high is None or not np.isfinite(answered.low).any():
        return None
    within = (answered.truth >= answered.low) & (answered.truth <= answered.high)
    lines = []
    for part in np.array_split(np.argsort(answered.chosen, kind="stable"), min(5, len(answered))):
        lines.append([
            f"{number(float(answered.chosen[part].min()))} to {number(float(answered.chosen[part].max()))}", f"{len(part):,}",
            share(float(within[part].mean())), number(float((answered.high - answered.low)[part].mean())),
        ])  # fmt: skip
    told = rows(len(answered))
    return table(
        ["answer", "rows", "within", "mean width"],
        lines,
        caption=f"Coverage by the answer, of {told}",
        class_="fit",
        numbers=(1, 2, 3),
    )
