"""Metrics: every measure with its interval beside the baselines'."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from netwright.evaluation.metrics import metrics_of
from netwright.report.page.found import Found
from netwright.report.page.html import cut, joined, more, note, table, tag
from netwright.report.page.written import measure, named, rows, seconds

TITLE = "Metrics"
PLACE = 40


def section(found: Found) -> Markup | None:
    """Return the metrics of each target, or None where nothing was measured."""
    if not found.part:
        return None
    out = []
    for target in found.targets:
        answered = found.answers.get(target) or found.said_of_words.get(target)
        count = f"On {rows(len(answered))}" if answered is not None else "On the rows"
        used = "that no training saw" if found.part == "test" else "that also chose the weights, so that they flatter"
        where = (
            f"{count} {used}"
            if not found.metrics.get("folds")
            else f"{count}, each answered by the one of {found.metrics['folds']} networks that never saw it"
        )
        told = note(where, "; brackets are 95 % intervals. The best value of a row is bold.")
        out.append(
            joined(
                [
                    tag("h3", cut(target, 80), class_="target") if len(found.targets) > 1 else None,
                    told,
                    beside(found, target),
                ]
            )
        )
    return joined(out)


def beside(found: Found, target: str) -> Markup:
    """Return the table of a target's metrics beside the baselines', and the validation rows' where both were measured."""
    ours, theirs = found.measured(target), found.baselines(target)
    known = metrics_of(found.scored(target), 2)
    lines = []
    for name, value in ours.items():
        rivals = {rival: values.get(name) or {} for rival, values in theirs.items()}
        every = [value.get("value"), *(rival.get("value") for rival in rivals.values())]
        better = known[name].better if name in known else ""
        top = max if better == "higher" else min
        defined = [v for v in every if v is not None]
        best = top(defined) if defined and better else None
        lines.append([
            tag("th", named(name), tag("small", f"{better} is better") if better else None, scope="row",
                title=f"{name} = {known[name].formula}" if name in known else None),
            _cell(name, value, value.get("value") == best and best is not None, ours=True),
            *(_cell(name, rival, rival.get("value") == best and best is not None) for rival in rivals.values()),
        ])  # fmt: skip
    if any("seconds" in values for values in theirs.values()):
        history = found.metrics.get("history") or [{"seconds": None}]
        taken = [history[-1]["seconds"], *(values.get("seconds") for values in theirs.values())]
        lines.append(
            [
                tag("th", "training", scope="row"),
                *(tag("td", "–" if v is None else seconds(v), class_="number") for v in taken),
            ]
        )
    head = ["", "network", *theirs]
    whole = table(
        head,
        lines,
        caption=f"Metrics of {cut(target, 60)} beside the baselines",
        numbers=range(1, len(head)),
        class_="metrics" if theirs else "metrics fit",
    )
    heard = [event["text"] for event in found.said("baseline.note")] if len(found.targets) == 1 else []
    told = note("Of the baselines: ", "; ".join(dict.fromkeys(heard)), ".") if heard else None
    return joined([whole, told, _validation(found, target)])


def _cell(name: str, value: dict[str, Any], best: bool, ours: bool = False) -> Markup:
    if value.get("value") is None:
        return tag("td", "–", title=value.get("reason"), class_="number")
    bounds = None
    if value.get("low") is not None:
        bounds = tag("small", f"[{measure(name, value['low'])}, {measure(name, value['high'])}]")
    shown = measure(name, value["value"])
    shown = tag("b", shown) if best else shown
    return tag("td", shown, bounds, class_="number ours" if ours else "number")


def _validation(found: Found, target: str) -> Markup | None:
    """The metrics on the rows that chose the weights, where the test rows' stand above."""
    held = found.measured(target, "validation")
    if found.part != "test" or not held:
        return None
    lines = [
        [named(name), _cell(name, value, False), _cell(name, found.measured(target)[name], False)]
        for name, value in held.items()
    ]
    told = note(
        "The weights were selected on the validation rows, so these scores are slightly optimistic; a large difference points to chance or to different distributions."
    )
    caption = f"Metrics of {cut(target, 60)} on validation and test rows"
    return more(
        "On the validation rows",
        told,
        table(["", "validation", "test"], lines, caption=caption, class_="fit", numbers=(1, 2)),
    )
