"""Recurrent network: a text read word by word, by an RNN, LSTM or GRU, one or two ways.

The answer is taken from the largest of each state value over the text, and the last states (Conneau et al. 2017,
arXiv 1705.02364, section 3.2, found the maximum best for sentences). The cells' formulas stand in `trunks/cells.py`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from netwright.data.facts import DataFacts
from netwright.nn.shapes import Want
from netwright.nn.trunks.family import Choice, Choices, Family


class Settings(Family):
    """Settings of the recurrent network."""

    takes: ClassVar[tuple[str, ...]] = ("vector", "sequence")
    gives: ClassVar[tuple[str, ...]] = ("vector", "elements", "pair", "stimulus")
    family: Literal["recurrent"] = "recurrent"
    cell: Literal["rnn", "lstm", "gru"] | None = Field(default=None, description="the recurrent cell")
    width: int | None = Field(default=None, ge=1, description="values of a state, each way")
    depth: int | None = Field(default=None, ge=1, le=16, description="layers, each reading the states of the last")
    both_ways: bool | None = Field(default=None, description="whether a second network reads each text backwards")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="dropout")
    embedding_width: int | None = Field(default=None, ge=1, description="embedding width")
    vocabulary: int | None = Field(default=None, ge=16, description="vocabulary size")
    length: int | None = Field(default=None, ge=1, description="maximum length in words")

    def chosen(self, facts: DataFacts) -> Choices:
        """One layer both ways."""
        if "stimulus" in facts.needs:
            return self._to_write(facts)
        each = "elements" in facts.needs
        return {
            "cell": Choice("gru", "a quarter less work than an LSTM, and as good on texts of this length"),
            "width": Choice(128 if each else 96, "fast enough on a laptop CPU"),
            "depth": Choice(1, "a second layer costs as much again"),
            "both_ways": Choice(True, "a word's meaning may depend on what follows"),
            "dropout": Choice(0.4, "word embeddings trained from scratch overfit early"),
            "embedding_width": Choice(128, "the ladder's default"),
            "vocabulary": Choice(30_000, "a word that is a token of its own is tagged better (docs/dev/log.md)")
            if each
            else Choice(20_000, "rarer words occur too seldom"),
            "length": Choice(
                512 if each and facts.words > 120 else 256 if facts.words > 60 else 128,
                f"texts are {facts.words:.0f} words long on average",
            ),
        }

    def _to_write(self, facts: DataFacts) -> Choices:
        """Two layers one way: what is to be written cannot be read."""
        return {
            "cell": Choice("lstm", "remembers longer than a GRU"),
            "width": Choice(256 if facts.written >= 200_000 else 128, f"about {facts.written:,} tokens"),
            "depth": Choice(2, "the usual first choice for language models"),
            "both_ways": Choice(False, "text to generate cannot be read ahead"),
            "dropout": Choice(0.1 if facts.written >= 2_000_000 else 0.2, f"about {facts.written:,} tokens"),
            "embedding_width": Choice(None, "tokens are as wide as states"),
            "vocabulary": Choice(None, "chosen with the tokenizer"),
            "length": Choice(None, "chosen with the tokenizer"),
        }

    def training(self, facts: DataFacts) -> Choices:
        """AdamW, early stopping."""
        if "stimulus" in facts.needs:
            return {
                "optimizer": Choice("adamw", "robust to the learning rate"),
                "learning_rate": Choice(0.002, "for widths of 128 to 256"),
                "weight_decay": Choice(0.01, "a little"),
                "gradient_clip": Choice(1.0, "a recurrent gradient can explode (Pascanu et al. 2013)"),
                "batch_size": Choice(min(32, max(facts.rows, 1)), "the usual first choice"),
                "epochs": Choice(10, "an upper bound; early stopping decides"),
                "patience": Choice(2, "early stopping"),
                "schedule": Choice("cosine", "decays smoothly to zero"),
                "warmup": Choice(0.03, "the first gradients are large"),
            }
        if "elements" in facts.needs:
            return self._of_words(facts)
        return {
            "optimizer": Choice("adamw", "robust to the learning rate"),
            "learning_rate": Choice(0.002, "for widths of about 100"),
            "weight_decay": Choice(0.01, "a little"),
            "gradient_clip": Choice(1.0, "a recurrent gradient can explode (Pascanu et al. 2013)"),
            "batch_size": Choice(64 if facts.rows >= 4000 else 32, f"{facts.rows:,} training rows"),
            "epochs": Choice(6 if facts.rows >= 4000 else 20, "an upper bound; early stopping decides"),
            "patience": Choice(2 if facts.rows >= 4000 else 5, "word embeddings trained from scratch overfit early"),
            "schedule": Choice("cosine", "decays smoothly to zero"),
        }

    def _of_words(self, facts: DataFacts) -> Choices:
        """A row of tags gives an answer for each word, a span one among all words."""
        answers = int(facts.rows * max(facts.words, 1.0)) if facts.each else facts.rows
        many = answers >= (100_000 if facts.each else 2000)
        batch = 16 if not many else 64 if facts.each else 32
        return {
            "optimizer": Choice("adamw", "robust to the learning rate"),
            "learning_rate": Choice(0.004, "tried on tagged news (docs/dev/log.md)"),
            "weight_decay": Choice(0.01, "a little"),
            "gradient_clip": Choice(1.0, "a recurrent gradient can explode (Pascanu et al. 2013)"),
            "batch_size": Choice(batch, f"about {answers:,} answers to learn from"),
            "epochs": Choice((6 if facts.each else 10) if many else 30, "an upper bound; early stopping decides"),
            "patience": Choice(2 if many else 8, "word embeddings trained from scratch overfit early"),
            "schedule": Choice("cosine", "decays smoothly to zero"),
        }

    def brings(self, signal: str) -> dict[str, Any]:
        """Texts as words of a vocabulary."""
        if signal == "sequence":
            return {"tokens": "words", "vocabulary": self.vocabulary or 20_000, "length": self.length or 256}
        return {"vector": {"scale": "robust"}}.get(signal, {})

    def brings_target(self, need: str) -> dict[str, Any]:
        """The context and vocabulary of what is written, where they are named here."""
        return {"vocabulary": self.vocabulary, "length": self.length} if need == "stimulus" else {}

    def writes_after(self, needs: frozenset[str]) -> bool:
        """Inputs are the beginning of what is written."""
        return "stimulus" in needs

    def want(self, signal: str, *, outputs: int) -> Want:
        """Texts as sequences, all else as vectors."""
        return Want("sequence", self.embedding_width, {"deviation": 0.1}) if signal == "sequence" else Want("vector")

    def refuse(self, facts: DataFacts) -> str | None:
        """Without a text it has nothing to read, unless it writes one."""
        if "stimulus" in facts.needs:
            if facts.has("grid"):
                return "an image cannot be a prompt; transformer with model.form encoder_decoder reads it"
            return "it does not write both ways" if self.both_ways else super().refuse(facts)
        if facts.has("grid"):
            return "it does not read images; convnet and transformer read images beside texts"
        if not facts.has("sequence"):
            return "there is no text among the inputs; mlp reads tables"
        return super().refuse(facts)

    @classmethod
    def tiny(cls) -> Settings:
        """One layer of 16 units both ways."""
        return cls(
            cell="lstm", width=16, depth=1, both_ways=True, dropout=0.0, embedding_width=16, vocabulary=64, length=16
        )
