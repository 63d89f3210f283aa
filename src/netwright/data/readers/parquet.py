"""Parquet files: typed columns, compressed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.data.readers.content import fingerprint, readable
from netwright.errors import InputError, Problem
from netwright.events import quiet

if TYPE_CHECKING:
    import polars as pl

    from netwright.data.stream import Stream
    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = (".parquet .pq",)


def claims(data: Any) -> bool:
    """Say whether `data` is the path of a Parquet file.

    >>> claims(Path("a.parquet")), claims(Path("a.csv"))
    (True, False)
    """
    return isinstance(data, Path) and data.suffix.lower() in (".parquet", ".pq") and not data.is_dir()


def read(data: Path, settings: Read) -> Table:
    """Read a Parquet file into a table; the id of a row is `file:position`. Raises `InputError` for a broken file.

    >>> import polars as pl, tempfile
    >>> from netwright.recipe import Read
    >>> path = Path(tempfile.mkdtemp()) / "a.parquet"
    >>> pl.DataFrame({"a": [1, 2]}).write_parquet(path)
    >>> read(path, Read()).ids()
    ['a.parquet:1', 'a.parquet:2']
    """
    from netwright.data.readers.frames import finished, stored
    from netwright.data.table import Table

    content = fingerprint(data)
    raw = _collected(_scan(data), data)
    frame = finished(raw, name=data.name)
    declared = stored(raw, frame.columns, texts=True, orders=_orders(data, raw))
    return replace(Table.of(frame, name=data.name, fingerprint=content), declared=declared)


def _orders(data: Path, frame: pl.DataFrame) -> dict[str, list[Any]]:
    """The order of categories, which polars does not keep: pyarrow, where it is there, is asked for it."""
    import polars as pl

    from netwright.data.readers.frames import arrow_orders

    names = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Categorical)]
    try:
        import pyarrow.parquet as pq
    except ImportError:
        return {}
    return arrow_orders(pq.ParquetFile(data).read(columns=names)) if names else {}


def stream(data: Path) -> Stream:
    """Return a Parquet file part by part, as `read` reads it at once. Raises `InputError` for a broken file.

    >>> import polars as pl, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.parquet"
    >>> pl.DataFrame({"a": [1, 2, 3]}).write_parquet(path)
    >>> stream(path).part(1, 2, ["a"]).ids()
    ['a.parquet:2', 'a.parquet:3']
    """
    import polars as pl

    from netwright.data.readers.frames import finished
    from netwright.data.stream import Stream
    from netwright.data.table import Table

    scan = _scan(data)
    with quiet():
        first = finished(_collected(scan.head(1), data), name=data.name)
    rows = int(_collected(scan.select(pl.len()), data).item())

    def part(first: int, count: int, names: list[str]) -> Table:
        frame = finished(_collected(scan.select(names).slice(first, count), data), name=data.name)
        return replace(Table.of(frame, name=data.name, first_line=first + 1), folder=str(data.parent))

    def whole(names: list[str]) -> pl.DataFrame:
        return finished(_collected(scan.select(names), data), name=data.name)

    return Stream(data.name, rows, dict(first.schema), part, whole)


def _scan(data: Path) -> pl.LazyFrame:
    import polars as pl

    with readable(data):
        if not data.stat().st_size:
            raise InputError(Problem(data.name, "the file is empty", fix="write or download it again"))
    return pl.scan_parquet(data, glob=False, hive_partitioning=False)


def _collected(scan: pl.LazyFrame, data: Path) -> pl.DataFrame:
    import polars as pl

    try:
        return scan.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        what = "is not a complete Parquet file: " + str(error).partition("\n")[0]
        raise InputError(Problem(data.name, what, fix="write or download it again")) from error
