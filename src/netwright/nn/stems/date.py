"""Dates in: their parts are numbers, so their stem is the numbers' own."""

from netwright.nn.stems.number import Stem as Stem
