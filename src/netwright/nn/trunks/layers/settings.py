"""Layers: the user's own stack, one entry a layer, the last of which is the head.

    model:
      family: layers
      layers:
        - convolution: {channels: 32, kernel: 3, activation: relu}
        - max_pool: 2
        - flatten
        - dense: {units: 10, activation: softmax}

A layer is its name, its name with its main setting, or its name with all of them. A softmax or sigmoid at the end
folds into the loss.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializationInfo, field_validator, model_serializer

from netwright.data.facts import DataFacts
from netwright.errors import InputError, Problem, nearest
from netwright.nn.shapes import Want
from netwright.nn.trunks.family import Choice, Choices, Family
from netwright.recipe import Settings as Base
from netwright.recipe import validate

Activation = Literal["identity", "sigmoid", "tanh", "relu", "leaky_relu", "gelu", "silu", "softmax"]
Initial = Literal["glorot", "he", "orthogonal", "zeros"]
_ACTIVATION: Any = Field(default="identity", description="what follows the layer")
_INIT: Any = Field(default=None, description="how weights start; he before relu-like activations, glorot elsewhere")


class Layer(Base):
    """One layer's settings. `main`: the setting that a bare value means."""

    main: ClassVar[str | None] = None


class Dense(Layer):
    """y = activation(xW + b)."""

    main: ClassVar[str | None] = "units"
    units: int = Field(ge=1, description="neurons")
    activation: Activation = _ACTIVATION
    init: Initial | None = _INIT
    bias: bool = Field(default=True, description="whether b is there")


class Embedding(Layer):
    """A learnt vector for each token of a text; only the first layer."""

    main: ClassVar[str | None] = "units"
    units: int = Field(ge=1, description="values of a vector")
    vocabulary: int = Field(default=10_000, ge=16, description="most frequent tokens that have a vector")
    length: int = Field(default=200, ge=1, description="maximum length in tokens")
    tokens: Literal["words", "characters", "bpe"] = Field(default="words", description="what a token is")


class Convolution(Layer):
    """1-D over a sequence, 2-D over an image, 3-D over a video, by what comes in."""

    main: ClassVar[str | None] = "channels"
    channels: int = Field(ge=1, description="filters")
    kernel: int = Field(default=3, ge=1, description="elements of a filter's side")
    stride: int = Field(default=1, ge=1, description="elements between two places of a filter")
    padding: Literal["valid", "same"] = Field(default="valid", description="same: zeros round the edge keep the size")
    activation: Activation = _ACTIVATION
    init: Initial | None = _INIT


class MaxPool(Layer):
    """The largest of each window."""

    main: ClassVar[str | None] = "size"
    size: int = Field(default=2, ge=1, description="elements of a window's side")


class AveragePool(Layer):
    """The mean of each window; without a size, of all."""

    main: ClassVar[str | None] = "size"
    size: int | None = Field(default=None, ge=1, description="elements of a window's side; all if not given")


class Flatten(Layer):
    """All values in one vector."""


class Dropout(Layer):
    """Values silenced at random while training."""

    main: ClassVar[str | None] = "share"
    share: float = Field(default=0.5, ge=0, lt=1, description="dropout rate")


class BatchNorm(Layer):
    """Centred and scaled by the batch's mean and variance: a row's answer then depends on its batch while training."""


class LayerNorm(Layer):
    """Centred and scaled by a row's own mean and variance."""


class RmsNorm(Layer):
    """Scaled by a row's own root mean square."""


class Recurrent(Layer):
    """A recurrent layer over a sequence."""

    main: ClassVar[str | None] = "units"
    units: int = Field(ge=1, description="values of the state")
    both_ways: bool = Field(default=False, description="whether a second one reads backwards")
    gives: Literal["last", "sequence"] = Field(
        default="last", description="the state after the last real token, or all states"
    )


class Attention(Layer):
    """Multi-head self-attention over a sequence (one head: plain self-attention)."""

    main: ClassVar[str | None] = "heads"
    heads: int = Field(default=1, ge=1, description="heads; the width is a multiple of them")
    causal: bool = Field(default=False, description="whether an element sees only those before it")


class Position(Layer):
    """Adds each element's place to it."""

    main: ClassVar[str | None] = "encoding"
    encoding: Literal["sinusoidal", "learned"] = Field(
        default="sinusoidal", description="fixed waves, or learnt vectors"
    )
    length: int = Field(default=2048, ge=1, description="places that learnt vectors are there for")


class ActivationLayer(Layer):
    """An activation by itself."""

    main: ClassVar[str | None] = "name"
    name: Activation = Field(description="which")


class Residual(Layer):
    """x + layers(x)."""

    main: ClassVar[str | None] = "layers"
    layers: Layers = Field(description="a stack that keeps the shape")


