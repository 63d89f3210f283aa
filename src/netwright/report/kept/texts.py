"""What a network that writes is shown by: its own texts beside the truth, for some rows that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netwright.data.table import Table
from netwright.errors import InputError
from netwright.events import Event, listening, quiet, say, say_rows
from netwright.inference.model import Model
from netwright.kinds.language import Language, written
from netwright.nn.heads.text.settings import SamplingParams
from netwright.training.pipeline import Work

SHOWN = 6  # rows
WRITTEN = 120  # tokens of a text that is gone on with
LONGEST = 256  # tokens of an answer that is shown
FREELY = 0.8  # temperature of texts that begin with a part of the truth


def texts(model: Model, work: Work, table: Table, rows: np.ndarray) -> dict[str, Any]:
    """Return, for the only text target, {"target", "freely", "samples": [{"id", "prompt", "truth", "written"}]}."""
    kind, some = written(work.fitted.targets.values()), table.take(rows[:SHOWN])
    if kind is None or not len(rows):
        return {}
    asked = bool(work.fitted.columns)
    told = [(name, *_asked(kind, work, some, number)) for number, name in enumerate(some.ids())]
    most = min(WRITTEN, max(1, kind.length - 1)) if not asked else min(LONGEST, max(1, kind.longest))
    greedy = asked or kind.conversation
    sampling = SamplingParams(max_tokens=most, temperature=0.0 if greedy else FREELY)
    found = _written(model, [each[1] for each in told], sampling, some.ids())
    samples = [
        {"id": name, "prompt": shown, "truth": truth, "written": text}
        for (name, _, shown, truth), text in zip(told, found, strict=True)
        if text is not None
    ]
    return {"target": kind.columns[0], "freely": not greedy, "samples": samples}


def _written(model: Model, prompts: list[Any], sampling: SamplingParams, ids: Sequence[str]) -> list[str | None]:
    """What is written after each prompt, side by side; None where there is no room after it."""
    heard: list[Event] = []
    try:
        with quiet(), listening(heard):
            found: list[str | None] = [text.text for text in model.generate(prompts, sampling=sampling)]
    except InputError as error:
        if len(prompts) == 1:
            say_rows("report.no_room", f"the report shows no text for one row: {error}", ids, kind="notice")
            return [None]
        return [_written(model, [prompt], sampling, [name])[0] for prompt, name in zip(prompts, ids, strict=True)]
    for event in heard:
        if event.name != "text.cut":
            say(event.kind, event.name, event.text, **event.data)
            continue
        rows = [ids[int(name.removeprefix("prompt ")) - 1] for name in event.data["rows"]]
        say_rows("text.cut", "the report's examples: prompts are truncated to leave room for the answer", rows)
    return found


def _asked(kind: Language, work: Work, some: Table, number: int) -> tuple[Any, str, str]:
    """What the network is asked of a row, how that is shown, and what is true."""
    value = some.frame[kind.columns[0]][number]
    if kind.conversation:
        from netwright.kinds.prompting import turns

        said = turns(value.to_list() if hasattr(value, "to_list") else value)
        last = max(k for k, message in enumerate(said) if message["role"] == "assistant")
        shown = "\n".join(f"{message['role']}: {message['content']}" for message in said[:last])
        return said[:last], shown, said[last]["content"]
    if work.fitted.columns:
        row = {name: some.frame[name][number] for name in work.fitted.columns}
        shown = str(next(iter(row.values()))) if len(row) == 1 else "\n".join(f"{k}: {v}" for k, v in row.items())
        return row, shown, str(value)
    ids = kind.reader.encode(str(value), add_special_tokens=False).ids
    cut = kind.reader.decode(ids[: max(1, min(len(ids) // 3, 24))]).rstrip("\ufffd")
    return cut, cut, str(value)[len(cut) :]
