"""Plain texts: a `.txt` or `.md` file whose rows are lines, paragraphs or itself; a folder of them, a row a file.

In a folder the sub-folder's name is the label, as in `pos/1.txt`, or `train/pos/1.txt` and `test/pos/2.txt`, where the
upper folders say how the rows are split.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from netwright.data.readers.content import ends, hasher, load, say_blank_lines, to_utf8
from netwright.data.readers.splits import split_of
from netwright.data.readers.tree import LOOKED_AT, divided, files
from netwright.errors import InputError, Problem
from netwright.events import say, say_rows

if TYPE_CHECKING:
    from netwright.data.table import Table
    from netwright.recipe import Read

FORMS = (".txt .md of plain text (also with .gz)", "a folder of .txt files, where labelled with a sub-folder for each")
_ENDINGS = (".txt", ".md")
_UNLABELLED = ("unsup", "unlabelled", "unlabeled")  # the first is what the large film review set calls its
_LINES = 20  # a paragraph has fewer lines on average; with more, the blank lines part something else

Part = tuple[int, str]
"""The line on which a row starts (0: the file is the row), and its text."""


def claims(data: Any) -> bool:
    """Say whether `data` is the path of a plain text, or of a folder most of whose files are.

    >>> claims(Path("a.md")), claims(Path("a.csv"))
    (True, False)
    """
    if not isinstance(data, Path) or not data.is_dir():
        return ends(data, _ENDINGS)
    names = list(islice(files(data), LOOKED_AT))
    return 0 < len(names) <= 2 * sum(map(_is_text, names))


def read(data: Path, settings: Read) -> Table:
    """Read texts into a table: `text` and, in a folder with sub-folders, `label`.

    The id of a row is `file:line`, where it starts, or the file alone where it is the row. Without `read.rows` a file
    is parted into paragraphs where blank lines part it, else into lines, and a folder has a row a file; that is said.
    Raises `InputError` for a file that is not in its encoding or holds no text.

    >>> import tempfile
    >>> from netwright.recipe import Read
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> _ = path.write_text("One line\\nand another.\\n\\nA second paragraph.\\n")
    >>> read(path, Read()).frame["text"].to_list()
    ['One line\\nand another.', 'A second paragraph.']
    >>> read(path, Read(rows="line")).ids()
    ['notes.txt:1', 'notes.txt:2', 'notes.txt:4']
    """
    return _folder(data, settings) if data.is_dir() else _file(data, settings)


def _is_text(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(_ENDINGS)


def _file(data: Path, settings: Read) -> Table:
    """Read one file."""
    import numpy as np
    import polars as pl

    from netwright.data.table import Declared, Table

    raw, fingerprint = load(data)
    text = _lines_ended(to_utf8(raw, settings.encoding, name=data.name).decode())
    if not text.strip():
        raise InputError(Problem(data.name, "the file is empty", fix="give a file with text"))
    rows = settings.rows or _looked_for(text, data.name)
    parts, blank = _parted(text, rows)
    if blank:
        ids = [f"{data.name}:{line}" for line in blank]
        say_blank_lines(ids)
    lines = np.array([line for line, _ in parts], dtype=np.int64)
    frame = pl.DataFrame({"text": [part for _, part in parts]})
    at = np.zeros(len(parts), np.int32)
    declared = {"text": Declared("text", f"{data.name} is a text")}
    return Table(frame, (data.name,), at, lines, fingerprint=fingerprint, name=data.name, declared=declared)


def _lines_ended(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _looked_for(text: str, name: str) -> str:
    """Return what a row is, by the blank lines: paragraphs where they part them, else lines; say it."""
    lines = text.strip().split("\n")
    full = [bool(line.strip()) for line in lines]
    blocks = sum(here and not before for here, before in zip(full, [False, *full[:-1]], strict=True))
    if blocks > 1 and blocks < sum(full) <= _LINES * blocks:
        rows, reason = "paragraph", f"blank lines part it into {blocks:,}"
    else:
        rows, reason = (
            "line",
            "blank lines do not part it into paragraphs" if blocks < sum(full) else "each stands alone",
        )
    others = " or ".join(other for other in ("line", "paragraph", "file") if other != rows)
    say(
        "choice",
        "read.rows",
        f"{name}: a row is a {rows}, because {reason}; --read.rows {others} otherwise",
        value=rows,
    )
    return rows


def _parted(text: str, rows: str) -> tuple[list[Part], list[int]]:
    """Return the rows of a text, and the lines that are blank where lines are rows."""
    if rows == "file":
        return [(0, text.strip())], []
    lines = text.rstrip().split("\n")
    if rows == "line":
        numbered = list(enumerate((line.strip() for line in lines), start=1))
        return [part for part in numbered if part[1]], [number for number, line in numbered if not line]
    parts: list[Part] = []
    held: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            held.append(line.rstrip())
        elif held:
            parts.append((number - len(held), "\n".join(held).strip()))
            held = []
    return parts, []


def _folder(data: Path, settings: Read) -> Table:
    """Read a folder of texts."""
    import numpy as np
    import polars as pl

    from netwright.data.table import Declared, Table

    found = sorted(files(data))
    names, splits, labels = _placed(data, [name for name in found if _is_text(name)], found)
    rows = settings.rows or "file"
    if settings.rows is None:
        say(
            "choice", "read.rows", f"{data}: a row is a file, because it is a folder; --read.rows otherwise", value=rows
        )
    parts, content = _read_all(data, names, rows, settings)
    kept = [place for place, held in enumerate(parts) for _ in held]
    columns = {"text": [text or None for held in parts for _, text in held]}
    if labels:
        columns["label"] = [labels[place] for place in kept]
    lines = np.array([line for held in parts for line, _ in held], dtype=np.int64)
    marks = np.array([splits[place] for place in kept]) if splits else None
    if marks is not None and len(set(splits)) < 2:
        marks = None
    frame = pl.DataFrame(columns)
    at = np.array(kept, dtype=np.int32)
    declared = {"text": Declared("text", "it is a folder of texts")}
    if labels:
        classes = tuple(sorted({labels[place] for place in kept}))
        declared["label"] = Declared("category", "the folder names its class", classes)
    return Table(
        frame, tuple(names), at, lines, fingerprint=content, splits=marks, name=data.resolve().name, declared=declared
    )  # fmt: skip


def _placed(data: Path, texts: list[str], found: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the texts that are rows, their splits and their labels (none: no list); the files left out are said."""
    others = sorted(set(found) - set(texts))
    if others:
        say_rows("read.skipped", f"{data}: {len(others):,} files that are not text are skipped", others, kind="notice")
    above = 1 if divided(texts, data, what="texts") else 0
    parts = {name: PurePosixPath(name).parts for name in texts}
    inside = [name for name in texts if len(parts[name]) > above + 1]
    if not inside:
        say("choice", "read.label", f"{data}: no column label, because no sub-folder holds texts")
        return texts, [], []
    outside = sorted(set(texts) - set(inside))
    if outside:
        say_rows("read.unlabelled", f"{data}: {len(outside):,} texts outside the class folders are left out", outside)
    unlabelled = [name for name in inside if parts[name][above].lower() in _UNLABELLED]
    if unlabelled and len(unlabelled) < len(inside):
        text = f"{data}: {len(unlabelled):,} unlabelled texts are left out"
        say_rows("read.unlabelled", text, unlabelled)
        inside = sorted(set(inside) - set(unlabelled))
    splits = [str(split_of(parts[name][0])) for name in inside] if above else []
    return inside, splits, [parts[name][above] for name in inside]


