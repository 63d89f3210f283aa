"""Excel's sheets (.xlsx): the header is found, merged cells are filled, and what a cell cannot say is missing and said."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from netwright.data.readers.content import fingerprint, readable
from netwright.errors import InputError, Problem, absent, nearest
from netwright.events import say, say_rows

if TYPE_CHECKING:
    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = (".xlsx .xlsm",)
_OLD = b"\xd0\xcf\x11\xe0"  # the container of .xls, and of an .xlsx with a password
_ERRORS = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA", "#SPILL!", "#CALC!")
_TOTAL = re.compile(r"^(grand |sub)?total\b|^sum\b|^summe\b|^合计|^总计", re.IGNORECASE)


@dataclass
class Cells:
    """The values of a part of a sheet: `rows`, and the numbers of its first row and column in it (counted from 1).

    `titles` are the rows in which a cell is merged over several columns: a title, or the upper half of a header.
    """

    rows: list[list[Any]]
    first_row: int
    first_column: int
    titles: set[int] = field(default_factory=set)

    def name(self, row: int, column: int) -> str:
        """Return a cell's name, such as B7."""
        from openpyxl.utils import get_column_letter

        return f"{get_column_letter(self.first_column + column)}{self.first_row + row}"


def claims(data: Any) -> bool:
    """Say whether `data` is the path of an Excel file.

    >>> claims(Path("a.xlsx")), claims(Path("a.csv"))
    (True, False)
    """
    return isinstance(data, Path) and data.suffix.lower() in (".xlsx", ".xlsm") and not data.is_dir()


def read(data: Path, settings: Read) -> Table:
    """Read a sheet, or `read.sheet`, into a table; the id of a row is `file:SHEET:row`, as Excel counts its rows.

    The header is the first row that is about as wide as the table; rows above it are left out, merged cells hold their
    value in each of their cells, and errors such as #DIV/0! are missing: all of it is said. Raises `InputError` where
    there is no such sheet or no row, and for files that are no Excel files.

    >>> import tempfile
    >>> from openpyxl import Workbook
    >>> from netwright.recipe import Read
    >>> path, book = Path(tempfile.mkdtemp()) / "a.xlsx", Workbook()
    >>> for row in (["size", "city"], [31, "Rome"], [47, None]):
    ...     book.active.append(row)
    >>> book.save(path)
    >>> table = read(path, Read())
    >>> table.ids(), table.frame.rows()
    (['a.xlsx:Sheet:2', 'a.xlsx:Sheet:3'], [(31, 'Rome'), (47, None)])
    """
    import numpy as np

    from netwright.data.readers.frames import finished, unique_names
    from netwright.data.readers.values import to_frame
    from netwright.data.table import Table

    book = _opened(data)
    name, part = _asked(book, settings.sheet, data.name)
    sheet, where = book[name], f"{data.name}:{name}"
    cells = _cells(sheet, part, where)
    _fill_merged(sheet, cells, where)
    _without_errors(cells, where)
    lines = _rows_with_values(cells)
    if not lines:
        raise InputError(Problem(where, "holds no values", fix="name another sheet with --read.sheet"))
    header, body = _header(cells, lines, settings, where)
    _say_unsaved(data, name, cells, body)
    kept = _columns(cells, header, body, where)
    titles = [_title(header[place]) if header is not None else f"column_{place + 1}" for place in kept]
    again = "name each column once; if that line is a row, --read.header false"
    names = unique_names(titles, where=where, fix=again)
    if not body:
        raise InputError(Problem(where, "has a header but no rows", fix="if that line is a row, --read.header false"))
    _doubt_total(cells, body, kept, where)
    columns = [[cells.rows[row][place] for row in body] for place in kept]
    frame = finished(to_frame(names, columns, settings.missing, where=where, texts=True), name=where)
    numbers = np.array([cells.first_row + row for row in body], dtype=np.int64)
    at = np.zeros(len(body), np.int32)
    return Table(frame, (where,), at, numbers, fingerprint=fingerprint(data), name=data.name)