KINDS: dict[str, type[Layer]] = {
    "dense": Dense, "embedding": Embedding, "convolution": Convolution, "max_pool": MaxPool, "average_pool": AveragePool,
    "flatten": Flatten, "dropout": Dropout, "batch_norm": BatchNorm, "layer_norm": LayerNorm, "rms_norm": RmsNorm,
    "rnn": Recurrent, "lstm": Recurrent, "gru": Recurrent, "attention": Attention, "position": Position,
    "activation": ActivationLayer, "residual": Residual,
}  # fmt: skip


class Entry(Base):
    """A layer and its name."""

    name: str
    layer: Layer

    @model_serializer(mode="plain")
    def _as_given(self, info: SerializationInfo) -> dict[str, Any]:
        """As it stands in a recipe, so that a run's recipe can be read back: {name: all its settings}."""
        return {self.name: self.layer.model_dump(mode=info.mode)}


def _layers(value: Any) -> Any:
    """Read a list of layers in any of their three forms."""
    if not isinstance(value, list | tuple):
        raise ValueError("a list of layers, such as [{dense: 10}]")
    return tuple(_entry(item, number) for number, item in enumerate(value, 1))


def _entry(item: Any, number: int) -> Entry:
    if isinstance(item, Entry):
        return item
    where = f"model.layers.{number}"
    if isinstance(item, dict) and len(item) != 1:
        raise InputError(Problem(where, f"got {len(item)} keys", allowed="one name, as in - dense: 10"))
    name, given = next(iter(item.items())) if isinstance(item, dict) else (item, {})
    if name not in KINDS:
        raise InputError(Problem(where, f"there is no layer {name!r}", fix=nearest(str(name), KINDS)))
    kind = KINDS[name]
    if not isinstance(given, dict):
        if given is not None and kind.main is None:
            raise InputError(Problem(f"{where}.{name}", f"got {given!r}", allowed="no settings"))
        given = {} if given is None else {str(kind.main): given}
    return Entry(name=name, layer=validate(kind, given, where=f"{where}.{name}"))


Layers = Annotated[tuple[Entry, ...], BeforeValidator(_layers)]
Residual.model_rebuild()


class Settings(Family):
    """Settings of the user's own stack."""

    gives: ClassVar[tuple[str, ...]] = ("vector",)
    family: Literal["layers"] = "layers"
    layers: Layers = Field(default=(), description="the layers, first to last; the last one is the head")

    @field_validator("layers")
    @classmethod
    def _some(cls, value: tuple[Entry, ...]) -> tuple[Entry, ...]:
        if value and any(entry.name == "embedding" for entry in value[1:]):
            raise ValueError("embedding can only be the first layer: it reads the tokens")
        first = value[0].layer if value else None
        if isinstance(first, Embedding):
            short = [
                entry.layer.length
                for entry in value
                if isinstance(entry.layer, Position) and entry.layer.length < first.length
            ]
            if short:
                text = f"position has {short[0]} places, and embedding lets texts have {first.length} tokens"
                raise ValueError(f"{text}: raise the one's length or lower the other's")
        return value

    @property
    def embedding(self) -> Embedding | None:
        """The first layer, where it is an embedding."""
        first = self.layers[0].layer if self.layers else None
        return first if isinstance(first, Embedding) else None

    def training(self, facts: DataFacts) -> Choices:
        """Keras's and the ladder's habits: Adam, batches of 32, 10 epochs."""
        return {
            "optimizer": Choice("adam", "the usual first choice"),
            "learning_rate": Choice(0.001, "Adam's published default (Kingma & Ba 2015)"),
            "batch_size": Choice(32, "the usual first choice"),
            "epochs": Choice(10, "the usual first choice"),
            "schedule": Choice("constant", "as the stack says nothing else"),
            "patience": Choice(0, "all epochs are run; the best weights are kept"),
        }

    def brings(self, signal: str) -> dict[str, Any]:
        """Texts as the embedding layer reads them."""
        first = self.embedding
        if signal == "sequence" and first is not None:
            return {"tokens": first.tokens, "vocabulary": first.vocabulary, "length": first.length}
        return {"sequence": {"tokens": "ngrams", "vocabulary": 2**17}}.get(signal, {})

    def want(self, signal: str, *, outputs: int) -> Want:
        """Texts as embedded sequences, images as grids, all else as vectors."""
        first = self.embedding
        if signal == "sequence" and first is not None:
            return Want("sequence", first.units)
        return Want("grid") if signal == "grid" else Want("vector", 64 if signal == "sequence" else None)

    def refuse(self, facts: DataFacts) -> str | None:
        """A stack has one way in."""
        if not self.layers:
            return "it has no layers: give model.layers in a recipe, such as [{dense: 16}, {dense: 1}]"
        if not facts.table and sum(facts.kinds.values()) > 1:
            return "a stack of layers has one way in: one text, one image, or a table; transformer reads them together"
        return super().refuse(facts)

    @classmethod
    def tiny(cls) -> Settings:
        """A pooled or flat input, one hidden layer; its outputs are set by whoever builds it."""
        return cls.model_validate(
            {"layers": [{"flatten": {}}, {"dense": {"units": 32, "activation": "relu"}}, {"dense": 1}]}
        )