def _read_all(data: Path, names: Iterable[str], rows: str, settings: Read) -> tuple[list[list[Part]], str]:
    """Return each file's rows and the hash of all; files that cannot be read are refused or left out, as settings say."""
    content = hasher()
    out: list[list[Part]] = []
    bad: dict[str, Problem] = {}
    empty: list[str] = []
    for name in names:
        raw, own = load(data / name)
        content.update(name.encode(errors="surrogateescape") + b"\0" + own.encode())
        try:
            text = _lines_ended(to_utf8(raw, settings.encoding, name=name).decode())
        except InputError as error:
            bad[name] = error.problems[0]
            out.append([])
            continue
        if not text.strip():
            empty.append(name)
        out.append(_parted(text, rows)[0])
    if bad and (settings.bad_rows == "refuse" or len(bad) == len(out)):
        fix = "fix them, name their encoding with --read.encoding, or --read.bad_rows leave_out"
        total = Problem(str(data), f"{len(bad):,} of {len(out):,} texts cannot be read", fix=fix)
        raise InputError(*list(bad.values())[:5], total)
    if bad:
        say_rows("read.bad_rows", f"{len(bad):,} texts left out, because they are not in the encoding", list(bad))
    if empty:
        say_rows("read.empty", f"{len(empty):,} files contain no text", empty, kind="notice")
    if not any(out):
        raise InputError(Problem(str(data), "none of its files holds text", fix="give a folder with texts"))
    return out, content.hexdigest()
