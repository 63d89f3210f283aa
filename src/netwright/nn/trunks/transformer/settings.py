"""Transformer: text tokens, image patches and table columns as elements that attend to each other.

Vaswani et al. 2017 (arXiv 1706.03762), in the present form: RMSNorm before each half (Zhang & Sennrich 2019,
arXiv 1910.07467), rotary positions (Su et al. 2021, arXiv 2104.09864), SwiGLU (Shazeer 2020, arXiv 2002.05202),
grouped queries on request (Ainslie et al. 2023, arXiv 2305.13245). Where it writes text it has Llama's layout (Touvron
et al. 2023, arXiv 2302.13971): inputs are the causal beginning of what is written. As encoder and decoder (the 2017
form) the inputs see themselves whole, and the writer sees them by attention of its own.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from netwright import pretrained
from netwright.data.facts import DataFacts
from netwright.nn.shapes import Want
from netwright.nn.trunks.family import Adapt, Choice, Choices, Family

SIZES = {"tiny": 1_200_000, "small": 10_000_000, "medium": 85_000_000}
A_WEIGHT = 20  # tokens that a weight should see: Hoffmann et al. 2022 (arXiv 2203.15556), "Chinchilla"
PASSES = 8  # over the same rows at most; beyond four, gains shrink (Muennighoff et al. 2023, arXiv 2305.16264)
MANY = 20e6  # weights of a checkpoint from which LoRA is the default (assumed)
SEEN = 4096  # tokens a step of a language model, about


class Settings(Family):
    """Settings of the Transformer."""

    gives: ClassVar[tuple[str, ...]] = ("vector", "elements", "pair", "stimulus")
    keeps_apart: ClassVar[bool] = True
    family: Literal["transformer"] = "transformer"
    size: str | None = Field(default=None, description="model size for text generation, sets width and depth: tiny (1.2M weights), small (10M), medium (85M), or a number of weights such as 30M")  # fmt: skip
    form: Literal["decoder", "encoder_decoder"] | None = Field(default=None, description="for text generation: decoder (inputs as prompt, Llama's layout) or encoder_decoder")  # fmt: skip
    width: int | None = Field(
        default=None, ge=4, description="values of an element (hidden size); a multiple of 2 · heads"
    )
    depth: int | None = Field(default=None, ge=1, le=200, description="layers")
    heads: int | None = Field(default=None, ge=1, description="attention heads")
    key_heads: int | None = Field(default=None, ge=1, description="key-value heads (grouped-query attention)")
    hidden: int | None = Field(default=None, ge=1, description="hidden width of the feed-forward layer")
    head_size: int | None = Field(default=None, ge=2, multiple_of=2, description="values of a head; left out: width / heads")  # fmt: skip
    biased: bool = Field(default=False, description="whether queries, keys and values have a bias (Qwen2)")
    normed: bool = Field(default=False, description="whether each head's queries and keys are normed (Qwen3)")
    rotary_base: float = Field(default=10_000.0, gt=0, description="base of the rotary positions' frequencies")
    rotary_scaling: dict[str, Any] | None = Field(default=None, description="RoPE scaling for longer texts: rope_type linear, llama3 or factors, and its numbers")  # fmt: skip
    epsilon: float = Field(default=1e-6, gt=0, description="added to the mean square that RMSNorm divides by")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="dropout")
    vocabulary: int | None = Field(default=None, ge=16, description="vocabulary size")
    length: int | None = Field(default=None, ge=1, description="maximum length in tokens")
    patch: int | None = Field(default=None, ge=1, description="pixels of a side of an image patch")

    @field_validator("size")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in SIZES and _weights(value) is None:
            raise ValueError(f"{value!r} is none of {', '.join(SIZES)}, nor a number of weights such as 30M")
        return value

    @model_validator(mode="after")
    def _whole_heads(self) -> Settings:
        if self.width and self.heads and not self.head_size and self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of 2 · heads = {2 * self.heads}")
        if self.heads and self.key_heads and self.heads % self.key_heads:
            raise ValueError(f"heads {self.heads} must be a multiple of key_heads = {self.key_heads}")
        return self

    def chosen(self, facts: DataFacts) -> Choices:
        """Small by default: it must train on a laptop."""
        if "stimulus" in facts.needs:
            return self._for_writing(facts)
        width = 64 if facts.rows < 2000 else 128
        length = 256 if facts.words > 60 else 128
        return {
            **self._shape(width, 2 if facts.rows < 2000 else 3, 4, f"{facts.rows:,} training rows"),
            "dropout": Choice(
                0.2 if facts.has("sequence") else 0.1, "a Transformer trained from scratch on few rows overfits early"
            ),
            "vocabulary": Choice(10_000, "the ladder's default; enough for a small corpus"),
            "length": Choice(length, f"texts are {facts.words:.0f} words long on average"),
            "patch": Choice(4, "28×28 pixels give 49 patches"),
        }

    def _shape(self, width: int, depth: int, heads: int, why: str) -> Choices:
        own = self.width or width
        heads = self.heads or heads
        return {
            "width": Choice(width, why), "depth": Choice(depth, why),
            "heads": Choice(heads, f"{own // heads} values a head"),
            "key_heads": Choice(heads, "each head has its own keys"),
            "hidden": Choice(-(-8 * own // 3 // 8) * 8, "8/3 of the width: as many weights as two matrices of 4 widths (Shazeer 2020)"),
        }  # fmt: skip

    def _for_writing(self, facts: DataFacts) -> Choices:
        """Width and depth from the one dial."""
        wanted, why = self._wanted(facts)
        width, depth = shape(wanted, self.vocabulary or _vocabulary(facts))
        form = "encoder_decoder" if facts.has("grid") else "decoder"
        held = self._checkpoint()
        if held is not None:  # all else is the checkpoint's own
            return {"adapt": adapting(held.count), "digest": Choice(held.digest, "the checkpoint's own")}
        return {
            **self._shape(width, depth, _heads(self.width or width), why),
            "form": Choice(form, "an image is read whole" if form != "decoder" else "the layout that every engine loads"),
            "dropout": Choice(0.1 if facts.written * PASSES < A_WEIGHT * wanted else 0.0, f"about {facts.written:,} tokens to learn from"),
            "vocabulary": Choice(None, "chosen with the tokenizer") if not self._reads_whole else Choice(8000, "enough for a small corpus"),
            "length": Choice(None, "chosen with the tokenizer") if not self._reads_whole else Choice(256, "tokens of an input"),
            "patch": Choice(4, "28×28 pixels give 49 patches"),
        }  # fmt: skip

    @property
    def _reads_whole(self) -> bool:
        return self.form == "encoder_decoder"

    def _wanted(self, facts: DataFacts) -> tuple[int, str]:
        """The number of weights, and why."""
        if self.size is not None:
            return SIZES.get(self.size) or _weights(self.size) or 0, f"--model.size {self.size}"
        wanted = int(min(SIZES["tiny"], max(300_000, facts.written / 5)))
        return wanted, f"about {facts.written:,} tokens and a laptop; --model.size small is a larger one"

    def training(self, facts: DataFacts) -> Choices:
        """AdamW with a warm-up and a cosine."""
        if "stimulus" in facts.needs:
            return self._training_to_write(facts)
        many = facts.rows >= 2000
        if many and facts.table:  # a table is not learnt by heart as texts are
            epochs, patience = (
                Choice(15, "the schedule's length"),
                Choice(0, "the schedule must complete, so no early stopping"),
            )
        else:
            epochs = Choice(15 if many else 60, "an upper bound; early stopping decides")
            patience = Choice(4 if many else 15, "early stopping")
        return {
            "optimizer": Choice("adamw", "the usual choice for Transformers"),
            "learning_rate": Choice(0.001, "for widths of 64 to 128"),
            "weight_decay": Choice(0.05, "the usual order for small Transformers"),
            "gradient_clip": Choice(1.0, "clips rare large gradients"),
            "batch_size": Choice(64 if many else 32, f"{facts.rows:,} training rows"),
            "epochs": epochs,
            "patience": patience,
            "schedule": Choice("cosine", "decays smoothly to zero"),
            "warmup": Choice(0.05, "attention needs small first steps"),
        }

    def _training_to_write(self, facts: DataFacts) -> Choices:
        if self._checkpoint() is not None:
            return going_on(facts, self.adapt)
        wanted, _ = self._wanted(facts)
        width = self.width or shape(wanted, self.vocabulary or _vocabulary(facts))[0]
        passes = -(-A_WEIGHT * wanted // max(facts.written, 1))
        a_row = max(1, facts.written // max(facts.rows, 1))  # tokens of a row
        return {
            "optimizer": Choice("adamw", "the usual choice for Transformers"),
            "learning_rate": Choice(round(0.002 * (128 / width) ** 0.5, 5), f"for a width of {width} (0.002 at 128, falling with its root: assumed)"),
            "beta2": Choice(0.98, "between 0.999, slow to notice larger gradients, and 0.95, meant for large batches"),
            "weight_decay": Choice(0.1, "the usual order for language models"),
            "gradient_clip": Choice(1.0, "clips rare large gradients"),
            "batch_size": Choice(min(max(4, SEEN // min(a_row, 256)), 64, max(facts.rows, 1)), f"about {SEEN:,} tokens a step"),
            "epochs": Choice(int(min(PASSES, max(1, passes))), f"about {A_WEIGHT} tokens a weight (Hoffmann et al. 2022) of about {facts.written:,} there are, at most {PASSES} passes"),
            "pack": Choice(not facts.kinds and not facts.chats and a_row >= 128, f"a row has about {a_row} tokens"),
            "patience": Choice(2 if facts.rows >= 4000 else 5, "early stopping"),
            "schedule": Choice("cosine", "decays smoothly to zero"),
            "warmup": Choice(0.03, "attention needs small first steps"),
        }  # fmt: skip

    def refuse(self, facts: DataFacts) -> str | None:
        """Messages and pure language models have no inputs to be read whole."""
        written = "stimulus" in facts.needs
        if written and self.form == "encoder_decoder" and not facts.kinds:
            return "an encoder needs inputs, and there are none; model.form decoder works without"
        if written and self.form == "decoder" and facts.has("grid"):
            return "an image cannot be a prompt; model.form encoder_decoder reads it"
        return super().refuse(facts)

    def brings(self, signal: str) -> dict[str, Any]:
        """Texts as words of a vocabulary; numbers robustly scaled."""
        if signal == "sequence":
            level = "bpe" if self._reads_whole else "words"
            return {"tokens": level, "vocabulary": self.vocabulary or 10_000, "length": self.length or 256}
        return {"vector": {"scale": "robust"}}.get(signal, {})

    def _checkpoint(self) -> pretrained.Checkpoint | None:
        """The pretrained checkpoint that it starts from, if it does."""
        return pretrained.opened(self.start) if self.start and pretrained.is_one(self.start) else None

    def brings_head(self, need: str) -> dict[str, Any]:
        """Whether a checkpoint's tokens are answered by the table that reads them."""
        held = self._checkpoint() if need == "stimulus" else None
        return {} if held is None else {"tied": bool(held.config.get("tie_word_embeddings"))}

    def brings_target(self, need: str) -> dict[str, Any]:
        """The context and vocabulary of what is written, where they are named here; a checkpoint's tokenizer."""
        held = self._checkpoint() if need == "stimulus" else None
        if held is not None:
            return {"tokenizer": str(held.path), "vocabulary": int(held.config["vocab_size"]), "length": self.length}
        return (
            {"vocabulary": self.vocabulary, "length": self.length}
            if need == "stimulus" and not self._reads_whole
            else {}
        )

    def writes_after(self, needs: frozenset[str]) -> bool:
        """In the decoder's form the inputs are the beginning."""
        return "stimulus" in needs and not self._reads_whole

    def want(self, signal: str, *, outputs: int) -> Want:
        """All as elements."""
        return Want("sequence", self.width, {"patch": self.patch or 4})

    @classmethod
    def tiny(cls) -> Settings:
        """Two layers of width 32."""
        return cls(width=32, depth=2, heads=2, key_heads=2, hidden=88, dropout=0.0, vocabulary=64, length=16, patch=4)


