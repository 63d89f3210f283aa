"""Arrow files: the file form (also called Feather 2) and the stream form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.data.readers.content import fingerprint
from netwright.errors import InputError, Problem

if TYPE_CHECKING:
    import polars as pl

    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = (".arrow .feather .ipc",)
_FILE, _FEATHER_1 = b"ARROW1", b"FEA1"


def claims(data: Any) -> bool:
    """Say whether `data` is the path of an Arrow file.

    >>> claims(Path("a.feather")), claims(Path("a.csv"))
    (True, False)
    """
    return isinstance(data, Path) and data.suffix.lower() in (".arrow", ".feather", ".ipc") and not data.is_dir()


def read(data: Path, settings: Read) -> Table:
    """Read an Arrow file into a table; the id of a row is `file:position`. Raises `InputError` for a broken file.

    >>> import polars as pl, tempfile
    >>> from netwright.recipe import Read
    >>> path = Path(tempfile.mkdtemp()) / "a.arrow"
    >>> pl.DataFrame({"a": [1, 2]}).write_ipc(path)
    >>> read(path, Read()).ids()
    ['a.arrow:1', 'a.arrow:2']
    """
    import polars as pl

    from netwright.data.readers.frames import finished, stored
    from netwright.data.table import Table

    content = fingerprint(data)
    with data.open("rb") as stream:
        mark = stream.read(len(_FILE))
    if not mark:
        raise InputError(Problem(data.name, "the file is empty", fix="write or download it again"))
    if mark.startswith(_FEATHER_1):
        raise InputError(Problem(data.name, "is Feather 1, which is not supported", fix="write it as Feather 2"))
    try:
        with data.open("rb") as stream:  # a stream, for in a path polars would take * and ? as patterns
            frame = pl.read_ipc(stream) if mark == _FILE else pl.read_ipc_stream(stream)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        what = "is not a complete Arrow file: " + str(error).partition("\n")[0]
        raise InputError(Problem(data.name, what, fix="write or download it again")) from error
    found = finished(frame, name=data.name)
    declared = stored(frame, found.columns, texts=True, orders=_orders(data, frame, stream=mark != _FILE))
    return replace(Table.of(found, name=data.name, fingerprint=content), declared=declared)


def _orders(data: Path, frame: pl.DataFrame, *, stream: bool) -> dict[str, list[Any]]:
    """The order of categories, which polars does not keep: pyarrow, where it is there, is asked for it."""
    import polars as pl

    from netwright.data.readers.frames import arrow_orders

    names = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Categorical)]
    try:
        import pyarrow as pa
    except ImportError:
        return {}
    if not names:
        return {}
    with data.open("rb") as file:
        held = pa.ipc.open_stream(file) if stream else pa.ipc.open_file(file)
        return arrow_orders(held.read_all().select(names))
