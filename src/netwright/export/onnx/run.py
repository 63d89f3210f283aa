"""Answers rows with model.onnx, without the library that trained it.

    python run.py rows.csv        # or .jsonl: an object a line; answers are printed as JSON, a row a line

Needs onnxruntime and numpy; tokenizers where model.json names a tokenizer; Pillow where images come as files. Use `Model`
from your own program, or read model.json and call ONNX Runtime yourself: it says what each input of the graph is to hold.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from netwright.kinds.values import Value, value

BESIDE = ("counts", "place")  # inputs that another input's value gives
Row = dict[str, Any]
Feed = dict[str, np.ndarray]


class Model:
    """A folder with model.onnx and model.json. `threads` 0: as many as there are cores."""

    def __init__(self, folder: str | Path, *, threads: int = 0) -> None:
        self.folder = Path(folder)
        self.about = json.loads((self.folder / "model.json").read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        path = str(self.folder / "model.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.outputs = [item["name"] for item in self.about["outputs"]]
        self.missing = frozenset(self.about["missing"])
        self.values = [(item, self._value(item)) for item in self.about["inputs"] if item["form"] not in BESIDE]

    def _value(self, item: Row) -> Value:
        form = dict(item)
        if "tokenizer" in item:
            form["content"] = (self.folder / item["tokenizer"]).read_text(encoding="utf-8")
        return value(form)

    def read(self, rows: list[Row]) -> tuple[Feed, dict[str, dict[int, str]]]:
        """Return what the graph is given for these rows, and by column what is wrong with a row's value.

        Raises `ValueError` for a row that lacks a column.
        """
        out: Feed = {}
        wrong: dict[str, dict[int, str]] = {}
        for item, cells in self.values:
            name = item["column"]
            lacking = next((at for at, row in enumerate(rows, 1) if name not in row), None)
            if lacking is not None:
                raise ValueError(f"row {lacking} lacks the column {name!r}")
            column = [
                None if isinstance(row[name], str) and row[name].strip() in self.missing else row[name] for row in rows
            ]
            column = [Path(cell) if cells.files and isinstance(cell, str) else cell for cell in column]
            found, bad = cells.read(column)
            out.update({f"{item['name']}.{part}" if part else item["name"]: array for part, array in found.items()})
            wrong |= {name: bad} if bad else {}
        return out, wrong

    def feed(self, rows: list[Row]) -> Feed:
        """Return what the graph is given for these rows. Raises `ValueError` naming the row and column that is wrong."""
        out, wrong = self.read(rows)
        for name, bad in wrong.items():
            row, what = next(iter(bad.items()))
            raise ValueError(f"row {row + 1}, column {name!r}: {what}")
        return out

    def arrays(self, rows: list[Row]) -> dict[str, np.ndarray]:
        """Return the graph's outputs for these rows, by name."""
        return self.run(self.feed(rows))

    def run(self, feed: Feed) -> dict[str, np.ndarray]:
        """Return the graph's outputs for a feed."""
        found: Any = self.session.run(self.outputs, feed)
        return dict(zip(self.outputs, found, strict=True))

    def __call__(self, rows: list[Row]) -> list[Row]:
        """Return an answer for each row, of plain Python values."""
        feed = self.feed(rows)
        found = self.run(feed)
        columns: dict[str, list[Any]] = {}
        for item in self.about["outputs"]:
            values = found[item["name"]].tolist()
            if "words_of" in item:  # behind a row's last word there is nothing
                ends = feed[f"{item['words_of']}.word"].max(1) + 1
                values = [row[:end] for row, end in zip(values, ends, strict=True)]
            elif item["name"].endswith("_start") and "piece_of" in item:
                texts = [_text(row[item["piece_of"]]) for row in rows]
                ends = found[item["name"].removesuffix("start") + "end"].tolist()
                pieces = [
                    text[start:end] if start >= 0 else None
                    for text, start, end in zip(texts, values, ends, strict=True)
                ]
                columns[item["name"].removesuffix("start") + "predicted"] = pieces
            elif "columns" in item and item["type"] == "bool":
                values = [[name for name, held in zip(item["columns"], row, strict=True) if held] for row in values]
            elif "columns" in item:
                values = [dict(zip(item["columns"], row, strict=True)) for row in values]
            columns[item["name"]] = values
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _text(cell: Any) -> str:
    return str(value({"form": "text"}).read([cell])[0][""][0])


def read(path: Path) -> Iterable[Row]:
    """Yield the rows of a CSV file, or of JSON lines."""
    if path.suffix.lower() == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield from csv.DictReader(file)
        return
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())


def main() -> int:
    """Answer the rows of a file."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        model, rows = Model(Path(__file__).parent), list(read(Path(sys.argv[1])))
        for at in range(0, len(rows), 1024):
            for answer in model(rows[at : at + 1024]):
                print(json.dumps(answer, ensure_ascii=False))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
