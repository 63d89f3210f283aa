"""Evaluate: a run measured on rows that it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netwright.inference.model import load


def evaluate(run: str | Path, data: Any) -> dict[str, Any]:
    """Return {"metrics": {NAME: {"value", "low", "high"}}, "rows": n} of a run on `data`, which has the target columns."""
    return load(run).evaluate(data)
