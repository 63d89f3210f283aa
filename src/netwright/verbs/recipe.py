"""Recipe: the full declaration that `train` would run, every value with its unit and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netwright import project
from netwright.declare import declare
from netwright.recipe_file import to_yaml


def recipe(
    data: Any,
    *,
    target: str | list[str] | None = None,
    model: Any = None,
    settings: Mapping[str, Any] | None = None,
    file: Any = None,
) -> str:
    """Return the recipe as YAML text: the rows are read and the kinds fitted, but nothing is trained."""
    declared = declare(data, target=target, model=model, recipe=file, settings=settings)
    table = project.read(declared, declared.data if data is None else data)
    described = project.describe_rows(declared, table)
    work = project.prepare_rows(*project.with_lessons(described, project.divide(described)))
    return to_yaml(work.recipe, work.reasons)