def _opened(data: Path) -> Any:
    """Return the book, its formulas as the results that were saved with them."""
    try:
        import openpyxl
    except ImportError as error:
        raise absent("openpyxl", "excel", where=data.name) from error
    with readable(data), data.open("rb") as stream:
        head = stream.read(4)
    if head == _OLD:
        what = "is an old .xls file, or one with a password"
        raise InputError(Problem(data.name, what, fix="save it as .xlsx without a password, or as CSV"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of styles and validations, which mean nothing here
            return openpyxl.load_workbook(data, data_only=True)
    except (BadZipFile, KeyError, ValueError, OSError) as error:
        text = str(error).partition("\n")[0]
        raise InputError(Problem(data.name, f"is not a complete .xlsx file: {text}", fix="save it again")) from error


def _asked(book: Any, asked: str | None, file: str) -> tuple[str, str]:
    """Return the sheet to read and the part of it: the one asked for, else the first that is shown and holds values."""
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if asked is not None:
        name, _, part = (asked, "", "") if asked in sheets else asked.rpartition("!")
        name = name.strip("'") or part
        if name not in sheets:
            fix = nearest(name, sheets)
            raise InputError(Problem("read.sheet", f"{file} has no sheet {name!r}", fix=fix))
        return name, part if name != part else ""
    full = [name for name, sheet in sheets.items() if sheet.sheet_state == "visible" and _any(sheet)]
    if not full:
        raise InputError(Problem(file, "no visible sheet has values", fix=f"--read.sheet; {nearest('', sheets)}"))
    if len(full) > 1:
        others = ", ".join(full[1:6]) + (", ..." if len(full) > 6 else "")
        text = f"{file}: the sheet {full[0]!r}, because it is the first with values; --read.sheet for {others}"
        say("choice", "read.sheet", text, value=full[0], others=full[1:])
    return full[0], ""


def _any(sheet: Any) -> bool:
    return any(value is not None for row in sheet.iter_rows(values_only=True) for value in row)


def _cells(sheet: Any, part: str, where: str) -> Cells:
    """Return the values of a sheet, or of a part of it such as A3:F100."""
    from openpyxl.utils import range_boundaries

    left, top, right, bottom = 1, 1, sheet.max_column, sheet.max_row
    if part:
        try:
            bounds = range_boundaries(part.replace("$", ""))
        except ValueError as error:
            raise InputError(
                Problem("read.sheet", f"{part!r} is not a range of a sheet", allowed="such as A3:F100")
            ) from error
        left, top, right, bottom = (
            given or known for given, known in zip(bounds, (left, top, right, bottom), strict=True)
        )
    rows = sheet.iter_rows(min_row=top, max_row=bottom, min_col=left, max_col=right, values_only=True)
    return Cells([[_text(value) for value in row] for row in rows], top, left)


def _text(value: Any) -> Any:
    """A text without blanks round it, an empty one as nothing."""
    return (value.strip() or None) if isinstance(value, str) else value


def _fill_merged(sheet: Any, cells: Cells, where: str) -> None:
    """Give each cell of a range that is merged over several rows its value; a title over several columns stays one."""
    filled: list[str] = []
    for area in sheet.merged_cells.ranges:
        top, left = area.min_row - cells.first_row, area.min_col - cells.first_column
        bottom, right = area.max_row - cells.first_row, area.max_col - cells.first_column
        if area.min_row == area.max_row:
            cells.titles.add(top)
        if area.min_row == area.max_row or top < 0 or left < 0 or top >= len(cells.rows):
            continue
        for row in cells.rows[top : bottom + 1]:
            row[left : right + 1] = [cells.rows[top][left]] * len(row[left : right + 1])
        filled.append(str(area))
    if filled:
        text = f"{where}: {len(filled):,} merged ranges: their value is repeated in each cell"
        say_rows("read.merged", text, filled, kind="notice")


def _without_errors(cells: Cells, where: str) -> None:
    """Make cells that hold an error missing, and say which."""
    found: dict[str, list[str]] = defaultdict(list)
    for number, row in enumerate(cells.rows):
        for place, value in enumerate(row):
            if isinstance(value, str) and value in _ERRORS:
                found[value].append(cells.name(number, place))
                row[place] = None
    for error, names in found.items():
        say_rows("read.missing", f"{where}: {error} is read as missing in {len(names):,} cells", names)


def _rows_with_values(cells: Cells) -> list[int]:
    return [number for number, row in enumerate(cells.rows) if any(value is not None for value in row)]


def _say_unsaved(data: Path, name: str, cells: Cells, lines: list[int]) -> None:
    """Say which cells hold a formula whose result the file does not: Excel writes it when it saves."""
    import openpyxl

    gaps = {(row, place) for row in lines for place, value in enumerate(cells.rows[row]) if value is None}
    if not gaps:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        book = openpyxl.load_workbook(data, read_only=True)
    names = []
    rows = book[name].iter_rows(min_row=cells.first_row, min_col=cells.first_column, values_only=True)
    for row, values in enumerate(rows):
        for place, value in enumerate(values):
            if isinstance(value, str) and value.startswith("=") and (row, place) in gaps:
                names.append(cells.name(row, place))
    book.close()
    if names:
        text = f"{len(names):,} formulas have no result in the file and are read as missing; Excel saves results"
        say_rows("read.formulas", f"{data.name}:{name}: {text}", names)


def _header(cells: Cells, lines: list[int], settings: Read, where: str) -> tuple[list[Any] | None, list[int]]:
    """Return the header and the rows below it: the first row with values in most of the columns that are used."""
    if not settings.header:
        return None, lines
    counts = {row: sum(value is not None for value in cells.rows[row]) for row in lines}
    top = _top(cells, counts)
    above = [row for row in lines if row < top]
    if above:
        ids = [f"{where}:{cells.first_row + row}" for row in above]
        text = f"{where}: the header is row {cells.first_row + top}; {len(ids)} rows above it are left out"
        say_rows("read.header", text, ids, kind="notice")
    blank = [row for row in range(top, lines[-1]) if row not in counts]
    if blank:
        ids = [f"{where}:{cells.first_row + row}" for row in blank]
        say_rows("read.blank_lines", f"{len(ids):,} blank rows are skipped", ids, kind="notice")
    return cells.rows[top], [row for row in lines if row > top]


def _top(cells: Cells, counts: dict[int, int]) -> int:
    """Return the header's row: the first with values in most of the columns, which is no title over several columns.

    A row of numbers is none where the texts above it name half of the columns.
    """
    widest = max(counts.values())
    found = [row for row in counts if 2 * counts[row] > widest]
    top = next((row for row in found if row not in cells.titles), found[0])
    above = max((row for row in counts if row < top), default=None)
    texts = {
        row: all(isinstance(value, str | None) for value in cells.rows[row]) for row in (top, above) if row is not None
    }
    if above is not None and not texts[top] and texts[above] and 2 * counts[above] >= widest:
        return above
    return top


def _columns(cells: Cells, header: list[Any] | None, body: list[int], where: str) -> list[int]:
    """Return the columns that have a name or a value."""
    width = len(cells.rows[0])
    named = [place for place in range(width) if header is not None and header[place] is not None]
    full = {place for row in body for place, value in enumerate(cells.rows[row]) if value is not None}
    empty = [_title(header[place]) for place in named if header is not None and place not in full]
    if empty and body:
        say("notice", "read.empty", f"{where}: columns without a value: {', '.join(empty[:5])}", columns=empty)
    return sorted({*named, *full})


def _title(value: Any) -> str:
    """A header's cell as a column's name: a year reads 2024 and not 2024.0."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else " ".join(str(value).split())


def _doubt_total(cells: Cells, body: list[int], kept: Sequence[int], where: str) -> None:
    """Warn where the last row looks like a total, which is no row like the others."""
    last = cells.rows[body[-1]]
    first = next((last[place] for place in kept if last[place] is not None), None)
    if isinstance(first, str) and _TOTAL.match(first) and len(body) > 1:
        row = cells.first_row + body[-1]
        text = f"{where}:{row}: the last row looks like a total; to leave it out, name the part, such as --read.sheet"
        part = f"{where.partition(':')[2]}!{cells.name(0, kept[0])}:{cells.name(body[-2], kept[-1])}"
        say("warning", "read.total", f"{text} {part!r}")
