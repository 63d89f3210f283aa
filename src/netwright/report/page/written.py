"""Numbers and names as people read them: few digits, a true minus sign, a dash for what has no value."""

from __future__ import annotations

import math
from typing import Any

NAMES = {
    "r2": "R²", "mae": "MAE", "rmse": "RMSE", "ece": "ECE", "f1": "F1", "f1_macro": "F1, mean of classes",
    "f1_micro": "F1 over all labels", "roc_auc": "ROC AUC", "pr_auc": "PR AUC", "log_loss": "log loss", "brier": "Brier score",
    "entity_f1": "entity F1", "answered_f1": "F1 of rows that have an answer",
}  # fmt: skip
"""How metrics are called in running text; others lose their underscores."""


UNITS = frozenset({"mae", "rmse", "median_absolute_error"})
"""Metrics in the target's own unit, which may be of any size."""


def number(value: Any, digits: int = 3, *, even: bool = False) -> str:
    """Return a number with `digits` significant digits, at least to the whole number; `even` keeps zeros at its end.

    >>> number(0.87312), number(1234567), number(-0.5), number(None), number(3.2e-7), number(140.4)
    ('0.873', '1,234,567', '−0.5', '–', '3.2e−7', '140')
    """
    if value is None or isinstance(value, float) and math.isnan(value):
        return "–"
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if value == 0:
        return "0"
    if size >= 1e9 or size < 1e-4:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(power)}"
    elif float(value).is_integer() and not even or size >= 10**digits:
        text = f"{value:,.0f}"
    else:
        text = f"{value:,.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
        text = text.rstrip("0").rstrip(".") if "." in text and not even else text
    return text.replace("-", "−")


def score(value: Any) -> str:
    """Return a metric's value with three decimals where it is small, so that values under each other compare.

    >>> score(0.87312), score(1.0), score(53.218), score(1234.5), score(0.0002), score(None)
    ('0.873', '1.000', '53.22', '1,234.5', '<0.001', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if 0 < value < 5e-4:
        return "<0.001"
    if size >= 1e9:
        return number(value)
    text = f"{value:,.{3 if size < 10 else 2 if size < 1000 else 1}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text.replace("-", "−")


def measure(metric: str, value: Any) -> str:
    """Return a metric's value: one in the target's unit by its significant digits, others with three decimals.

    >>> measure("accuracy", 0.00002), measure("rmse", 0.00002), measure("rmse", 2312.7)
    ('<0.001', '2e−5', '2,313')
    """
    return number(value, 4, even=True) if metric in UNITS else score(value)


def share(value: float | None, decimals: int = 1) -> str:
    r"""Return a share as a percentage, with a space that does not break.

    >>> share(0.8731), share(0.00004), share(0.0), share(None)
    ('87.3\xa0%', '<0.1\xa0%', '0\xa0%', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    least = 10.0 ** -(decimals + 2)
    if -least / 2 < value < 0:
        return "0\N{NO-BREAK SPACE}%"
    if 0 < value < least / 2:
        return f"<{100 * least:.{decimals}f}\N{NO-BREAK SPACE}%"
    if value in (0.0, 1.0):
        return f"{100 * value:.0f}\N{NO-BREAK SPACE}%"
    if 1 - least / 2 < value < 1:  # not quite all: not to be rounded to all
        return f">{100 * (1 - least):.{decimals}f}\N{NO-BREAK SPACE}%"
    return f"{100 * value:.{decimals}f}\N{NO-BREAK SPACE}%".replace("-", "−")


def seconds(value: float) -> str:
    r"""Return a length of time, with spaces that do not break.

    >>> seconds(0.0312), seconds(3.25), seconds(95), seconds(7300)
    ('31\xa0ms', '3.2\xa0s', '1\xa0min\xa035\xa0s', '2\xa0h\xa01\xa0min')
    """
    if value < 1:
        text = f"{1000 * value:.0f} ms"
    elif value < 60:
        text = f"{value:.1f} s"
    elif value < 3600:
        text = f"{int(value) // 60} min {int(value) % 60} s"
    else:
        text = f"{int(value) // 3600} h {int(value) % 3600 // 60} min"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def size(count: float) -> str:
    """Return a number of bytes.

    >>> size(900), size(45_300), size(3_400_000_000)
    ('900 bytes', '45.3 kB', '3.4 GB')
    """
    for power, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= power:
            return f"{number(count / power)} {unit}"
    return f"{count:.0f} bytes"


def big(count: float) -> str:
    """Return a large count with a unit.

    >>> big(950), big(45_300), big(1_250_000)
    ('950', '45.3 thousand', '1.25 million')
    """
    for power, unit in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e4, "thousand")):
        if count >= power:
            return f"{number(count / (1e3 if power == 1e4 else power))} {unit}"
    return f"{count:,.0f}"


def rows(count: int) -> str:
    """Return a number of rows.

    >>> rows(1), rows(1200)
    ('1 row', '1,200 rows')
    """
    return f"{count:,} row{'' if count == 1 else 's'}"


def named(metric: str) -> str:
    """Return a metric's name as people read it.

    >>> named("roc_auc"), named("balanced_accuracy")
    ('ROC AUC', 'balanced accuracy')
    """
    return NAMES.get(metric, metric.replace("_", " "))
