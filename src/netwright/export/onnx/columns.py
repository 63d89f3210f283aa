"""Raw columns into a network's blocks, inside the exported graph: the torch side of what `Kind.encode` does.

One class a kind; each names the graph's inputs, gives an example of them for the tracing, and makes a block of them. Texts
of categories and labels come as numbers here: `graph` puts the look-up before. B rows, C columns, T tokens or labels.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from netwright.kinds.base import Kind, kind_name
from netwright.kinds.category import FIRST, MISSING, Category
from netwright.kinds.date import DAY, Date
from netwright.kinds.image import Image
from netwright.kinds.labels import Labels
from netwright.kinds.number import LARGEST, QUANTILES, Number
from netwright.kinds.parse import DATE_FORMS
from netwright.kinds.span import Span
from netwright.kinds.tags import Tags
from netwright.kinds.text import PATTERNS, Text
from netwright.nn.batch import Block, Lists

EXAMPLE = 3  # rows and tokens of the example that the graph is traced with: 0 and 1 would be taken as fixed
Input = dict[str, Any]


class Columns(nn.Module):
    """The columns of one block. `inputs`: what the graph is given; `texts`: by input, the number of each text."""

    def __init__(self, inputs: list[Input], texts: dict[str, dict[str, int]] | None = None) -> None:
        super().__init__()
        self.inputs, self.texts = inputs, texts or {}

    @abstractmethod
    def block(self, raw: dict[str, Tensor]) -> Block:
        """Return the arrays of a block, by the raw inputs' names."""

    def example(self) -> dict[str, Tensor]:
        """Return inputs of a few rows."""
        return {item["name"]: torch.zeros(*self._sizes(item), dtype=self._type(item)) for item in self.inputs}

    def _sizes(self, item: Input) -> list[int]:
        return [EXAMPLE if isinstance(size, str) else size for size in item["shape"]]

    def _type(self, item: Input) -> torch.dtype:
        return {"string": torch.int64}.get(item["type"]) or getattr(torch, item["type"])


class Numbers(Columns):
    """Scaled as `Number` does: float64 on the way, NaN where missing."""

    def __init__(self, kind: Number) -> None:
        super().__init__([
            {"name": name, "column": name, "form": "number", "type": "float64", "shape": ["rows"], **kind.notation(name)._asdict()}
            for name in kind.columns
        ])  # fmt: skip
        self.scale, self.names = kind.scale, kind.columns
        for name, values in {"center": kind.center, "spread": kind.spread, "knots": kind.knots}.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64), persistent=False)

    def block(self, raw: dict[str, Tensor]) -> Block:
        x = torch.stack([raw[name] for name in self.names], 1)  # (B, C)
        return _gapped(self._scaled(x), x.isnan() | (x.abs() > LARGEST))

    def _scaled(self, x: Tensor) -> Tensor:
        if self.scale == "quantile":
            return _normal(_ranks(x, self.knots).clamp(1e-4, 1 - 1e-4))  # type: ignore[arg-type]
        x = ((x - self.center) / self.spread).clamp(-LARGEST, LARGEST)  # type: ignore[operator]
        return x / torch.sqrt(1 + (x / 3) ** 2) if self.scale == "robust" else x


class Dates(Columns):
    """Moments as seconds since 1970, and their places in week, month, year and day, as `Date` has them."""

    def __init__(self, kind: Date) -> None:
        (name,) = kind.columns
        layouts = list(dict.fromkeys([*([kind.layout] if kind.layout else []), *DATE_FORMS]))
        about = {"form": "date", "layouts": layouts, "utc": kind.utc}
        super().__init__([{"name": name, "column": name, "type": "float64", "shape": ["rows"], **about}])
        self.kind, self.name = kind, name

    def block(self, raw: dict[str, Tensor]) -> Block:
        seconds = raw[self.name]  # (B,)
        missing = seconds.isnan()
        seconds = torch.where(missing, 0.0, seconds)
        days = torch.floor(seconds / DAY)
        in_month, in_year = _calendar(days)
        cycles = [_rest(days, 7) / 7, in_month / 31, in_year / 366]
        if self.kind.timed:
            cycles.append((seconds - days * DAY) / DAY)
        parts = [(seconds - self.kind.center) / self.kind.spread]
        for cycle in cycles:
            parts += [torch.sin(2 * torch.pi * cycle), torch.cos(2 * torch.pi * cycle)]
        return _gapped(torch.stack(parts, 1), missing[:, None].expand(-1, len(parts)))


