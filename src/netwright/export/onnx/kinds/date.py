"""Dates in a graph: seconds since 1970 in, their places in the cycles out. B rows."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from netwright.export.onnx import base
from netwright.kinds.base import Target
from netwright.kinds.date import DAY, Input
from netwright.nn.batch import Block


class Columns(base.Columns):
    """Moments as seconds since 1970, and their places in week, month, year and day, as `Date` has them."""

    def __init__(self, kind: Input, targets: Iterable[Target] = ()) -> None:
        (name,) = kind.columns
        super().__init__(
            [{"name": name, "column": name, "type": "float64", "shape": ["rows"], **kind.value(name).form}]
        )
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
        return base.gapped(torch.stack(parts, 1), missing[:, None].expand(-1, len(parts)))


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
