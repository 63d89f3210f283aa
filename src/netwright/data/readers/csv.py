"""CSV and its relatives: rows of text cells parted by a character (comma, tab, semicolon, bar), gzip or not.

The bytes are scanned once for line and cell ends (`lines`), so that every row knows its line; polars then parts the
cells, as text, and whole columns become numbers (`cells`). The form is RFC 4180, with blanks round cells allowed.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.data.readers.content import ends, load, say_blank_lines, to_utf8
from netwright.data.readers.frames import unique_names
from netwright.errors import InputError, Problem
from netwright.events import say, say_rows

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from netwright.data.readers.lines import Rows
    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = (".csv .tsv .tab .psv (also with .gz)", ".txt .data where a delimiter parts every line alike")
_TABBED = (".tsv", ".tab")
_NAMED = (".csv", ".psv", *_TABBED)
_PERHAPS = (".txt", ".data")


def claims(data: Any) -> bool:
    """Say whether `data` is the path of a delimited text; a `.txt` is one where its first lines are evenly parted.

    >>> claims(Path("a.csv.gz")), claims(Path("a.parquet"))
    (True, False)
    """
    return ends(data, _NAMED) or (ends(data, _PERHAPS) and _parted(data))


def read(data: Path, settings: Read) -> Table:
    """Read a delimited text into a table; the id of a row is `file:line`, where the row starts.

    Raises `InputError` naming the line for text that is not in the file's encoding, rows of unlike length, quoted
    cells that are not closed; and for a file without rows or with columns of one name.

    >>> import tempfile
    >>> from netwright.recipe import Read
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("age,city\\n31,Rome\\n?,Bonn\\n")
    >>> read(path, Read()).frame.rows()
    [(31, 'Rome'), (None, 'Bonn')]
    """
    import numpy as np

    from netwright.data.readers import large
    from netwright.data.readers.cells import typed
    from netwright.data.table import Table

    table = large.read(data, settings)
    if table is not None:
        return table
    raw, fingerprint = load(data)
    raw = to_utf8(raw, settings.encoding, name=data.name)
    if b"\r" in raw and b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")  # the line ends of old Macintosh files
    if not raw.strip():
        raise InputError(empty(data.name))
    delimiter = settings.delimiter or found_delimiter(raw, data)
    raw, rows, quotes = _rows(raw, delimiter, settings.quotes, data.name)
    rows = _without_blank(raw, rows, data.name)
    header, rows = _header(raw, rows, delimiter, quotes, settings.header, data.name)
    rows = _even(rows, header, settings, data.name)
    frame = _parse(raw, rows, header, delimiter, quotes)
    frame = typed(frame, settings.missing, name=data.name)
    if settings.header:
        doubt_header(frame, data.name)
    return Table(frame, (data.name,), np.zeros(len(rows), np.int32), rows.line, fingerprint=fingerprint, name=data.name)


def _parted(path: Path) -> bool:
    """Say whether the first lines of a text are evenly parted by a delimiter."""
    from netwright.data.readers.sniff import SAMPLE, sniff

    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
            raw = stream.read(SAMPLE)
    except (OSError, EOFError, zlib.error):
        return True  # reading it will say what is wrong
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raw = raw[: len(raw) // 2 * 2].decode("utf-16", "replace").encode()
    guess = sniff(raw)
    return guess is not None and guess.share == 1 and guess.lines > 1


def found_delimiter(raw: bytes, path: Path) -> str:
    """Return the delimiter found by looking, and say so where the file's ending does not already promise it."""
    from netwright.data.readers.sniff import sniff

    tabbed = ends(path, _TABBED)
    promised = "\t" if tabbed else "|" if ends(path, (".psv",)) else ","
    guess = sniff(raw, order=(promised, *(mark for mark in ",\t;|" if mark != promised)))
    if guess is None:
        return promised
    if guess.delimiter != promised:
        shown = "a tab" if guess.delimiter == "\t" else repr(guess.delimiter)
        reason = f"it splits {guess.share:.0%} of the first {guess.lines} lines into {guess.cells} cells"
        say("choice", "read.delimiter", f"{path.name}: {shown}, because {reason}", value=guess.delimiter)
    return guess.delimiter