class Categories(Columns):
    """Codes: texts are looked up before; numbers and booleans are compared with the values here."""

    def __init__(self, kind: Category) -> None:
        inputs, texts = [], {}
        self.values: dict[str, Tensor] = {}
        for name, values, stored in zip(kind.columns, kind.values, kind.stored, strict=True):
            numbers = _numbers(values) if stored != "text" else None
            about = {"name": name, "column": name, "form": "category", "values": list(values), "shape": ["rows"]}
            if numbers is None:
                inputs.append({**about, "type": "string"})
                texts[name] = {"": MISSING, **{value: code for code, value in enumerate(values, FIRST)}}
            else:
                inputs.append({**about, "type": "float64"})
                self.values[name] = torch.tensor(numbers, dtype=torch.float64)
        super().__init__(inputs, texts)
        self.names = kind.columns

    def block(self, raw: dict[str, Tensor]) -> Block:
        return {"codes": torch.stack([self._codes(name, raw[name]) for name in self.names], 1)}

    def _codes(self, name: str, x: Tensor) -> Tensor:
        if name not in self.values:
            return x
        same = (x[:, None] == self.values[name]).long()  # (B, values)
        codes = (same * torch.arange(FIRST, FIRST + same.shape[1])).sum(1)
        return torch.where(x.isnan(), MISSING, codes)


class Bags(Columns):
    """Labels: several a row; those that training never saw count for nothing."""

    def __init__(self, kind: Labels) -> None:
        (name,) = kind.columns
        about = {"form": "labels", "separator": kind.separator, "values": list(kind.values)}
        item = {"name": name, "column": name, "type": "string", "shape": ["rows", f"{name}.labels"], **about}
        super().__init__([item], {name: {value: place for place, value in enumerate(kind.values, 1)}})
        self.name, self.count = name, len(kind.values)

    def block(self, raw: dict[str, Tensor]) -> Block:
        codes = raw[self.name]  # (B, T), 0: none
        hot = (codes[:, :, None] == torch.arange(1, self.count + 1)).any(1)
        return {"hot": hot.to(torch.uint8)}


class Pixels(Columns):
    """Images of one size, as they are."""

    def __init__(self, kind: Image) -> None:
        (name,) = kind.columns
        shape = ["rows", kind.height, kind.wide, kind.channels]
        super().__init__([{"name": name, "column": name, "form": "image", "type": "uint8", "shape": shape}])
        self.name = name

    def block(self, raw: dict[str, Tensor]) -> Block:
        return {"pixels": raw[self.name]}


class Padded(Lists):
    """Rows of tokens (B, T) with -1 behind their ends, as the stems of texts read them."""

    def __init__(self, tokens: Tensor, real: Tensor | None = None) -> None:
        self.real = tokens >= 0 if real is None else real
        self.tokens = tokens.clamp(min=0)

    @property
    def lengths(self) -> Tensor:
        return self.real.sum(1)

    def padded(self) -> tuple[Tensor, Tensor]:
        return self.tokens, self.real


