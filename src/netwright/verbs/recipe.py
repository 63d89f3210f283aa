"""Recipe: the full declaration that `train` would run, every value with its unit and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netwright.recipe.files import to_yaml
from netwright.training import pipeline
from netwright.training.resolve import declare


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
    table = pipeline.read(declared, declared.data if data is None else data)
    described = pipeline.describe_rows(declared, table)
    work = pipeline.prepare_rows(*pipeline.with_lessons(described, pipeline.divide(described)))
    return to_yaml(work.recipe, work.reasons)
