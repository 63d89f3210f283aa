"""What a user declares: arguments, a recipe file and settings made one recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from netwright.recipe import Recipe, validate
from netwright.recipe_file import read_recipe
from netwright.run import Run
from netwright.sources.address import refuse_password, shown


def declare(
    data: Any,
    *,
    target: str | list[str] | tuple[str, ...] | None,
    model: Any,
    recipe: str | Path | Recipe | None,
    settings: Mapping[str, Any] | None,
) -> Recipe:
    """Return the recipe that the arguments of `train` declare. Raises `InputError` with all problems."""
    base = read_recipe(recipe) if isinstance(recipe, str | Path) else recipe
    values = base.model_dump(exclude_unset=True) if base is not None else {}
    _merge(values, dict(settings or {}))
    if isinstance(data, str | Path):
        values["data"] = shown(data)
    if target is not None:
        values["target"] = target if isinstance(target, str) else tuple(target)
    if isinstance(model, torch.nn.Module):
        values["model"] = {"family": "module", "name": type(model).__name__}
    elif isinstance(model, Mapping):
        values["model"] = {**_as_model(values), **model}
    elif model is not None:
        named, given = _named(str(model)), _as_model(values)
        values["model"] = {**given, **named} if "start" not in named else {**named, **given, "family": named["family"]}
    declared = validate(Recipe, values)
    refuse_password(declared.data, setting="data")
    refuse_password(declared.split.validation_data, setting="split.validation_data")
    refuse_password(declared.split.test_data, setting="split.test_data")
    return declared


def _as_model(values: dict[str, Any]) -> dict[str, Any]:
    given = values.get("model") or {}
    return {"family": given} if isinstance(given, str) else dict(given)


def _named(model: str) -> dict[str, Any]:
    """A family's name as settings; the folder of a run as that run's family and where to start from."""
    if not (Path(model) / "run.json").exists():
        return {"family": model}
    run = Run.open(model)
    return {**read_recipe(run.recipe).model, "start": model}


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