class Tokens(Columns):
    """A text's token numbers, as its tokenizer.json gives them, cut where training cut them.

    `places`: what is to be known of each token beside, of `word`, `begin`, `end`. A text that training read in windows is
    given whole, and must fit into one.
    """

    def __init__(self, kind: Text, places: tuple[str, ...] = ()) -> None:
        (name,) = kind.columns
        axes = {"type": "int64", "shape": ["rows", f"{name}.tokens"]}
        about: Input = {"form": "tokens", "tokenizer": "tokenizer.json", "length": kind.length, "windows": kind.windows}
        if kind.windows:
            about |= {"unknown": kind.unknown or 0, "places": list(places)}
        beside = [{"name": f"{name}.{place}", "column": name, "form": "place", **axes} for place in places]
        super().__init__([{"name": name, "column": name, **axes, **about}, *beside])
        self.name, self.tokenizer = name, kind.tokenizer

    def block(self, raw: dict[str, Tensor]) -> Block:
        return {"ids": Padded(raw[self.name])}

    def weights(self, raw: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(B, T) tokens and what each weighs in their mean."""
        real = raw[self.name] >= 0
        return raw[self.name].clamp(min=0), real / real.sum(1, keepdim=True).clamp(min=1)


class Grams(Columns):
    """A text's hashed n-grams with how often each stands in it; their weights are worked out here."""

    def __init__(self, kind: Text) -> None:
        (name,) = kind.columns
        axis = ["rows", f"{name}.grams"]
        about = {
            "form": "grams", "buckets": kind.vocabulary, "lowercase": kind.lowercase, "pattern": PATTERNS[kind.apart],
            "words": [1, 2], "letters": [1, 4],
        }  # fmt: skip
        counts = {"name": f"{name}.counts", "column": name, "form": "counts", "type": "int64", "shape": axis}
        super().__init__([{"name": name, "column": name, "type": "int64", "shape": axis, **about}, counts])
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


def columns(kind: Kind, targets: Iterable[Kind] = ()) -> Columns | None:
    """Return the graph's side of a fitted input kind, or None where there is none; `targets` may be about its words."""
    if isinstance(kind, Text):
        about = [target for target in targets if isinstance(target, Tags | Span) and target.about in kind.columns]
        places = dict.fromkeys(place for target in about for place in (("word",) if isinstance(target, Tags) else ("begin", "end")))  # fmt: skip
        return Grams(kind) if kind.tokens == "ngrams" else Tokens(kind, tuple(places))
    known: dict[str, Any] = {
        "number": Numbers, "date": Dates, "category": Categories, "labels": Bags, "image": Pixels,
    }  # fmt: skip
    found = known.get(kind_name(kind))
    return None if found is None else found(kind)


def _gapped(values: Tensor, missing: Tensor) -> Block:
    """Values (B, C) in the network's precision with 0 in their gaps, and the gaps."""
    narrow = values.float().to(torch.get_default_dtype())  # through float32, in which rows are encoded
    return {"values": torch.where(missing, 0.0, narrow), "values_missing": missing}


def _numbers(values: tuple[str, ...]) -> list[float] | None:
    """Values of a column that was stored as numbers or booleans, as numbers."""
    named = {"true": 1.0, "false": 0.0}
    try:
        return [named[value] if value in named else float(value) for value in values]
    except ValueError:
        return None


def _rest(x: Tensor, by: int) -> Tensor:
    """x mod by, in 0 ... by."""
    return x - torch.floor(x / by) * by


def _calendar(days: Tensor) -> tuple[Tensor, Tensor]:
    """The day in the month and in the year, from 0, of days since 1970 (whole numbers as float64).

    Counted in years that begin in March, so that a leap day ends them (Howard Hinnant, "chrono-Compatible Low-Level Date
    Algorithms", civil_from_days).
    """
    shifted = days + 719_468
    era = torch.floor(shifted / 146_097)
    of_era = shifted - era * 146_097
    years = torch.floor(
        (of_era - torch.floor(of_era / 1460) + torch.floor(of_era / 36_524) - torch.floor(of_era / 146_096)) / 365
    )
    since_march = of_era - (365 * years + torch.floor(years / 4) - torch.floor(years / 100))
    month = torch.floor((5 * since_march + 2) / 153)  # 0: March
    in_month = since_march - torch.floor((153 * month + 2) / 5)
    year = years + era * 400  # the one in which its March lies
    leap = (_rest(year, 4) == 0) & ((_rest(year, 100) != 0) | (_rest(year, 400) == 0))
    return in_month, torch.where(month < 10, since_march + 59 + leap.double(), since_march - 306)


def _ranks(x: Tensor, knots: Tensor) -> Tensor:
    """Where x (B, C) lies among the knots (C, Q) of its column, 0 to 1, straight lines between them."""
    below = (x[..., None] >= knots).sum(2)  # (B, C)
    left = (below - 1).clamp(0, QUANTILES - 2)
    column = torch.arange(knots.shape[0])
    low, high = knots[column, left], knots[column, left + 1]
    part = torch.where(high > low, (x - low) / torch.where(high > low, high - low, 1.0), 1.0).clamp(0, 1)
    return torch.where(below == 0, 0.0, torch.where(below == QUANTILES, 1.0, (left + part) / (QUANTILES - 1)))


def _normal(p: Tensor) -> Tensor:
    """The normal distribution's quantiles, to nine digits (Peter Acklam's rational approximation)."""
    a = (-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.3577518672690, -30.66479806614716, 2.506628277459239)  # fmt: skip
    b = (-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1.0)
    c = (-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968, 2.938163982698783)  # fmt: skip
    d = (0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1.0)
    q = p - 0.5
    middle = q * _polynomial(a, q * q) / _polynomial(b, q * q)
    tail = (-2 * torch.minimum(p, 1 - p).log()).sqrt()
    ends = _polynomial(c, tail) / _polynomial(d, tail)
    return torch.where(q.abs() <= 0.47575, middle, torch.where(q < 0, ends, -ends))


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    out = torch.full_like(x, coefficients[0])
    for each in coefficients[1:]:
        out = out * x + each
    return out
