"""Module: a user's own `torch.nn.Module` as the trunk (Python only)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from netwright.data.facts import DataFacts
from netwright.nn.shapes import Want
from netwright.nn.trunks.family import Choice, Choices, Family


class Settings(Family):
    """Settings of a user's own module: its class's name, so that a run says whose weights it holds."""

    gives: ClassVar[tuple[str, ...]] = ("vector", "pair")
    family: Literal["module"] = "module"
    name: str = Field(default="", description="the module's class")

    def training(self, facts: DataFacts) -> Choices:
        """The usual first choices."""
        return {
            "optimizer": Choice("adamw", "the usual first choice"),
            "learning_rate": Choice(0.001, "Adam's published default (Kingma & Ba 2015)"),
            "batch_size": Choice(64 if facts.rows >= 1000 else 32, f"{facts.rows:,} training rows"),
            "epochs": Choice(30, "an upper bound; early stopping decides"),
            "patience": Choice(8, "early stopping"),
            "schedule": Choice("constant", "the module says nothing else"),
        }

    def brings(self, signal: str) -> dict[str, Any]:
        """Texts as word numbers."""
        return {"sequence": {"tokens": "words", "vocabulary": 10_000, "length": 256}}.get(signal, {})

    def want(self, signal: str, *, outputs: int) -> Want:
        """Numbers and categories as vectors, images as grids, texts as token numbers."""
        return {"grid": Want("grid"), "sequence": Want("ids")}.get(signal, Want("vector"))
