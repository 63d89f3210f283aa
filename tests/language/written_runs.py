"""Small texts, and small networks trained on them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import netwright as nw
from netwright.inference.model import Model

COLOURS = {"red": "rouge", "blue": "bleu", "green": "vert", "black": "noir", "white": "blanc", "pink": "rose"}
THINGS = {"cat": "chat", "dog": "chien", "car": "auto", "house": "maison"}


def pairs(count: int = 60) -> list[dict[str, str]]:
    """Word for word, colour behind thing: 'red cat' is 'chat rouge'."""
    draw = random.Random(0)
    every = [(c, t) for c in COLOURS for t in THINGS] * 4
    draw.shuffle(every)
    return [{"en": f"the {c} {t}", "fr": f"le {THINGS[t]} {COLOURS[c]}"} for c, t in every[:count]]


def texts(count: int = 80) -> list[dict[str, str]]:
    """Short texts in two scripts."""
    draw = random.Random(1)
    words = ["床前明月光", "疑是地上霜", "the moon", "shines", "举头望明月", "and snow"]
    return [{"text": " ".join(draw.choices(words, k=draw.randint(2, 5)))} for _ in range(count)]


def chats(count: int = 60) -> list[dict[str, object]]:
    """A question and its echo."""
    return [
        {"messages": [{"role": "user", "content": f"say {k % 7}"}, {"role": "assistant", "content": f"{k % 7} it is"}]}
        for k in range(count)
    ]


def written(rows: list[dict], path: Path) -> Path:
    """Rows as a JSONL file."""
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


TINY = {"transformer": {"width": 32, "depth": 2, "heads": 4, "key_heads": 2}, "recurrent": {"width": 32, "depth": 2}}


def trained(rows: list[dict], target: str, folder: Path, *, family: str = "transformer", **more: object) -> Model:
    """A tiny network trained for a few epochs; `more`: settings of the model."""
    epochs = int(more.pop("epochs", 6))  # type: ignore[arg-type]
    pack = bool(more.pop("pack", False))
    settings = {
        "training": {"epochs": epochs, "batch_size": 16, "pack": pack, "learning_rate": 0.005},
        "columns": {target: {"kind": "messages" if target == "messages" else "text", "vocabulary": 300}},
        "split": {"validation": 0.2, "test": 0.2},
    }
    if "en" in rows[0]:
        settings["columns"]["en"] = {"kind": "text"}
    data = written(rows, folder.with_suffix(".jsonl"))
    model = {"family": family, **TINY[family], **more}
    return nw.train(data, target=target, model=model, output=folder, settings=settings)
