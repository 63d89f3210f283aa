"""The recipe as a YAML file: read with every problem at once, written with each value's unit and reason beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from netwright.errors import InputError, Problem
from netwright.recipe import Recipe, validate


def read_recipe(path: str | Path) -> Recipe:
    """Return the recipe in a YAML file. Raises `InputError` with the place of each problem."""
    path = Path(path)
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        raise InputError(
            Problem(str(path), "there is no such recipe", fix="netwright recipe DATA --target COLUMN writes one")
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(Problem(str(path), f"is not UTF-8 text: {error}")) from None
    except OSError as error:
        raise InputError(Problem(str(path), f"cannot be read: {error.strerror}")) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InputError(Problem(place, f"is not YAML: {getattr(error, 'problem', error)}")) from None
    if not isinstance(value, dict):
        raise InputError(Problem(str(path), "holds no settings", allowed="lines such as `target: price`"))
    return validate(Recipe, value)


class _Loader(yaml.SafeLoader):
    """Refuses a setting that stands twice: the first would be passed over in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[str]()
        for key, _ in node.value:
            if key.value in seen and isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value!r} stands twice", problem_mark=key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)


def to_yaml(recipe: Recipe, reasons: Mapping[str, str] | None = None) -> str:
    """Return a recipe as YAML text; behind each value stand its meaning and, where it was chosen, the reason.

    >>> print(to_yaml(Recipe(data="a.csv", target=("y",))).splitlines()[1])
    data: a.csv  # a file, a folder, or a database of rows
    """
    lines = ["# netwright train --recipe THIS_FILE runs it. Values that are null are chosen, and the choice is said."]
    _write(lines, recipe, "", dict(reasons or {}))
    return "\n".join(lines) + "\n"


def _write(lines: list[str], group: BaseModel, path: str, reasons: dict[str, str]) -> None:
    indent = "  " * path.count(".")
    for name, field in type(group).model_fields.items():
        value = getattr(group, name)
        place = f"{path}{name}"
        if isinstance(value, BaseModel):
            lines.append(f"{indent}{name}:")
            _write(lines, value, f"{place}.", reasons)
        elif isinstance(value, dict) and value:
            lines.append(f"{indent}{name}:  # {field.description}")
            for key, item in value.items():
                reason = reasons.get(f"{place}.{key}")
                lines.append(f"{indent}  {_flow(key)}: {_flow(item)}" + (f"  # {reason}" if reason else ""))
        else:
            notes = [text for text in (field.description, reasons.get(place)) if text]
            lines.append(f"{indent}{name}: {_flow(value)}" + (f"  # {'; '.join(notes)}" if notes else ""))


def _flow(value: Any) -> str:
    """One value on one line."""
    plain = list(value) if isinstance(value, tuple) else value
    common = {"default_flow_style": True, "allow_unicode": True, "width": 10**9, "sort_keys": False}
    text = yaml.safe_dump(plain, **common).removesuffix("\n...\n").removesuffix("\n")
    if len(text.splitlines()) > 1:  # a name with a line break: only double quotes keep it on one line
        text = yaml.safe_dump(plain, default_style='"', **common).removesuffix("\n")
    return text
