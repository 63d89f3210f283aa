"""What a cell of each kind may be, and how it is read: one rule for training, prediction, a served row and an export.

Plain Python and NumPy. An export ships this folder as it is, so nothing here imports the rest of netwright. A `Value` is
made from its `form`, a dict that JSON can hold.
"""

from __future__ import annotations

from typing import Any

from .base import Limits, Value, Wrong
from .category import Category
from .date import Date
from .image import Image
from .labels import Labels
from .number import Number
from .text import Anything, Cell, Grams, Placed, Text, Tokens

__all__ = ["Limits", "Value", "Wrong", "value"]

VALUES: dict[str, type[Value]] = {
    "number": Number, "list": Category, "date": Date, "labels": Labels, "image": Image, "text": Text, "any": Anything, "cell": Cell,
    "tokens": Tokens, "placed": Placed, "grams": Grams,
}  # fmt: skip


def value(form: dict[str, Any]) -> Value:
    """Return the value that a form describes.

    >>> value({"form": "number"}).read(["1,234.5", "$5", None])[0][""].tolist()
    [1234.5, 5.0, nan]
    """
    return VALUES[form["form"]](form)
