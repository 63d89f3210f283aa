"""Choices: what was chosen for the person, and why; what they set themselves; the plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from markupsafe import Markup

from netwright.report.page.found import Found
from netwright.report.page.html import brief, cut, joined, more, note, table, tag
from netwright.report.page.written import score, seconds

TITLE = "Choices"
PLACE = 20
GROUPS = {"model": "Network", "training": "Training", "split": "Split"}
MAIN = ("epochs", "batch_size", "optimizer", "learning_rate", "schedule", "patience", "metric", "augment")
"""Settings of the training that are shown at once; the others are opened."""


def section(found: Found) -> Markup | None:
    """Return the settings with their reasons, from the recipe's own comments, and the plan."""
    if not found.recipe:
        return None
    first: dict[str, list[list[Any]]] = {name: [] for name in ("Network", "Training", "Plan", "Split")}
    chosen, given = [], []
    for place, setting in found.settings.items():
        group, _, name = place.partition(".")
        if group not in GROUPS:
            continue
        line = [name.replace("_", " "), _value(setting.value), setting.reason]
        if setting.reason and (group != "training" or name in MAIN):
            first[GROUPS[group]].append(line)
        else:
            (chosen if setting.reason else given).append([f"{GROUPS[group].lower()} {line[0]}", *line[1:]])
    for name, reason in (found.plan.get("reasons") or {}).items():
        first["Plan"].append([name.replace("_", " "), _value(found.plan.get(name)), reason])
    said = [event["text"] for event in found.said("model.start", "split.folds")]
    head = ["setting", "value", "why"]
    return joined([
        note("What was left open was chosen by these rules; ", tag("code", "recipe.yaml"), " in the run's folder holds every value."),
        tag("ul", [tag("li", text) for text in said], class_="said") if said else None,
        tried(found),
        table(head, _grouped(first), caption="What was chosen, and why", class_="settings"),
        more("Further settings that were chosen", table(head, chosen, caption="Further settings", class_="settings")) if chosen else None,
        more("Settings that were given, or kept their defaults", table(head[:2], [line[:2] for line in given], caption="Given settings", class_="settings")) if given else None,
    ])  # fmt: skip


def tried(found: Found) -> Markup | None:
    """Return the families that were tried before one was chosen, or None where none were."""
    tries = found.metrics.get("tried") or []
    if not tries:
        return None
    lines = [
        [
            one["family"],
            f"{one['rows']:,}",
            score(one["score"]),
            seconds(one["seconds"]),
            "stopped" if one["stopped"] else "",
        ]
        for one in tries
    ]
    head = ["family", "training rows", "validation score", "time", ""]
    told = note("Each was trained on part of the training rows and validated; the better half continued.")
    whole = table(head, lines, caption="Families that were tried", numbers=(1, 2, 3), class_="fit")
    return joined([tag("h3", "Families tried"), told, whole])


def _grouped(groups: dict[str, list[list[Any]]]) -> Iterator[list[Any]]:
    """The lines of all groups, each group below its name."""
    for name, lines in groups.items():
        if lines:
            yield [tag("th", name, colspan=3, scope="rowgroup", class_="group")]
            yield from lines


def _value(value: Any) -> Any:
    if value is None:
        return tag("span", "–", title="not set")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | dict):
        return brief(yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6).strip(), 60)
    return cut(value, 60)
