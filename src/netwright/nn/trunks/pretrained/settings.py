"""Pretrained: a checkpoint's network reads texts or images; what it makes of them is pooled into a vector.

The checkpoint brings its tokenizer, its pair template, its image size and normalisation. Several texts enter it together,
as the pair it was trained on; other columns are fused with the vector behind it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from netwright import pretrained
from netwright.data.facts import DataFacts
from netwright.nn.shapes import Want
from netwright.nn.trunks.family import Adapt, Choice, Choices, Family
from netwright.nn.trunks.transformer.settings import Settings as Transformer
from netwright.nn.trunks.transformer.settings import adapting, going_on
from netwright.pretrained import Marks
from netwright.pretrained.layouts import rotary_base, rotary_scaling

SPEED = 1e11  # multiplications and additions a second of a laptop's processor, about, by which a default is chosen
PATIENCE = 900.0  # seconds of training on a processor above which all weights are not learnt unless asked


class Settings(Family):
    """Settings of a pretrained network."""

    family: Literal["pretrained"] = "pretrained"
    layout: pretrained.Layout | None = Field(default=None, description="which network the checkpoint is of")
    role: pretrained.Role | None = Field(
        default=None, description="what it was trained to do: encoder, decoder, encoder_decoder, vision"
    )
    purpose: Literal["answers", "writes"] | None = Field(default=None, description="whether it answers rows, or writes texts")  # fmt: skip
    config: dict[str, Any] | None = Field(default=None, description="the checkpoint's own configuration")
    marks: dict[str, Any] | None = Field(default=None, description="the special tokens round one text and between two")
    pooling: Literal["mean", "cls", "last"] | None = Field(
        default=None, description="how the states of a text's tokens become one vector"
    )
    length: int | None = Field(
        default=None, ge=4, description="maximum length in tokens of all texts of a row together"
    )
    window: int | None = Field(default=None, ge=4, description="tokens of a text read at once for tags and spans")
    width: int | None = Field(
        default=None, ge=1, description="values of the layers that fuse the vector with other columns"
    )
    dropout: float | None = Field(default=None, ge=0, lt=1, description="dropout before the head")
    inner_dropout: float | None = Field(default=None, ge=0, lt=1, description="dropout inside the checkpoint's network")

    gives: ClassVar[tuple[str, ...]] = ("vector", "elements", "pair", "stimulus")

    @property
    def builds(self) -> str:
        """Of a checkpoint that writes the whole network, else what reads."""
        return "writer" if self.purpose == "writes" else "net"

    def checkpoint(self) -> pretrained.Checkpoint:
        """Return the checkpoint. Raises `InputError` where none is named, or it cannot be read."""
        return pretrained.opened(self.start or "")

    def chosen(self, facts: DataFacts) -> Choices:
        """All that the checkpoint says of itself, and how far it is adapted."""
        if not self.start:  # a network that is trained from nothing
            return {}
        held = self.checkpoint()
        own = "the checkpoint's own"
        if "stimulus" in facts.needs:
            return self._for_writing(held, facts)
        pooled = held.pooling or ("last" if held.role == "decoder" else "mean")
        words = "elements" in facts.needs
        length = self.length or self._length(held, facts, whole=words)
        return {
            **self._own(held), "purpose": Choice("answers", "no target is a text that is written"),
            "pooling": Choice(pooled, own if held.pooling else "the last token has seen all others" if pooled == "last" else "robust for encoders"),
            "length": Choice(length, "as many as it can read" if words else f"texts are {facts.words:.0f} words long on average"),
            "window": Choice(max(4, (length - 4) // max(facts.count("sequence"), 1)) if words else None, "all texts of a row fill its context" if words else "no target refers to words"),
            "width": Choice(128, "the usual first choice"), "dropout": Choice(0.1, "light dropout before the head"),
            "inner_dropout": Choice(0.0, "few epochs hardly overfit, and on a processor its random numbers take more time than all else (docs/dev/log.md)"),
            "adapt": self._adapt(held, facts),
        }  # fmt: skip

    @staticmethod
    def _own(held: pretrained.Checkpoint) -> Choices:
        marks = held.marks and {"before": held.marks.before, "between": held.marks.between, "behind": held.marks.behind, "typed": held.marks.typed}  # fmt: skip
        values = {
            "layout": held.layout,
            "role": held.role,
            "config": held.config,
            "marks": marks,
            "digest": held.digest,
        }
        return {name: Choice(value, "the checkpoint's own") for name, value in values.items()}

    def _for_writing(self, held: pretrained.Checkpoint, facts: DataFacts) -> Choices:
        """Nothing of it is pooled; texts that it reads are cut to what it can read."""
        reads = held.role == "encoder_decoder"
        return {
            **self._own(held), "purpose": Choice("writes", "the target is a text that is written"),
            "length": Choice(self._length(held, facts, whole=True) if reads else None, "as many as it can read" if reads else "chosen with the tokenizer"),
            "inner_dropout": Choice(0.0, "few epochs hardly overfit"), "adapt": adapting(held.count),
        }  # fmt: skip

    def _length(self, held: pretrained.Checkpoint, facts: DataFacts, *, whole: bool) -> int:
        most = int(held.config.get("max_position_embeddings") or held.config.get("n_positions") or 512)
        if held.config.get("model_type") in ("roberta", "xlm-roberta", "camembert"):
            most -= 2  # their places begin at 2
        if whole:
            return min(most, 512)
        wanted = next((size for size in (128, 256, 512) if facts.words * 1.7 + 16 <= size / 2), 512)
        return min(most, wanted)

    def _adapt(self, held: pretrained.Checkpoint, facts: DataFacts) -> Choice:
        """Frozen for few rows and for networks too large for this machine, else head first and then all."""
        weights = held.count
        tokens = min(facts.words * 1.4 + 2, 512.0) if held.role != "vision" else 0.0
        looked_up = int(held.config.get("vocab_size") or 0) * int(held.config.get("hidden_size") or 0)  # no product
        work = 6 * max(weights - looked_up, 0) * tokens * facts.rows * 3 if tokens else 4e9 * facts.rows * 5
        seconds = work / SPEED
        about = f"learning all its {weights / 1e6:.0f} M weights would take about {seconds / 60:,.0f} minutes on a processor"
        if "pair" in facts.needs:  # no head is there to learn: what makes the vectors does
            if seconds > PATIENCE:
                return Choice(Adapt(how="top:2"), f"{about}; pairs train the embedding itself")
            return Choice(Adapt(how="full"), f"{about}; pairs train the embedding itself")
        if facts.rows < 300:
            return Choice(
                Adapt(how="frozen"), f"{facts.rows:,} training rows are few for {weights / 1e6:.0f} M weights"
            )
        if seconds > PATIENCE:
            return Choice(Adapt(how="frozen"), about)
        return Choice(
            Adapt(how="head"), f"{about}; the head is trained first, so that it does not damage the pretrained weights"
        )

    def training(self, facts: DataFacts) -> Choices:
        """Few epochs at a small rate; a frozen network's head at a large one."""
        if "stimulus" in facts.needs:
            return going_on(facts, self.adapt)
        how = self.adapt.how if self.adapt else "head"
        common = {
            "optimizer": Choice("adamw", "the usual choice for pretrained networks"),
            "weight_decay": Choice(0.01, "the usual order"),
            "gradient_clip": Choice(1.0, "clips rare large gradients"),
        }
        if how == "frozen":
            return {
                **common,
                "learning_rate": Choice(0.003, "the head alone learns"),
                "batch_size": Choice(64 if facts.rows >= 2000 else 16, f"{facts.rows:,} training rows"),
                "epochs": Choice(40, "epochs on cached features are cheap; early stopping decides"),
                "patience": Choice(8, "early stopping"),
                "schedule": Choice("cosine", "decays smoothly to zero"),
            }
        rate = 0.0003 if how == "lora" else 0.00005 if self.role != "vision" else 0.0005
        return {
            **common,
            "learning_rate": Choice(
                rate, "for LoRA's matrices" if how == "lora" else "the usual order for pretrained weights"
            ),
            "batch_size": Choice(64, "the batch's other pairs are the negatives")
            if "pair" in facts.needs
            else Choice(32 if facts.rows >= 1000 else 16, f"{facts.rows:,} training rows"),
            "epochs": Choice(3 if facts.rows >= 1000 else 6, "pretrained weights learn a task in few passes"),
            "patience": Choice(0, "the schedule must complete, so no early stopping"),
            "schedule": Choice("linear", "the usual choice for pretrained networks"),
            "warmup": Choice(0.06, "the head's first gradients are noisy"),
        }

    def brings(self, signal: str) -> dict[str, Any]:
        """The checkpoint's tokenizer, its image size and normalisation."""
        if not self.start:
            size = (self.config or {}).get("vocab_size", 1000)
            return (
                {"tokens": "words", "vocabulary": size, "length": (self.length or 64) - 4}
                if signal == "sequence"
                else {}
            )
        held = self.checkpoint()
        if signal == "sequence" and held.tokenizer:
            room = (self.length or 512) - (held.marks.count if held.marks else 0)
            return {"tokens": "given", "tokenizer": str(held.path), "length": self.window or max(room, 1)}
        if signal == "sequence":
            return {"tokens": "ngrams"}
        if signal == "grid" and held.sight is not None:
            sight = held.sight
            return {"size": sight.size, "channels": len(sight.mean), "mean": sight.mean, "deviation": sight.deviation}
        return {"vector": {"scale": "robust"}}.get(signal, {})

    def cuts(self, lengths: dict[str, Any]) -> tuple[Any, str]:
        """Rows whose texts together are too long; a single text is cut, and that said, where it is encoded."""
        if len(lengths) < 2 or self.window or self.marks is None or self.length is None:
            return None, ""
        marks = self.marks
        room = self.length - len(marks["before"]) - len(marks["behind"]) - len(marks["between"]) * (len(lengths) - 1)
        return sum(
            lengths.values()
        ) > room, f"texts that together have more than {room} tokens: the longest loses its end"

    def want(self, signal: str, *, outputs: int) -> Want:
        """Its own columns as tokens or pixels, all else as vectors."""
        if signal == "sequence":
            return Want("ids") if self.role != "vision" else Want("vector", 64)
        return Want("grid") if signal == "grid" else Want("vector")

    def instead(self, facts: DataFacts) -> Family | None:
        """What is written by a network of Llama's layout is written by netwright's own transformer."""
        if "stimulus" not in facts.needs or not self.start:
            return None
        held = self.checkpoint()
        return of_llama(held.config, start=self.start, adapt=self.adapt) if held.layout == "llama" else None

    def refuse(self, facts: DataFacts) -> str | None:
        """It must find a column of its own."""
        if not self.start and not self.config:
            return "no checkpoint is named; --model FOLDER names one"
        role = self.role or self.checkpoint().role
        if "stimulus" in facts.needs:
            return self._refuse_to_write(role, facts)
        if role == "vision" and not facts.has("grid"):
            return "its checkpoint reads images, and there is none among the inputs"
        if role == "vision" and "elements" in facts.needs:
            return "its checkpoint reads images, and the target is about words"
        if "pair" in facts.needs and self.adapt is not None and self.adapt.how in ("frozen", "head"):
            return f"pairs train the embedding itself, and --adapt {self.adapt.how} leaves nothing to train; full, top:NUMBER and lora do"
        if role != "vision" and not facts.has("sequence"):
            return "its checkpoint reads texts, and there is none among the inputs"
        if role != "vision" and facts.has("grid"):
            return "its checkpoint reads texts, and there is an image among the inputs; transformer reads both"
        return super().refuse(facts)

    def _refuse_to_write(self, role: str, facts: DataFacts) -> str | None:
        """A text is written by a decoder, after its inputs or after nothing, or by an encoder-decoder, of its inputs."""
        if role not in ("decoder", "encoder_decoder"):
            return f"its {role} network generates no text; a decoder or encoder-decoder does"
        if self.adapt is not None and self.adapt.how in ("frozen", "head"):
            return f"a generator has no new head, so --adapt {self.adapt.how} leaves nothing to train; full, top:NUMBER and lora do"
        if role == "decoder":
            return None
        if facts.chats:
            return "its encoder reads texts, and conversations have no inputs; a decoder goes on with them"
        foreign = [kind for signal, kinds in facts.signals.items() if signal != "sequence" for kind in kinds]
        if foreign or not facts.kinds:
            return f"its encoder reads texts alone, and there is {', '.join(foreign) or 'none among the inputs'}"
        return None

    def writes_after(self, needs: frozenset[str]) -> bool:
        """A decoder goes on with its inputs; an encoder-decoder reads them."""
        return "stimulus" in needs and bool(self.start) and self.checkpoint().role == "decoder"

    def brings_target(self, need: str) -> dict[str, Any]:
        """The checkpoint's tokenizer, for texts that it writes."""
        if need != "stimulus" or not self.start:
            return {}
        held = self.checkpoint()
        most = None if held.role == "encoder_decoder" else self.length
        return {"tokenizer": str(held.path), "vocabulary": int(held.config["vocab_size"]), "length": most}

    def brings_head(self, need: str) -> dict[str, Any]:
        """Tokens are read and answered by the checkpoint's own tables."""
        return {"given": True} if need == "stimulus" else {}

    @classmethod
    def tiny(cls) -> Settings:
        """A BERT of two layers, untrained."""
        config = {
            "model_type": "bert", "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 64, "max_position_embeddings": 64,
        }  # fmt: skip
        marks = {"before": (2,), "between": (3,), "behind": (3,), "typed": True}
        return cls(
            layout="transformers",
            role="encoder",
            config=config,
            marks=marks,
            pooling="mean",
            length=32,
            width=32,
            dropout=0.0,
            inner_dropout=0.0,
        )


def told_marks(told: dict[str, Any] | None) -> Marks | None:
    """Return special tokens round texts as settings keep them."""
    if not told:
        return None
    before, between, behind = (tuple(told[name]) for name in ("before", "between", "behind"))
    return Marks(before, between, behind, typed=bool(told["typed"]))


def of_llama(config: dict[str, Any], **more: Any) -> Transformer:
    """Return the settings of netwright's transformer for a configuration of Llama's layout."""
    return Transformer(
        width=config["hidden_size"], depth=config["num_hidden_layers"], heads=config["num_attention_heads"],
        key_heads=config.get("num_key_value_heads") or config["num_attention_heads"], hidden=config["intermediate_size"],
        head_size=config.get("head_dim"), biased=config.get("model_type") == "qwen2", normed=config.get("model_type") == "qwen3",
        rotary_base=rotary_base(config), rotary_scaling=rotary_scaling(config), epsilon=config.get("rms_norm_eps", 1e-6), dropout=0.0, form="decoder", **more,
    )  # fmt: skip
