"""Dates in: their parts are numbers, so their stem is the numbers' own, without embeddings."""

from __future__ import annotations

from dataclasses import replace

from netwright.kinds.date import Input
from netwright.nn.shapes import Want
from netwright.nn.stems import number


class Stem(number.Stem):
    """Parts of dates (B, 7 or 9) in the form that the family wants."""

    def __init__(self, kind: Input, want: Want) -> None:
        super().__init__(kind, replace(want, options={}))
