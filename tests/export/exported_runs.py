"""Rows of every kind, and tiny runs on them, for exports."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import netwright as nw
from netwright.inference.model import Model

N = 120
WORDS = [
    "good",
    "bad",
    "great",
    "awful",
    "film",
    "plot",
    "the",
    "a",
    "is",
    "was",
    "very",
    "not",
    "boring",
    "fun",
    "电影",
    "好",
]


def table() -> pl.DataFrame:
    """Numbers, categories of all types, a date, gaps, and targets of three kinds."""
    draw = np.random.default_rng(0)
    age, hours, city = (
        draw.normal(40, 12, N).round(1),
        draw.integers(10, 80, N),
        draw.choice(["Rome", "New York", ""], N),
    )
    y = age / 10 + hours / 20 + (city == "Rome")
    day = [dt.datetime(1968, 12, 30) + dt.timedelta(hours=7 * int(k)) for k in draw.integers(0, 70_000, N)]
    return pl.DataFrame({
        "age": [None if draw.random() < 0.1 else value for value in age], "hours": hours, "city": city,
        "job": draw.choice([f"job {k}" for k in range(12)], N), "flag": draw.random(N) < 0.5, "day": day,
        "class": draw.choice([1, 2, 3], N), "rate": draw.choice([0.5, 1.25, 2.0], N),
        "tastes": [list(draw.choice(["sea", "hills", "towns"], draw.integers(0, 3), replace=False)) for _ in range(N)],
        "rich": np.where(y > np.median(y), "yes", "no"), "income": y * 1000,
        "topics": [list(draw.choice(["a", "b", "c"], draw.integers(0, 3), replace=False)) for _ in range(N)],
    })  # fmt: skip


def texts() -> pl.DataFrame:
    """Texts whose class is one word's."""
    draw = np.random.default_rng(1)
    rows = [" ".join(draw.choice(WORDS, draw.integers(1, 12))) for _ in range(N)]
    return pl.DataFrame({"text": rows, "label": ["yes" if "good" in row else "no" for row in rows]})


def images() -> list[dict[str, Any]]:
    """Grey images of 12×12 pixels, brighter on one side."""
    draw = np.random.default_rng(2)
    out = []
    for row in range(60):
        pixels = draw.integers(0, 120, (12, 12))
        pixels[:, 6 * (row % 2) : 6 * (row % 2) + 6] += 100
        out.append({"image": pixels.tolist(), "side": row % 2})
    return out


def trained(
    rows: Any, target: str, output: Path, family: str, columns: dict[str, Any] | None = None, **model: Any
) -> Model:
    """A run of one epoch."""
    training = {"epochs": 1} if family == "linear" else {"epochs": 1, "batch_size": 32}
    settings = {"training": training, "columns": columns or {}, "plan": {"compile": False, "record": False}}
    return nw.train(rows, target=target, model={"family": family, **model}, output=output, settings=settings)