def _rows(raw: bytes, delimiter: str, quotes: bool | None, name: str) -> tuple[bytes, Rows, bool]:
    """Return the text in the CSV form, its rows, and whether quote marks enclose cells in it."""
    import numpy as np

    from netwright.data.readers.lines import Rows, scan
    from netwright.data.readers.quotes import regular

    rows = scan(raw, delimiter, quotes=quotes is not False)
    if rows is not None:
        return raw, rows, quotes is not False
    if quotes is None and delimiter == "\t":
        # Tab-separated text mostly has no quoting (IANA's text/tab-separated-values has none): cells with tabs or
        # newlines cannot occur, so that where all rows are alike long this reading is the right one.
        plain = scan(raw, delimiter, quotes=False)
        assert plain is not None
        if len(np.unique(plain.cells[plain.end - plain.start > 1])) == 1:
            text = f"{name}: quote marks are ordinary characters, because they do not enclose whole cells"
            say("choice", "read.quotes", text, value=False)
            return raw, plain, False
    text, lines = regular(raw.decode(), delimiter, name=name)
    raw = text.encode()
    rows = scan(raw, delimiter, quotes=True)
    assert rows is not None and len(rows) == len(lines)
    return raw, Rows(rows.start, rows.end, lines, rows.cells), True


def _without_blank(raw: bytes, rows: Rows, name: str) -> Rows:
    """Return the rows without blank lines; those between rows are said (blank lines at the end mean nothing)."""
    import numpy as np

    blank = blank_lines(raw, rows, wide=bool(rows.cells.max() > 1))
    if not blank.any():
        return rows
    last = np.flatnonzero(~blank)[-1]
    say_blank(rows.line[:last][blank[:last]], name)
    return rows.take(~blank)


def blank_lines(raw: bytes, rows: Rows, *, wide: bool) -> np.ndarray:
    """(n,) which rows are lines of blanks; in a text of one column (not `wide`) blanks are its cells."""
    import numpy as np

    blank = rows.end - rows.start <= (50 if wide else 1)
    for row in np.flatnonzero(blank & (rows.cells == 1)):
        blank[row] = not raw[rows.start[row] : rows.end[row]].strip()
    return blank & (rows.cells == 1)


def say_blank(lines: np.ndarray, name: str) -> None:
    """Say the numbers of the blank lines between rows."""
    from netwright.data.table import Ids

    if len(lines):
        say_blank_lines(Ids(len(lines), lambda place: f"{name}:{lines[place]}"))


def _header(raw: bytes, rows: Rows, delimiter: str, quotes: bool, header: bool, name: str) -> tuple[list[str], Rows]:
    """Return the columns' names and the rows below the header."""
    import numpy as np

    if not header:
        return numbered(int(np.bincount(rows.cells).argmax())), rows
    names = header_names(raw[rows.start[0] : rows.end[0]], delimiter, quotes, where=f"{name}:{rows.line[0]}")
    if len(rows) == 1:
        raise InputError(headless(name))
    return names, rows.take(np.arange(1, len(rows)))


def numbered(width: int) -> list[str]:
    """Return the names of columns without a header."""
    return [f"column_{i + 1}" for i in range(width)]


def header_names(first: bytes, delimiter: str, quotes: bool, *, where: str) -> list[str]:
    """Return the columns' names, of the first row. Raises `InputError` where two are alike."""
    import polars as pl

    cells = pl.read_csv(
        first,
        has_header=False,
        infer_schema=False,
        separator=delimiter,
        quote_char='"' if quotes else None,
    ).row(0)
    again = "name each column once; if the first line is a row and no header, --read.header false"
    return unique_names([(cell or "").strip() for cell in cells], where=where, fix=again)


def empty(name: str) -> Problem:
    """Return the problem of a file that holds nothing."""
    return Problem(name, "the file is empty", fix="give a file with a header and rows")


