"""What a user declares: arguments, a recipe file and settings made one recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from netwright import pretrained
from netwright.data.readers.address import refuse_password, shown
from netwright.errors import InputError, Problem
from netwright.recipe import Recipe, validate
from netwright.recipe.files import read_recipe
from netwright.runtime.run import Run


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
    _check(target, settings)
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
        values["model"] = (
            {**given, **named}
            if "start" not in named
            else {**named, **given, "family": named["family"], "start": named["start"]}
        )
    declared = validate(Recipe, values)
    refuse_password(declared.data, setting="data")
    refuse_password(declared.split.validation_data, setting="split.validation_data")
    refuse_password(declared.split.test_data, setting="split.test_data")
    return declared


def _check(target: Any, settings: Any) -> None:
    """Raise `InputError` where arguments in Python are not of the types that they are to be."""
    problems = []
    if not isinstance(settings, Mapping | None):
        got = f"got {type(settings).__name__}"
        problems.append(Problem("settings", got, allowed="a dict, as in {'training': {'epochs': 3}}"))
    if not isinstance(target, str | list | tuple | None) or not all(isinstance(name, str) for name in target or ()):
        got = f"got {type(target).__name__}" + (
            " of other things than texts" if isinstance(target, list | tuple) else ""
        )
        problems.append(Problem("target", got, allowed="a column's name, or a list of names"))
    if problems:
        raise InputError(*problems)


def _as_model(values: dict[str, Any]) -> dict[str, Any]:
    given = values.get("model") or {}
    return {"family": given} if isinstance(given, str) else dict(given)


def _named(model: str) -> dict[str, Any]:
    """A family's name as settings; a run's folder as its family, a checkpoint as pretrained, each as where to start from."""
    if pretrained.is_one(model):
        return {"family": "pretrained", "start": model}
    if not (Path(model) / "run.json").exists():
        if (
            Path(model).is_dir()
            or any(mark in model for mark in "/\\")
            or model.endswith((".gguf", ".pth", ".safetensors"))
        ):
            what = "holds no run.json and no config.json" if Path(model).is_dir() else "there is no such file or folder"
            allowed = "a family's name, a run's folder, a Hugging Face folder, a GGUF file, or a convnet's weights"
            raise InputError(Problem(f"--model {model}", what, allowed=allowed))
        return {"family": model}
    run = Run.open(model)
    return {**read_recipe(run.recipe).model, "start": model, "adapt": None}


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
