"""What a family asks of a stem, and what shape a stem or trunk gives: known without torch, so that flags cost no import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Layout = Literal["vector", "sequence", "grid", "volume"]


@dataclass(frozen=True)
class Want:
    """What a family wants of the stem for a kind.

    `form`: `vector` (B, D), `sequence` (B, T, D), `grid` (B, D, H, W), or `affine`: a (B, width) affine map of the raw
    values, which keeps a linear model linear; `ids`: token numbers (B, T) as they are, their shape's width 0. `width` is
    D (None: as many as the raw values have). `options` are settings of the stem, such as how numbers are embedded.
    """

    form: Literal["vector", "sequence", "grid", "affine", "ids"]
    width: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """The shape of a signal without its batch axis.

    `width` is D; `length` T (sequence; None where it varies); `size` (H, W) or (T, H, W); `members` K (0: no ensemble).
    `elements`: the width of the elements that a vector keeps (0: none). `columns`: of each block that the elements may be
    of, its columns. `views`: the widths of a vector's first parts, each of which tells all: an ensemble's members look at
    one each.
    """

    layout: Layout
    width: int
    length: int | None = None
    size: tuple[int, ...] = ()
    members: int = 0
    elements: int = 0
    columns: tuple[tuple[str, ...], ...] = ()
    views: tuple[int, ...] = ()
