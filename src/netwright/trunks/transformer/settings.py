"""Transformer: text tokens, image patches and table columns as elements that attend to each other.

Vaswani et al. 2017 (arXiv 1706.03762), in the present form: RMSNorm before each half (Zhang & Sennrich 2019,
arXiv 1910.07467), rotary positions (Su et al. 2021, arXiv 2104.09864), SwiGLU (Shazeer 2020, arXiv 2002.05202).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from netwright.shapes import Want
from netwright.trunks.family import Choice, Choices, DataFacts, Family


class Settings(Family):
    """Settings of the Transformer."""

    takes: ClassVar[tuple[str, ...]] = ("number", "category", "labels", "date", "text", "image")
    family: Literal["transformer"] = "transformer"
    width: int | None = Field(
        default=None, ge=4, description="values of an element (hidden size); a multiple of 2 · heads"
    )
    depth: int | None = Field(default=None, ge=1, le=200, description="layers")
    heads: int | None = Field(default=None, ge=1, description="attention heads")
    dropout: float | None = Field(
        default=None, ge=0, lt=1, description="share of values silenced at random while training"
    )
    vocabulary: int | None = Field(default=None, ge=16, description="tokens that texts are read in")
    length: int | None = Field(default=None, ge=1, description="tokens that a text is cut to")
    patch: int | None = Field(default=None, ge=1, description="pixels of a side of an image patch")

    @model_validator(mode="after")
    def _whole_heads(self) -> Settings:
        if self.width and self.heads and self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of 2 · heads = {2 * self.heads}")
        return self

    def chosen(self, facts: DataFacts) -> Choices:
        """Small by default: it must train on a laptop."""
        width = 64 if facts.rows < 2000 else 128
        length = 256 if facts.words > 60 else 128
        return {
            "width": Choice(width, f"{facts.rows:,} training rows"),
            "depth": Choice(2 if facts.rows < 2000 else 3, f"{facts.rows:,} training rows"),
            "heads": Choice(4, f"{width // 4} values a head"),
            "dropout": Choice(
                0.2 if "text" in facts.kinds else 0.1, "from nothing on few rows a Transformer overfits soon"
            ),
            "vocabulary": Choice(10_000, "the ladder's default; enough for a small corpus"),
            "length": Choice(length, f"texts are {facts.words:.0f} words long on average"),
            "patch": Choice(4, "28×28 pixels give 49 patches"),
        }

    def training(self, facts: DataFacts) -> Choices:
        """AdamW with a warm-up and a cosine."""
        return {
            "optimizer": Choice("adamw", "the usual choice for Transformers"),
            "learning_rate": Choice(0.001, "for widths of 64 to 128"),
            "weight_decay": Choice(0.05, "the usual order for small Transformers"),
            "gradient_clip": Choice(1.0, "keeps a rare large gradient from undoing the rest"),
            "batch_size": Choice(64 if facts.rows >= 2000 else 32, f"{facts.rows:,} training rows"),
            "epochs": Choice(15 if facts.rows >= 2000 else 60, "an upper end; early stopping decides"),
            "patience": Choice(4 if facts.rows >= 2000 else 15, "early stopping"),
            "schedule": Choice("cosine", "falls smoothly to nothing"),
            "warmup": Choice(0.05, "attention needs small first steps"),
        }

    def brings(self, kind: str) -> dict[str, Any]:
        """Texts as words of a vocabulary; numbers robustly scaled."""
        if kind == "text":
            return {"tokens": "words", "vocabulary": self.vocabulary or 10_000, "length": self.length or 256}
        return {"number": {"scale": "robust"}}.get(kind, {})

    def want(self, kind: str, *, outputs: int) -> Want:
        """All as elements."""
        return Want("sequence", self.width, {"patch": self.patch or 4})

    @classmethod
    def tiny(cls) -> Settings:
        """Two layers of width 32."""
        return cls(width=32, depth=2, heads=2, dropout=0.0, vocabulary=64, length=16, patch=4)
