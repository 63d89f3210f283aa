"""Every fitted kind is plain JSON, and what is read back encodes and decodes the same."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import pytest

from netwright import registry
from netwright.runtime.arrays import Ragged

from .fitting import encode, fit

CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "number": ([1.5, None, 2.0, 1e20], {}),
    "number robust, in bins": ([1.5, None, 2.0, -3.0], {"scale": "robust", "bins": 3}),
    "number by quantile": ([1.5, None, 2.0, -3.0], {"scale": "quantile"}),
    "category": (["a", "ü", None, "\"'\\"], {}),
    "category of numbers": ([1.0, 0.1, None], {}),
    "labels": (["a|b", "", None], {}),
    "date": ([date(2024, 1, 1), None, date(1900, 5, 5)], {}),
    "tags": ({"y": [["N", "V"], ["ü"], None], "x": [["a", "b"], ["c"], ["d"]]}, {}),
    "span": ({"y": ["Satz", None, "字"], "x": ["Ein Satz.", "x", "两个字"]}, {}),
    "messages": (
        [[{"role": "user", "content": "字?"}, {"role": "assistant", "content": "ü"}]] * 2,
        {"vocabulary": 280},
    ),
    "text": (["Ein Satz.", "两个字", ""], {}),
    "text as words": (["Ein Satz.", "两个字", ""], {"tokens": "words"}),
    "text as characters": (["Ein Satz.", "两个字", ""], {"tokens": "characters"}),
    "text as byte pairs": (["Ein Satz.", "两个字", ""], {"tokens": "bpe"}),
    "text in windows": (["Ein Satz.", "两个字", ""], {"tokens": "bpe", "windows": True}),
    "image": ([[[0, 255], [3, 4]], [[9, 8], [7, 6]]], {}),
}


def test_each_kind_is_here() -> None:
    # a match is fitted together with the input that it belongs to: tests/pretrained/test_pairs.py
    assert {name.split()[0] for name in CASES} | {"match"} == set(registry.names("kinds"))


@pytest.mark.parametrize("name", CASES)
def test_a_fitted_kind_survives_json(name: str) -> None:
    values, settings = CASES[name]
    kind = name.split()[0]
    fitted = fit(kind, values, **settings)
    text = json.dumps(fitted.model_dump(mode="json"), allow_nan=False)
    read = type(fitted).model_validate(json.loads(text))
    assert read == fitted and read.show() == fitted.show()
    ours, theirs = encode(fitted, values), encode(read, values)
    for key, array in ours.items():
        other = theirs[key]
        pairs = (
            [(array, other)]
            if not isinstance(array, Ragged)
            else [(array.values, other.values), (array.offsets, other.offsets)]
        )  # type: ignore[union-attr]
        for a, b in pairs:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", CASES)
def test_a_fitted_kind_is_frozen(name: str) -> None:
    values, settings = CASES[name]
    fitted = fit(name.split()[0], values, **settings)
    with pytest.raises(ValueError, match="frozen"):
        fitted.columns = ("y",)
