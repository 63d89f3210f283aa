"""Summary: the verdict in a sentence, the headline score beside the baselines', and the run in a few numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from netwright.report import metrics, notebook
from netwright.report.page.found import Found
from netwright.report.page.html import cut, facts, joined, tag
from netwright.report.page.verdict import Verdict, sentence, shown, sign_of, verdict
from netwright.report.page.written import big, named, seconds

if TYPE_CHECKING:
    from netwright.inference.model import Model

TITLE = "Summary"
PLACE = 0
CARDS = 12
"""Targets whose verdict is shown in full."""
CALLED = {"r2": "R², the share of the variance explained"}
NAMES = {
    "better": "better than every baseline",
    "same": "level with the best baseline",
    "worse": "worse than a baseline",
}


def section(found: Found) -> Markup:
    """Return the summary; every run has one."""
    verdicts = [verdict(found, target) for target in found.targets]
    cards = [card(found, told, several=len(verdicts) > 1) for told in verdicts[:CARDS]]
    rest = [tag("p", sentence(told)) for told in verdicts[CARDS:]]
    return joined([cards, rest, facts(numbers(found), class_="facts band")])


def of_model(model: Model) -> str:
    """Return a model as a notebook shows it; one that was never saved is known by its columns alone."""
    if model.run is None:
        return str(tag("code", repr(model)))
    found = Found.read(model.run)
    return notebook.model(section(found), metrics.section(found))


def card(found: Found, told: Verdict, *, several: bool) -> Markup:
    """Return a target's verdict: the sentence, the score with its interval, the baselines on the same scale."""
    ours = told.ours
    badge = tag("p", NAMES[told.standing], class_=f"badge {told.standing}") if told.standing in NAMES else None
    figure = None
    if ours["value"] is not None:
        bounds = f"95 % interval {shown(told.metric, ours['low'])} to {shown(told.metric, ours['high'])}"
        figure = tag(
            "div",
            tag(
                "p",
                tag("b", shown(told.metric, ours["value"])),
                " ",
                tag("span", CALLED.get(told.metric) or named(told.metric)),
                class_="score",
            ),
            tag("p", bounds, class_="note"),
            badge,
        )
    return tag(
        "div",
        tag("h3", cut(told.target, 80), class_="target") if several else None,
        tag("p", sentence(told), class_="lead"),
        tag("div", figure, ladder(found, told), class_="verdict") if figure is not None else None,
        class_="card",
    )


def ladder(found: Found, told: Verdict) -> Markup | None:
    """Return the network and the baselines under each other, the best first, each with its interval on one scale."""
    entries = {"network": told.ours}
    entries |= {name: values.get(told.metric) or {} for name, values in found.baselines(told.target).items()}
    known = {name: value for name, value in entries.items() if value.get("value") is not None}
    if not known:
        return None
    order = sorted(known, key=lambda name: -sign_of(told.kind, told.metric) * known[name]["value"])
    ends = [known[name].get(end) for name in order for end in ("low", "high", "value")]
    low, high = min(end for end in ends if end is not None), max(end for end in ends if end is not None)
    if low >= 0:
        room, most = 0.05 * (high - low), 1.0 if high <= 1 else math.inf  # a share ends at 1, others nowhere
        low, high = max(0.0, low - room), min(most, high + room)
    width = (high - low) or 1.0

    def place(value: float) -> str:
        return f"{100 * (value - low) / width:.2f}%"

    rows = []
    for name in order:
        value = known[name]
        spread, bounds = None, ""
        if value.get("low") is not None:
            spread = tag(
                "i", class_="range", style=f"left:{place(value['low'])};right:calc(100% - {place(value['high'])})"
            )
            bounds = f"{shown(told.metric, value['low'])} to {shown(told.metric, value['high'])}"
        track = tag(
            "div",
            spread,
            tag("i", class_="dot", style=f"left:{place(value['value'])}"),
            class_="track",
            aria_hidden="true",
        )
        rows.append(
            tag(
                "tr", tag("th", name, scope="row"), tag("td", track, title=bounds or None, class_="broad"),
                tag("td", shown(told.metric, value["value"]), class_="number"), class_="ours" if name == "network" else None,
            )
        )  # fmt: skip
    text = f"{named(told.metric)} of the network and of each baseline, with 95 % intervals"
    caption = tag("caption", text, class_="unseen")
    return tag("table", caption, tag("tbody", rows), class_="ladder")


def numbers(found: Found) -> list[tuple[str, Any]]:
    """Return the run in a few numbers."""
    out: list[tuple[str, Any]] = [("rows", f"{found.about['rows']:,}")]
    if found.profile:
        parts = found.profile["rows"]
        out.append(("train / validation / test", " / ".join(f"{parts[part]:,}" for part in parts)))
    inputs = [name for name in found.kinds.columns if name not in found.targets]
    out.append(("input columns", f"{len(inputs):,}"))
    family = found.setting("model.family")
    if found.cost:
        out.append(("weights", big(found.cost["weights"]["all"])))
    if family:
        out.insert(0, ("family", family))
    history = found.metrics.get("history") or []
    if history:
        out += [("epochs", f"{len(history):,}"), ("training", seconds(history[-1]["seconds"]))]
    if found.metrics.get("folds"):
        out.append(("folds", f"{found.metrics['folds']}"))
    return out
