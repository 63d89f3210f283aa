"""Every family with every sort of inputs that it takes: what the invariants are tested on.

n rows. The columns: numbers with gaps, categories of few and of many values, a date, labels, a text (one of them
empty), an image; three targets, one of each kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from netwright import registry
from netwright.data.describe import facts_of
from netwright.nn.signal import Signal
from netwright.nn.trunks.family import Family
from netwright.training.pipeline import Work

from ..training.small import worked

TARGETS = ["y", "c", "l"]
INPUTS = {
    "table": ["a", "b", "few", "many", "day", "tags"],
    "text": ["words"],
    "image": ["picture"],
    "mixed": ["a", "b", "few", "many", "day", "tags", "words", "picture"],
}
KINDS = {
    "a": "number", "b": "number", "few": "category", "many": "category", "day": "date", "tags": "labels", "words": "text",
    "picture": "image", "y": "number", "c": "category", "l": "labels",
}  # fmt: skip
SPOKEN = "the cat sat on a mat and dogs ran far away from home"
WORDS = SPOKEN.split()


def table(rows: int = 24) -> pl.DataFrame:
    random = np.random.default_rng(0)
    numbers = random.normal(size=(rows, 3))
    numbers[::5, 1] = np.nan
    text = [" ".join(random.choice(WORDS, random.integers(1, 12))) for _ in range(rows)]
    text[1] = ""
    return pl.DataFrame({
        "a": numbers[:, 0], "b": numbers[:, 1], "few": random.choice(list("xyz"), rows),
        "many": [f"v{k % 11}" for k in range(rows)], "day": [date(2024, 1, 1) + timedelta(days=17 * k) for k in range(rows)],
        "tags": ["|".join(sorted(set(random.choice(list("pqr"), k % 4)))) for k in range(rows)], "words": text,
        "picture": random.integers(0, 256, (rows, 8, 8)).astype(np.uint8), "y": numbers[:, 2],
        "c": np.array(list("uvw"))[random.permutation(np.arange(rows) % 3)],
        "l": np.array(["p|q", "q", "", "p"])[random.permutation(np.arange(rows) % 4)],
    })  # fmt: skip


OUTPUTS = 1 + 3 + 2  # of the three targets
STACKS: dict[str, list[Any]] = {  # the user's own stacks, beside the tiny one
    "words read by a convolution and an LSTM": [
        {"embedding": 8}, "position", {"convolution": {"channels": 8, "kernel": 3, "activation": "relu"}}, {"max_pool": 2},
        "layer_norm", {"lstm": {"units": 6, "both_ways": True}}, {"dense": OUTPUTS},
    ],
    "words read by attention": [
        {"embedding": 8}, "position", {"residual": ["rms_norm", {"attention": 2}]}, "batch_norm", {"average_pool": 2},
        {"gru": {"units": 8, "gives": "sequence"}}, "average_pool", {"dense": OUTPUTS},
    ],
    "an image normalised by its batch": [
        {"convolution": {"channels": 8, "activation": "relu"}}, "batch_norm", {"max_pool": 2}, "flatten", {"dense": OUTPUTS},
    ],
}  # fmt: skip


class Own(nn.Module):
    """A user's module: what it reads it names, a text as a Signal, whose padding it leaves out by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.features = nn.Embedding(10_000, 8), nn.LazyLinear(32)

    def vector(self, *parts: Tensor) -> Tensor:
        return self.features(torch.cat([part.flatten(1) for part in parts], 1)).tanh()

    def read(self, text: Signal) -> Tensor:
        return Signal(self.table(text.values), "sequence", document=text.document).pooled()


class OwnTable(Own):
    def forward(self, number: Tensor, category: Tensor, date: Tensor, labels: Tensor) -> Tensor:
        return self.vector(number, category, date, labels) + 0 * self.table.weight.sum()


class OwnText(Own):
    def forward(self, text: Signal) -> Tensor:
        return self.vector(self.read(text))


class OwnImage(Own):
    def forward(self, picture: Tensor) -> Tensor:
        return self.vector(picture) + 0 * self.table.weight.sum()


class OwnMixed(Own):
    def forward(self, number: Tensor, category: Tensor, labels: Tensor, words: Signal, image: Tensor) -> Tensor:
        return self.vector(number, category, labels, self.read(words), image)


OWN = {"table": OwnTable, "text": OwnText, "image": OwnImage, "mixed": OwnMixed}


def families() -> Iterator[tuple[str, str]]:
    """(family, inputs) for each pair that the family does not refuse, and the user's own stacks."""
    for name in registry.names("trunks"):
        tiny: Family = registry.find("trunks", name, "settings").Settings.tiny()
        for inputs, columns in INPUTS.items():
            kinds = [KINDS[column] for column in columns]
            facts = facts_of(24, kinds, ["number", "category", "labels"], pixels=64)
            if tiny.refuse(facts) is None:
                yield name, inputs
    yield from ((name, "image" if "image" in name else "text") for name in STACKS)


PAIRS = list(families())
BY_BATCH = {name for name, layers in STACKS.items() if "batch_norm" in layers}  # whose training couples rows


def model(family: str, inputs: str) -> Any:
    """The family's tiny settings as `train` takes them."""
    if family in STACKS:
        return {"family": "layers", "layers": STACKS[family]}
    if family == "module":
        torch.manual_seed(0)
        return OWN[inputs]()
    tiny = registry.find("trunks", family, "settings").Settings.tiny().model_dump(mode="json", exclude_none=True)
    if family == "layers":
        tiny["layers"][-1] = {"dense": OUTPUTS}
    return tiny


def settings(inputs: str, **training: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        name: {"kind": kind} for name, kind in KINDS.items() if name in (*INPUTS[inputs], *TARGETS)
    }
    if "words" in given:
        given["words"]["vocabulary"] = 512  # small, so that the tests are quick
    return {"inputs": INPUTS[inputs], "columns": given, "training": training}


def case(family: str, inputs: str, rows: int = 24, **training: Any) -> tuple[Work, nn.Module | None]:
    """One case, encoded; all its rows train."""
    own = model(family, inputs)
    everything = {**settings(inputs, **training), "split": {"validation": 0, "test": 0}}
    return worked(table(rows), TARGETS, own, everything), own if isinstance(own, nn.Module) else None
