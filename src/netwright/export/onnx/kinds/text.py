"""Texts in a graph: as token numbers, or as hashed n-grams whose weights are worked out in it. B rows, T tokens."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from netwright.export.onnx import base
from netwright.kinds.base import Target
from netwright.kinds.text import PATTERNS, Input
from netwright.nn.batch import Block


def Columns(kind: Input, targets: Iterable[Target] = ()) -> base.Columns:  # noqa: N802 - stands for either class
    """Return what the graph is given of a text; `targets` may be about its words."""
    about = [target for target in targets if kind.columns[0] in target.beside]
    places = dict.fromkeys(place for target in about for place in target.places)
    return Grams(kind) if kind.tokens == "ngrams" else Tokens(kind, tuple(places))


class Tokens(base.Columns):
    """A text's token numbers, as its tokenizer.json gives them, cut where training cut them.

    `places`: what is to be known of each token beside, of `word`, `begin`, `end`. A text that training read in windows is
    given whole, and must fit into one.
    """

    def __init__(self, kind: Input, places: tuple[str, ...] = ()) -> None:
        (name,) = kind.columns
        axes = {"type": "int64", "shape": ["rows", f"{name}.tokens"]}
        form: base.Input = {"form": "placed" if kind.windows else "tokens", "length": kind.length}
        if kind.windows:
            form |= {"unknown": kind.unknown or 0, "places": list(places)}
        beside = [{"name": f"{name}.{place}", "column": name, "form": "place", **axes} for place in places]
        super().__init__([{"name": name, "column": name, **axes, **form}, *beside])
        self.name, self.files = name, {"tokenizer": kind.tokenizer}

    def block(self, raw: dict[str, Tensor]) -> Block:
        return {"ids": base.Padded(raw[self.name])}

    def weights(self, raw: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(B, T) tokens and what each weighs in their mean."""
        real = raw[self.name] >= 0
        return raw[self.name].clamp(min=0), real / real.sum(1, keepdim=True).clamp(min=1)


class Grams(base.Columns):
    """A text's hashed n-grams with how often each stands in it; their weights are worked out here."""

    def __init__(self, kind: Input) -> None:
        (name,) = kind.columns
        axis = ["rows", f"{name}.grams"]
        form = {
            "form": "grams",
            "buckets": kind.vocabulary,
            "lowercase": kind.lowercase,
            "pattern": PATTERNS[kind.apart],
        }
        counts = {"name": f"{name}.counts", "column": name, "form": "counts", "type": "int64", "shape": axis}
        super().__init__([{"name": name, "column": name, "type": "int64", "shape": axis, **form}, counts])
        self.name, self.middle = name, kind.vocabulary // 2
        rarity = np.log((1 + kind.rows) / (1 + np.array(kind.rows_with))) + 1
        self.register_buffer("rarity", torch.from_numpy(rarity), persistent=False)

    def block(self, raw: dict[str, Tensor]) -> Block:
        raise NotImplementedError("a bag is summed up by its weights")

    def weights(self, raw: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(B, T) buckets and weights: (1 + ln count) · rarity, words and letters each scaled to length 1."""
        real = raw[self.name] >= 0
        buckets = raw[self.name].clamp(min=0)
        counts = raw[f"{self.name}.counts"].clamp(min=1).double()
        found = torch.where(real, (1 + counts.log()) * self.rarity[buckets], 0.0)  # type: ignore[index]
        out = torch.zeros_like(found)
        for own in (buckets < self.middle, buckets >= self.middle):
            part = torch.where(own, found, 0.0)
            length = (part**2).sum(1, keepdim=True).sqrt()
            out = out + part / torch.where(length > 0, length, 1.0)
        return buckets, out
