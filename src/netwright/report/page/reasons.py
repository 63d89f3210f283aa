"""A recipe's text with the reasons that stand behind its values as comments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from netwright.recipe import Recipe

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where PyYAML was built with libyaml


@dataclass(frozen=True)
class Setting:
    """A setting's value, and why it was chosen (empty: it was given, or kept its default)."""

    value: Any
    reason: str


def settings(recipe: str) -> dict[str, Setting]:
    """Return the settings in a recipe's text by place; the columns' own settings are not among them.

    >>> settings("training:\\n  epochs: 5  # few rows\\n")["training.epochs"]
    Setting(value=5, reason='few rows')
    """
    root = yaml.compose(recipe, Loader=LOADER)
    return dict(_within(root, "", recipe.splitlines())) if isinstance(root, yaml.MappingNode) else {}


def _within(node: yaml.MappingNode, path: str, lines: list[str]) -> Iterator[tuple[str, Setting]]:
    for key, value in node.value:
        place = f"{path}{key.value}"
        if place == "columns":
            continue
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from _within(value, f"{place}.", lines)
            continue
        mark = value.end_mark
        behind = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
        yield place, Setting(yaml.SafeLoader("").construct_object(value, deep=True), _reason(place, behind.strip()))


def _reason(place: str, comment: str) -> str:
    """What a comment says beside the setting's own description, which is the same in every run."""
    text = comment.removeprefix("#").strip()
    return text.removeprefix(_description(place)).lstrip("; ").strip()


def _description(place: str) -> str:
    fields: Any = Recipe.model_fields
    found = ""
    for name in place.split("."):
        if name not in fields:
            return ""
        found = fields[name].description or ""
        fields = getattr(fields[name].annotation, "model_fields", {})
    return found
