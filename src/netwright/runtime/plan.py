"""The plan: how a recipe is executed. Chosen by measuring before step 1, written to the run, obeyed on resume."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from netwright.recipe import Settings


class Plan(Settings):
    """How the network is executed; `reasons` says why, by setting."""

    device: str = "cpu"
    threads: int = 1
    precision: Literal["float32", "bfloat16", "float64"] = "float32"
    record: bool = False
    compile: bool = False
    steps_a_call: int = 1
    steps: int | None = None  # that the training's minutes allow
    rows_a_call: int = 1024
    reasons: dict[str, str] = {}

    @model_validator(mode="before")
    @classmethod
    def _older(cls, given: Any) -> Any:
        """Plans of earlier versions said whether C went through a recorded step."""
        return {name: value for name, value in given.items() if name != "native"} if isinstance(given, dict) else given