def adapting(weights: float) -> Choice:
    """How much of a checkpoint that writes is to learn."""
    if weights < MANY:
        return Choice(Adapt(how="full"), f"{weights / 1e6:.0f} M weights can all be trained here")
    return Choice(
        Adapt(how="lora"),
        f"of {weights / 1e6:.0f} M weights or more, LoRA needs less time and memory",
    )


def going_on(facts: DataFacts, adapt: Adapt | None) -> Choices:
    """Pretrained weights learn a task in few passes, at a small rate."""
    lora = adapt is not None and adapt.how == "lora"
    a_row = max(1, facts.written // max(facts.rows, 1))
    return {
        "optimizer": Choice("adamw", "the usual choice for Transformers"),
        "learning_rate": Choice(0.0003 if lora else 0.00003, "for LoRA's matrices" if lora else "the usual order for pretrained weights"),
        "weight_decay": Choice(0.0 if lora else 0.01, "LoRA's rank regularizes already" if lora else "the usual order"),
        "gradient_clip": Choice(1.0, "clips rare large gradients"),
        "batch_size": Choice(min(max(1, 2048 // min(a_row, 512)), 16, max(facts.rows, 1)), "about 2,048 tokens a step"),
        "epochs": Choice(2, "pretrained weights learn a task in few passes"),
        "pack": Choice(False, "rows are prompts and answers"),
        "patience": Choice(1, "early stopping"),
        "schedule": Choice("cosine", "decays smoothly to zero"),
        "warmup": Choice(0.05, "attention needs small first steps"),
    }  # fmt: skip


def _heads(width: int) -> int:
    """How many heads of 64 values (32 in small networks, else the next even number that divides) a width has."""
    usual = 64 if width >= 512 else 32
    return next((width // d for d in (usual, 64, 48, 32, 24, 16, 12, 8, 4, 2) if width % d == 0), 1)


def shape(weights: int, vocabulary: int) -> tuple[int, int]:
    """Return the width and depth whose weights come nearest: 12 · depth · width² + vocabulary · width.

    Width is about 64 times the depth, and a multiple of 32.

    >>> shape(10_000_000, 4096)
    (352, 6)
    """
    tries = [
        (abs(12 * depth * width**2 + vocabulary * width - weights) / weights + 0.2 * abs(width / (64 * depth) - 1), width, depth)
        for depth in range(2, 49)
        for width in range(64, 96 * depth + 1, 32)
    ]  # fmt: skip
    _, width, depth = min(tries)
    return width, depth


def _weights(text: str) -> int | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmMbB]?)", text.strip())
    if not found:
        return None
    return int(float(found[1]) * {"": 1, "k": 1e3, "m": 1e6, "b": 1e9}[found[2].lower()]) or None


def _vocabulary(facts: DataFacts) -> int:
    """About how many tokens a vocabulary learnt from these rows will have."""
    return next(size for least, size in ((1_500_000, 8192), (300_000, 4096), (80_000, 2048), (0, 1024)) if facts.written >= least)  # fmt: skip
