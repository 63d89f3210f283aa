"""Parquet files: typed columns, compressed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.errors import InputError, Problem
from netwright.sources.content import fingerprint

if TYPE_CHECKING:
    from netwright.recipe import Read
    from netwright.sources.table import Table

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
    import polars as pl

    from netwright.sources.frames import finished
    from netwright.sources.table import Table

    content = fingerprint(data)
    if not data.stat().st_size:
        raise InputError(Problem(data.name, "the file is empty", fix="write or download it again"))
    try:
        frame = pl.read_parquet(data, glob=False, hive_partitioning=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        what = "is not a whole Parquet file: " + str(error).partition("\n")[0]
        raise InputError(Problem(data.name, what, fix="write or download it again")) from error
    return Table.of(finished(frame, name=data.name), name=data.name, fingerprint=content)
