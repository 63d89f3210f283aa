"""Multi-layer perceptron: dense layers; on tables an ensemble of K in one, after TabM.

- TabM (Gorishniy, Kotelnikov & Babenko 2025, "TabM: advancing tabular deep learning with parameter-efficient
  ensembling", arXiv 2410.24210): K members share every weight matrix and differ in elementwise scales before and
  after it (BatchEnsemble, Wen et al. 2020, arXiv 2002.06715) and in their biases and heads. Each member is trained by
  itself; the answer is the mean of theirs.
- RealMLP (Holzmüller et al. 2024, arXiv 2407.04491): robust scaling with a smooth clip, periodic embeddings.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from pydantic import Field

from netwright.data.facts import DataFacts
from netwright.nn.shapes import Want
from netwright.nn.trunks.family import Choice, Choices, Family

FEW = 2000  # training rows below which more is done against overfitting
LARGE = 4000  # training rows from which one cycle of the learning rate replaces early stopping (docs/dev/log.md)
# of a cycle: training rows below which, the rows of a step and the epochs
PACES = ((20_000, (128, 50)), (100_000, (512, 24)), (math.inf, (512, 12)))
PACES_OF_OTHERS = ((20_000, (256, 25)), (math.inf, (512, 12)))  # texts and images: bags overfit soon
BINS = 256  # of an embedded number: on Adult validation log-losses of 0.280 (48), 0.274 (128), 0.272 (256)
SMALL = "a linear model is a hard rival there (sub-samples of Adult and satellite: docs/dev/log.md)"
FEW_BINS = 16  # of few rows
WIDEST = 100  # number columns that are embedded each
REFIT = "learning the validation rows too was better on each sub-sample tried (docs/dev/log.md)"
TABM = {
    "optimizer": Choice("adamw", "TabM's default"),
    "weight_decay": Choice(0.0003, "TabM's default"),
    "gradient_clip": Choice(1.0, "TabM's default"),
}
SOON = "vectors of tokens overfit soon (docs/dev/log.md)"
WIDE = 1024  # sums of n-grams so wide that their cosines are those of the bags within a thirtieth


class Settings(Family):
    """Settings of the multi-layer perceptron."""

    gives: ClassVar[tuple[str, ...]] = ("vector", "pair")
    family: Literal["mlp"] = "mlp"
    width: int | None = Field(default=None, ge=1, description="neurons of a hidden layer")
    depth: int | None = Field(default=None, ge=1, le=100, description="hidden layers")
    members: int | None = Field(
        default=None, ge=0, le=256, description="members of the ensemble; 0: an ordinary network"
    )
    dropout: float | None = Field(default=None, ge=0, lt=1, description="dropout in the hidden layers")
    activation: Literal["relu", "gelu", "silu", "tanh", "sigmoid", "leaky_relu"] | None = Field(
        None, description="the hidden neurons' non-linearity"
    )
    skip: bool | None = Field(default=None, description="whether a skip connection takes the inputs to the head")
    embedding: Literal["none", "periodic", "piecewise", "both"] | None = Field(
        default=None,
        description="how numbers are embedded; both: an ensemble's members see them raw and piecewise by turns",
    )
    embedding_width: int | None = Field(default=None, ge=2, description="values that a number is embedded into")
    bins: int | None = Field(default=None, ge=2, le=4096, description="bins of a piecewise embedded number")
    text_width: int | None = Field(
        default=None, ge=1, description="values that a text's bag of n-grams, or each of its tokens, is embedded into"
    )
    text: Literal["bag", "tokens"] | None = Field(
        default=None,
        description="how texts are read: a bag of hashed n-grams, or tokens with mean and max pooling",
    )

    def chosen(self, facts: DataFacts) -> Choices:
        """An ensemble of 16 on tables; more width for more rows."""
        numbers = facts.kinds.get("number", 0)
        few = facts.rows < FEW
        small = facts.rows < 20_000
        members = (
            16 if small else 8,
            f"a table of {facts.rows:,} training rows: TabM's ensemble, fewer of its 32 members so that a laptop trains it",
        )
        plain = (0, "the inputs are no table: one network")
        pairs = {}
        if "pair" in facts.needs:  # sums of many random values begin as near to each other as the bags are
            pairs = {
                "width": Choice(16, "pairs: the bags themselves are most informative"), "depth": Choice(1, "pairs: the bags themselves are most informative"),
                "skip": Choice(True, "pairs: the bags themselves are most informative"), "text_width": Choice(WIDE, "pairs: similar bags start with similar embeddings"),
            }  # fmt: skip
        return {
            "members": Choice(*(members if facts.table else plain)),
            "width": Choice(64 if few else 256, f"{facts.rows:,} training rows"),
            "depth": Choice(1, SOON) if self.text == "tokens" else Choice(2, "TabM's default is 3; 2 cost a third less and scored alike here (docs/dev/log.md)"),
            "dropout": Choice(0.2, SOON) if self.text == "tokens" else Choice(0.3 if few else 0.1, f"few rows: {SMALL}" if few else "TabM's default"),
            "activation": Choice("relu", "TabM's default"),
            "skip": Choice(few, f"few rows: {SMALL}" if few else "many rows: the hidden layers learn it"),
            "embedding": self._embedding(numbers, few),
            "embedding_width": Choice(4, "RealMLP's default"),
            "bins": Choice(FEW_BINS if few else BINS, "they cost no time and model thresholds as trees do (docs/dev/log.md)"),
            "text": Choice("bag", "n-grams beat single words if embeddings start from scratch"),
            "text_width": Choice(64, "fastText's order of size"), **pairs,
        }  # fmt: skip

    def _embedding(self, numbers: int, few: bool) -> Choice:
        if numbers > WIDEST:
            return Choice("none", f"{numbers} number columns: too many to embed each")
        if few and self.members == 0:
            return Choice("none", "few rows and one network: embedded numbers overfit (docs/dev/log.md)")
        if few:
            why = "few rows: either raw numbers or bins may be far better, and their mean is close to the better (docs/dev/log.md)"
            return Choice("both", why)
        return Choice(
            "piecewise",
            "as TabM: lets the network model thresholds as trees do; better here than periodic (docs/dev/log.md)",
        )

    def training(self, facts: DataFacts) -> Choices:
        """AdamW as in TabM, on batches that grow with the rows."""
        if "pair" in facts.needs:
            return {
                **TABM, "learning_rate": Choice(0.0005, "the embeddings start near their final place"),
                "batch_size": Choice(128, "the batch's other pairs are the negatives"),
                "epochs": Choice(20, "an upper bound; early stopping decides"), "patience": Choice(3, "early stopping"),
                "schedule": Choice("cosine", "decays smoothly to zero"),
            }  # fmt: skip
        if facts.rows >= LARGE and self.text == "tokens":
            return {
                **TABM, "learning_rate": Choice(0.002, "TabM's default"), "batch_size": Choice(128, f"{facts.rows:,} training rows"),
                "epochs": Choice(4, SOON), "schedule": Choice("cosine", "decays smoothly to zero"), "warmup": Choice(0.05, "the embeddings start near their final place"),
                "patience": Choice(0, "the schedule must complete, so no early stopping"),
            }  # fmt: skip
        if facts.rows >= LARGE:
            batch, epochs = next(
                pace for most, pace in (PACES if facts.table else PACES_OF_OTHERS) if facts.rows < most
            )
            return {
                **TABM,
                "learning_rate": Choice(0.006, "peak of the cycle: three times TabM's constant rate"),
                "batch_size": Choice(batch, f"{facts.rows:,} training rows"),
                "epochs": Choice(epochs, f"{facts.rows:,} training rows"),
                "schedule": Choice(
                    "one_cycle", "as good as a constant rate with early stopping in a third of the time"
                ),
                "patience": Choice(0, "the cycle must complete, so no early stopping"),
            }
        few = facts.rows < FEW
        return {
            **TABM,
            "weight_decay": Choice(0.03, f"few rows: {SMALL}") if few else TABM["weight_decay"],
            "learning_rate": Choice(
                0.001 if few else 0.002,
                "half of TabM's default: early stopping is then finer" if few else "TabM's default",
            ),
            "batch_size": Choice(128 if facts.rows >= 1000 else 32, f"{facts.rows:,} training rows"),
            "epochs": Choice(500 if facts.table else 200, "an upper bound; early stopping decides"),
            "patience": Choice(
                16 if facts.rows >= 1000 else 30, "TabM's default is 16; longer where the validation score is noisy"
            ),
            "schedule": Choice("constant", "TabM's default"),
            "refit": Choice(few, f"few rows: {REFIT}" if few else "many rows: refitting adds little"),
        }

    def brings(self, signal: str) -> dict[str, Any]:
        """Numbers robustly scaled (with bins where embedded piecewise); texts as hashed n-grams; images small."""
        if signal == "sequence" and self.text == "tokens":
            return {"tokens": "words", "vocabulary": 20_000}
        return {
            "vector": {
                "scale": "robust",
                "bins": (self.bins or BINS) if self.embedding in ("piecewise", "both") else 0,
            },
            "sequence": {"tokens": "ngrams", "vocabulary": 2**15 if (self.text_width or 0) >= WIDE else 2**17},
            "grid": {"size": 0},
        }.get(signal, {})

    def want(self, signal: str, *, outputs: int) -> Want:
        """Everything becomes a vector."""
        options = {"embedding": self.embedding or "none", "embedding_width": self.embedding_width or 4}
        if signal == "sequence" and self.text == "tokens":
            return Want("sequence", self.text_width, {"deviation": 0.1})
        return Want("vector", self.text_width if signal == "sequence" else None, options)

    def refuse(self, facts: DataFacts) -> str | None:
        """Large images have too many pixels for dense layers."""
        if facts.pixels > 4096:
            return (
                f"an image of {facts.pixels:,} values is too large for dense layers (at most 4,096); convnet reads it"
            )
        return super().refuse(facts)

    @classmethod
    def tiny(cls) -> Settings:
        """Two members of width 16."""
        return cls(
            width=32,
            depth=1,
            members=2,
            dropout=0.0,
            activation="relu",
            embedding="periodic",
            embedding_width=4,
            text_width=8,
        )