def headless(name: str) -> Problem:
    """Return the problem of a file that is a header alone."""
    return Problem(name, "has a header but no rows", fix="if that line is a row, --read.header false")


def _even(rows: Rows, header: list[str], settings: Read, name: str) -> Rows:
    """Return the rows that have as many cells as the header; what becomes of the others the settings say."""
    import numpy as np

    uneven = np.flatnonzero(rows.cells != len(header))
    if not len(uneven):
        return rows
    judge_uneven(rows.line[uneven], rows.cells[uneven], len(rows), len(header), settings, name)
    return rows.take(rows.cells == len(header))


def judge_uneven(lines: np.ndarray, cells: np.ndarray, count: int, width: int, settings: Read, name: str) -> None:
    """Refuse `count` rows of which those on these lines (n,) have other numbers of cells (n,), or say that they are left out."""
    from netwright.data.table import Ids

    wanted = f"{width} cells, as the {'header has' if settings.header else 'most rows have'}"
    if settings.bad_rows == "refuse":
        first = ", ".join(f"line {line} has {number}" for line, number in zip(lines[:5], cells[:5], strict=True))
        more = ", ..." if len(lines) > 5 else ""
        raise InputError(
            Problem(
                name,
                f"{len(lines):,} of {count:,} rows do not have {wanted}: {first}{more}",
                fix=_mending(lines, cells, count, width, settings),
            )
        )
    if len(lines) == count:
        raise InputError(Problem(name, f"no row has {wanted}", fix="name another --read.delimiter"))
    text = f"{len(lines):,} rows left out, because they do not have {wanted}"
    say_rows("read.bad_rows", text, Ids(len(lines), lambda place: f"{name}:{lines[place]}"))


def _mending(lines: np.ndarray, cells: np.ndarray, count: int, width: int, settings: Read) -> str:
    """What to do about uneven lines: a first line of one cell above many that are alike is a title or a remark."""
    import numpy as np

    usual = int(np.bincount(cells).argmax())
    alike = lines[cells == usual]
    if settings.header and width == 1 and len(alike) >= 0.9 * count:
        return f"line 1 is a title, not the header, if the header is line {alike[0]}: delete the lines above it"
    return "fix these lines, name another --read.delimiter, or leave them out with --read.bad_rows leave_out"


def _parse(raw: bytes, rows: Rows, names: list[str], delimiter: str, quotes: bool) -> pl.DataFrame:
    """Return the cells of the rows as texts."""
    import polars as pl

    frame = parted(raw, rows, dict.fromkeys(names, pl.String()), delimiter, quotes)
    return frame.fill_null("")  # an empty cell is a text like any other until the settings say what is missing


def parted(raw: bytes, rows: Rows, schema: dict[str, pl.DataType], delimiter: str, quotes: bool) -> pl.DataFrame:
    """Return the cells of the rows, read as these types; raises polars' ComputeError where one is no number."""
    import numpy as np
    import polars as pl

    gaps = np.flatnonzero(rows.start[1:] > rows.end[:-1] + 1) + 1  # a row was left out before these
    runs = zip(np.append(0, gaps), np.append(gaps, len(rows)) - 1, strict=True)
    body = b"\n".join([raw[rows.start[first] : rows.end[last]] for first, last in runs])
    frame = pl.read_csv(
        body,
        has_header=False,
        schema=schema,
        separator=delimiter,
        quote_char='"' if quotes else None,
    )
    assert frame.height == len(rows), f"{frame.height} rows parted, {len(rows)} scanned"
    return frame


def doubt_header(frame: pl.DataFrame, name: str) -> None:
    """Warn where the header looks like a row: a name that is a number, above numbers."""
    numbers = [c for c in frame.columns if frame[c].dtype.is_numeric() and c.replace(".", "", 1).lstrip("+-").isdigit()]
    if numbers:
        text = f"{name}: the header's {', '.join(numbers[:5])} look like data; if so, --read.header false"
        say("warning", "read.header", text, columns=numbers)
