"""Convolutional network: a small residual net for images (He et al. 2016, arXiv 1512.03385), with group
normalisation (Wu & He 2018, arXiv 1803.08494), which uses no batch statistics, so that a row's answer is its own.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from netwright.shapes import Want
from netwright.trunks.family import Choice, Choices, DataFacts, Family


class Settings(Family):
    """Settings of the convolutional network."""

    takes: ClassVar[tuple[str, ...]] = ("image", "number", "category", "labels", "date", "text")
    family: Literal["convnet"] = "convnet"
    width: int | None = Field(
        None, ge=8, multiple_of=8, description="channels of the first stage; each stage doubles them; a multiple of 8"
    )
    stages: int | None = Field(default=None, ge=1, le=6, description="stages, each at half the size of the last")
    blocks: int | None = Field(default=None, ge=1, le=32, description="residual blocks of a stage")
    dropout: float | None = Field(
        default=None, ge=0, lt=1, description="share of pooled features silenced while training"
    )

    def chosen(self, facts: DataFacts) -> Choices:
        """Small by default: it must train on a laptop."""
        return {
            "width": Choice(32, "a first stage of 32 channels trains on a laptop's processor"),
            "stages": Choice(3 if facts.pixels <= 3 * 64 * 64 else 4, f"images of {facts.pixels:,} values"),
            "blocks": Choice(1, "one residual block a stage"),
            "dropout": Choice(0.1, "a little, before the head"),
        }

    def training(self, facts: DataFacts) -> Choices:
        """AdamW with one cycle, and shifted images."""
        return {
            "optimizer": Choice("adamw", "robust to the learning rate"),
            "learning_rate": Choice(0.003, "peak of the cycle"),
            "weight_decay": Choice(0.01, "a little"),
            "batch_size": Choice(128 if facts.rows >= 10_000 else 32, f"{facts.rows:,} training rows"),
            "epochs": Choice(
                6 if facts.rows >= 20_000 else 12 if facts.rows >= 5_000 else 30, f"{facts.rows:,} training rows"
            ),
            "schedule": Choice("one_cycle", "up and down once reaches a good score in few epochs (Smith & Topin 2018)"),
            "patience": Choice(0, "the cycle must end to be worth its while"),
            "augment": Choice(True, "shifted images are new images"),
        }

    def brings(self, kind: str) -> dict[str, Any]:
        """Other columns come as vectors."""
        return {"number": {"scale": "robust"}, "text": {"tokens": "ngrams", "vocabulary": 2**17}}.get(kind, {})

    def want(self, kind: str, *, outputs: int) -> Want:
        """Images as grids, all else as vectors."""
        return Want("grid") if kind == "image" else Want("vector", 64 if kind == "text" else None)

    def refuse(self, facts: DataFacts) -> str | None:
        """Without an image it has nothing to convolve."""
        if "image" not in facts.kinds:
            return "there is no image among the inputs; mlp reads tables, transformer reads all"
        return super().refuse(facts)

    @classmethod
    def tiny(cls) -> Settings:
        """One stage of 8 channels."""
        return cls(width=16, stages=1, blocks=1, dropout=0.0)
