"""Convolutional network.

Images: a small residual net (He et al. 2016, arXiv 1512.03385), with group normalisation (Wu & He 2018, arXiv
1803.08494), which uses no batch statistics, so that a row's answer is its own. Texts: one-dimensional windows of several
widths over word vectors, the largest answer of each filter (Kim 2014, arXiv 1408.5882).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from netwright.data.facts import DataFacts
from netwright.nn.shapes import Want
from netwright.nn.trunks.family import Choice, Choices, Family


def _widths(value: Any) -> Any:
    """Accept `3,4,5`."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=32)], ...], BeforeValidator(_widths)]


class Settings(Family):
    """Settings of the convolutional network."""

    gives: ClassVar[tuple[str, ...]] = ("vector", "pair")
    family: Literal["convnet"] = "convnet"
    width: int | None = Field(
        None, ge=8, multiple_of=8, description="channels of the first stage; each stage doubles them; a multiple of 8"
    )
    stages: int | None = Field(default=None, ge=1, le=6, description="stages; each halves the resolution")
    blocks: int | None = Field(default=None, ge=1, le=32, description="residual blocks per stage")
    pool: bool | None = Field(
        default=None,
        description="whether the first stage looks at every pixel and keeps the largest of each four answers, "
        "in place of looking at every second pixel",
    )
    dropout: float | None = Field(default=None, ge=0, lt=1, description="dropout on the pooled features")

    windows: Widths | None = Field(default=None, description="text: filter widths, in words")
    filters: int | None = Field(default=None, ge=1, description="text: filters per width")
    embedding_width: int | None = Field(default=None, ge=1, description="text: embedding width")
    vocabulary: int | None = Field(default=None, ge=16, description="text: vocabulary size")
    length: int | None = Field(default=None, ge=1, description="text: maximum length in words")

    def chosen(self, facts: DataFacts) -> Choices:
        """Small by default: it must train on a laptop."""
        text = {} if not facts.has("sequence") else {
            "windows": Choice((3, 4, 5), "Kim 2014"),
            "filters": Choice(100, "Kim 2014"),
            "embedding_width": Choice(128, "the ladder's default"),
            "vocabulary": Choice(20_000, "rarer words occur too seldom"),
            "length": Choice(400 if facts.words > 60 else 128, f"texts are {facts.words:.0f} words long on average"),
        }  # fmt: skip
        return text | self._of_images(facts)

    @staticmethod
    def _of_images(facts: DataFacts) -> Choices:
        if not facts.has("grid"):
            return {
                "width": Choice(32, "there is no image"), "stages": Choice(2, "there is no image"),
                "blocks": Choice(1, "there is no image"), "pool": Choice(False, "there is no image"), "dropout": Choice(0.5, "Kim 2014"),
            }  # fmt: skip
        small = facts.pixels <= 3 * 64 * 64
        return {
            "width": Choice(32, "a first stage of 32 channels fast enough on a laptop CPU"),
            "stages": Choice(3 if small else 4, f"images of {facts.pixels:,} values"),
            "pool": Choice(
                small,
                "better in the same time on small images (docs/dev/log.md)"
                if small
                else "large images: a quarter of the work",
            ),
            "blocks": Choice(1, "one residual block a stage"),
            "dropout": Choice(0.1, "light dropout before the head"),
        }

    def training(self, facts: DataFacts) -> Choices:
        """One cycle, and shifted images: Muon where kernels are learnt, AdamW for texts alone."""
        if not facts.has("grid"):
            return {
                "optimizer": Choice("adamw", "robust to the learning rate"),
                "learning_rate": Choice(0.001, "Adam's published default"),
                "weight_decay": Choice(0.01, "a little"),
                "batch_size": Choice(64 if facts.rows >= 4000 else 32, f"{facts.rows:,} training rows"),
                "epochs": Choice(8 if facts.rows >= 4000 else 25, "an upper bound; early stopping decides"),
                "patience": Choice(
                    2 if facts.rows >= 4000 else 6, "word embeddings trained from scratch overfit early"
                ),
                "schedule": Choice("cosine", "decays smoothly to zero"),
            }
        return {
            "optimizer": Choice("muon", "fewer epochs than AdamW for the same score (docs/dev/log.md)"),
            "learning_rate": Choice(
                0.008 if facts.rows >= 5_000 else 0.003,
                f"peak of the cycle; {facts.rows:,} training rows (docs/dev/log.md)",
            ),
            "weight_decay": Choice(0.01, "a little"),
            "batch_size": Choice(64 if facts.rows >= 5_000 else 32, f"{facts.rows:,} training rows"),
            "epochs": Choice(
                16 if facts.rows >= 20_000 else 12 if facts.rows >= 5_000 else 30, f"{facts.rows:,} training rows"
            ),
            "schedule": Choice("one_cycle", "one cycle needs few epochs (Smith & Topin 2018)"),
            "patience": Choice(0, "the cycle must complete, so no early stopping"),
            "augment": Choice(True, "shifts add training data"),
        }

    def brings(self, signal: str) -> dict[str, Any]:
        """Texts as words of a vocabulary, other columns as vectors."""
        if signal == "sequence":
            return {"tokens": "words", "vocabulary": self.vocabulary or 20_000, "length": self.length or 256}
        return {"vector": {"scale": "robust"}}.get(signal, {})

    def want(self, signal: str, *, outputs: int) -> Want:
        """Images as grids, texts as sequences, all else as vectors."""
        if signal == "sequence":
            return Want("sequence", self.embedding_width or 128, {"deviation": 0.1})
        return Want("grid") if signal == "grid" else Want("vector")

    def refuse(self, facts: DataFacts) -> str | None:
        """Without an image or a text it has nothing to convolve."""
        if facts.table:
            return "there is no image or text among the inputs; mlp reads tables, transformer reads all"
        return super().refuse(facts)

    @classmethod
    def tiny(cls) -> Settings:
        """One stage of 16 channels, 16 filters."""
        return cls(
            pool=True, width=16, stages=1, blocks=1, dropout=0.0, windows=(2, 3), filters=16, embedding_width=16, vocabulary=64,
            length=16,
        )  # fmt: skip
