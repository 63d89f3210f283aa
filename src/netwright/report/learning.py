"""Learning: the training loss and the score on the validation rows by epoch, and the epoch whose weights were kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from netwright.evaluation.metrics import metrics_of
from netwright.report.page.figure import ACCENT, MUTED, PAPER, Figure, side_by_side
from netwright.report.page.found import Found
from netwright.report.page.html import joined, more, note, table, tag
from netwright.report.page.written import named, score, seconds

TITLE = "Learning"
PLACE = 30
MOST = 400
"""Points of a curve; of more epochs an even choice is drawn."""
LISTED = 40


def section(found: Found) -> Markup | None:
    """Return the learning curves, or None where no epoch was finished."""
    history = found.metrics.get("history") or []
    if not history:
        return None
    name = next((key for key in history[0] if key not in ("epoch", "loss", "seconds")), "")
    kept = best(history, name, found)
    epochs = np.array([entry["epoch"] for entry in history])
    if len(history) == 1:  # a point is no curve
        values = [
            f"training loss {score(history[0]['loss'])}",
            *([f"{_named(name)} on the validation rows {score(history[0][name])}"] if name else []),
        ]
        return note(f"One epoch was trained, in {seconds(history[0]['seconds'])}: {', '.join(values)}.")
    figures = [_curve(epochs, [entry["loss"] for entry in history], "training loss", kept, MUTED)]
    if name:
        figures.append(
            _curve(epochs, [entry[name] for entry in history], f"{_named(name)}, validation rows", kept, ACCENT)
        )
    by = (
        f"the best {_named(name)} on the validation rows"
        if name
        else "the lowest training loss: there are no validation rows"
    )
    told = f"The weights of epoch {kept:,} of {len(history):,} were kept; it has {by}. Training took {seconds(history[-1]['seconds'])}"
    stopped = found.said("training.stopped_early")
    step = max(1, -(-len(history) // LISTED))
    lines = [
        [entry["epoch"], score(entry["loss"]), *([score(entry[name])] if name else []), seconds(entry["seconds"])]
        for entry in history
        if entry["epoch"] == kept or (entry["epoch"] - 1) % step == 0 or entry is history[-1]
    ]
    head = ["epoch", "training loss", *([_named(name)] if name else []), "since the start"]
    folds = (
        " These are the curves of the network that was kept, not of the folds." if found.metrics.get("folds") else ""
    )
    return joined([
        note(told, "; ", stopped[-1]["text"].partition(":")[0], "." if stopped else None, folds) if stopped else note(told, ".", folds),
        side_by_side(*figures),
        more("The numbers", table(head, lines, caption="Loss and score by epoch", class_="fit", numbers=range(len(head)))),
    ])  # fmt: skip


def best(history: list[dict[str, Any]], name: str, found: Found) -> int:
    """Return the epoch whose weights were kept: the first with the best score, or the lowest training loss."""
    values = [entry[name or "loss"] for entry in history]
    if name and _better(name, found) == "higher":
        values = [-value for value in values]
    return history[int(np.argmin(values))]["epoch"]


def _better(name: str, found: Found) -> str:
    first = name.removeprefix("mean of ").split(", ")[0]
    for target in found.targets:
        known = metrics_of(found.scored(target), 2)
        if first in known:
            return known[first].better
    return "lower"


def _named(name: str) -> str:
    first, *others = name.removeprefix("mean of ").split(", ")
    return f"mean of {', '.join(map(named, (first, *others)))}" if name.startswith("mean of ") else named(name)


def _curve(epochs: np.ndarray, values: list[float], what: str, kept: int, colour: str) -> Markup:
    """One curve; logarithmic where it falls far."""
    line = np.asarray(values, float)
    at = int(np.flatnonzero(epochs == kept)[0])
    alt = f"{what} by epoch: from {score(line[0])} to {score(line[-1])}; {score(line[at])} at epoch {kept}, whose weights were kept"
    figure = Figure(alt, x="epoch", y="")
    step = max(1, -(-len(line) // MOST))
    axes = figure.axes
    if line.min() > 0 and line.max() > 30 * line.min():
        axes.set_yscale("log")
    axes.axvline(kept, color=MUTED, linewidth=1, dashes=(3, 3))
    axes.plot(epochs[::step], line[::step], color=colour)
    axes.plot([kept], [line[at]], "o", color=colour, markersize=8, markeredgecolor=PAPER, markeredgewidth=2)
    figure.whole("x")
    return figure.html(joined([tag("b", what[:1].upper() + what[1:]), f": {score(line[at])} at epoch {kept}"]))
