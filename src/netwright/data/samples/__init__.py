"""Samples: small real data sets, to try things on. Some come with scikit-learn, others are fetched by pip."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from netwright.data.samples.sets import SAMPLES, Sample
from netwright.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    import polars as pl

__all__ = ["SAMPLES", "Sample", "about", "load", "names", "write"]


def names() -> tuple[str, ...]:
    """Return the names of all samples.

    >>> "iris" in names()
    True
    """
    return tuple(SAMPLES)


def about(name: str) -> Sample:
    """Return what is known of a sample: rows, columns, target, origin, licence. Raises `InputError` for other names.

    >>> about("iris").target, about("iris").licence
    (('species',), 'CC BY 4.0')
    """
    if name not in SAMPLES:
        raise InputError(Problem("samples", f"there is no sample {name!r}", fix=nearest(name, SAMPLES)))
    return SAMPLES[name]


def write(name: str, path: str | Path) -> None:
    """Write a sample to `path` as CSV, whole or not at all.

    Raises `InputError` for other names, where it cannot be fetched or written, and where what was fetched is not what
    was pinned.

    >>> write("iris", getfixture("tmp_path") / "iris.csv")
    """
    from netwright.data.samples import fetch
    from netwright.runtime.run import replacing

    sample = about(name)
    with replacing(Path(path)) as temporary:
        sample.prepare(fetch.files(sample.archive) if sample.archive else {}, temporary)
        fetch.check(temporary, sample.sha256, what=f"the sample {name}")


def load(name: str) -> pl.DataFrame:
    """Return a sample as a polars frame. Raises `InputError` as `write` does.

    >>> load("iris").shape
    (150, 5)
    """
    import polars as pl

    with tempfile.TemporaryDirectory(prefix="netwright-") as folder:
        path = Path(folder) / f"{name}.csv"
        write(name, path)
        return pl.read_csv(path, infer_schema_length=None)
