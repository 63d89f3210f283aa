"""Linear: one affine map from raw values to the answer; linear and logistic regression.

y = xW + b on scaled numbers, one-hot categories, and hashed n-grams of texts. With its losses the optimum is convex.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from netwright.data.facts import DataFacts
from netwright.nn.shapes import Want
from netwright.nn.trunks.family import Choice, Choices, Family

SMALL = 200_000  # rows up to which a full pass a step is affordable (measured: 200,000 × 50 values take 30 ms)
AGAIN = 20_000  # rows below which it learns from the validation rows too (measured on up to 1,500: docs/dev/log.md)


class Settings(Family):
    """Settings of the linear family: it has none of its own."""

    gives: ClassVar[tuple[str, ...]] = ("vector",)
    family: Literal["linear"] = "linear"

    def training(self, facts: DataFacts) -> Choices:
        """L-BFGS on all rows where they are few, else Adam on batches."""
        penalty = Choice(
            1 / max(facts.rows, 1),
            "1 / rows: scikit-learn's LogisticRegression with C = 1 (two classes, two logits: C = 2)",
        )
        if facts.answers == {"value"} and not facts.has("sequence"):
            penalty = Choice(1e-6, "least squares; just enough to settle collinear columns")
        if facts.rows <= SMALL:
            return {
                "optimizer": Choice(
                    "lbfgs", f"a convex optimum and {facts.rows:,} rows: full-batch L-BFGS finds it in few steps"
                ),
                "batch_size": Choice("all", "L-BFGS measures its direction on all rows"),
                "learning_rate": Choice(1.0, "the line search scales each step"),
                "epochs": Choice(60, "each is up to 10 L-BFGS iterations; it stops when the score does"),
                "patience": Choice(3, "the optimum is convex: three epochs without progress mean convergence"),
                "schedule": Choice("constant", "L-BFGS needs none"),
                "refit": Choice(
                    facts.rows < AGAIN,
                    f"{facts.rows:,} rows: refitting on the validation rows adds {'much' if facts.rows < AGAIN else 'little'} more",
                ),
                "l2": penalty,
            }
        return {
            "optimizer": Choice("adam", f"{facts.rows:,} rows: too many for full-batch steps"),
            "batch_size": Choice(1024, "large batches suit a convex problem"),
            "learning_rate": Choice(0.01, "Adam on scaled values"),
            "epochs": Choice(20, "with early stopping"),
            "patience": Choice(3, "the optimum is convex"),
            "schedule": Choice("cosine", "batch noise must decay near the optimum"),
            "l2": penalty,
        }

    def brings(self, signal: str) -> dict[str, Any]:
        """Texts come as hashed n-grams."""
        return {"sequence": {"tokens": "ngrams", "vocabulary": 2**18}}.get(signal, {})

    def want(self, signal: str, *, outputs: int) -> Want:
        """Each stem maps its raw values straight to the outputs."""
        return Want("affine", outputs)
