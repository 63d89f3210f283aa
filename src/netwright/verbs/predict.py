"""Predict: a run's answers for new rows, written to a file; any number of rows in the memory of some."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any

from netwright.data import readers
from netwright.data.encode import SLICE
from netwright.data.stream import Stream
from netwright.errors import Interrupted, counted
from netwright.events import say
from netwright.inference import output as out
from netwright.inference.model import Model, flat, load


def predict(run: str | Path, data: Any, *, output: str | Path | None = None) -> str | None:
    """Write predictions for `data` to `output` (.csv, .jsonl or .parquet); without it return them as CSV text.

    A job of many rows that was killed goes on where it was when it is given again: no row is lost or doubled.
    """
    path = None if output is None else out.check(output, data)
    model = load(run)
    stream = readers.streamed(data, settings=model.recipe.read)
    if path is None:
        text = io.StringIO()
        for number, frame in enumerate(model.parts(stream)):
            flat(frame).write_csv(text, include_header=not number)
        return text.getvalue()
    if len(stream) <= SLICE:
        (frame,) = model.parts(stream)  # what is wrong with the data is said before a file is begun
        out.write(frame, path)
    else:
        _streamed(
            model, stream, path, _job(Path(run), data, stream), f"netwright predict {run} {data} --output {output}"
        )
    say("result", "predict.saved", f"{counted(len(stream), 'prediction')} in {output}", rows=len(stream))
    return None


def _streamed(model: Model, stream: Stream, path: Path, job: dict[str, Any], command: str) -> None:
    """Write all rows, part by part; one is written while the next is answered and the one after it is read."""
    with out.opened(path, job) as parts:
        before, began = parts.rows, time.monotonic()
        if before:
            say("notice", "predict.resumed", f"continuing after row {before:,} of {len(stream):,}", rows=before)
        try:
            with ThreadPoolExecutor(1) as behind:
                written = behind.submit(lambda: None)
                for frame in model.parts(stream, first=before) if before < len(stream) else ():
                    written.result()
                    written = behind.submit(parts.add, frame)
                    rate = (parts.rows - before) / max(time.monotonic() - began, 1e-9)
                    text = f"{parts.rows:,} of {len(stream):,} rows, {rate:,.0f} rows/s"
                    say("progress", "predict.rows", text, rows=parts.rows, of=len(stream), rows_a_second=rate)
                written.result()
        except KeyboardInterrupt as error:
            raise Interrupted(str(path), command) from error
        parts.close()


def _job(run: Path, data: Any, stream: Stream) -> dict[str, Any]:
    """What makes two jobs the same: the run's content, the data and its state, how it is cut."""
    content = blake2b(digest_size=16)
    for name in ("kinds.json", "trust.json", "model.safetensors"):
        if (run / name).exists():
            with (run / name).open("rb") as file:
                while piece := file.read(2**24):
                    content.update(piece)
    about: dict[str, Any] = {"run": content.hexdigest(), "rows": len(stream), "slice": SLICE}
    if isinstance(data, str | Path) and Path(data).is_file():
        state = Path(data).stat()
        about |= {"data": str(Path(data).resolve()), "bytes": state.st_size, "changed": state.st_mtime_ns}
    else:
        about["data"] = time.time_ns()  # nothing tells whether these are the same rows: nothing is gone on with
    return about
