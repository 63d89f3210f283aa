"""What goes wrong because of a person's input or settings: named places, all problems at once, never a traceback.

`InputError` is for the user (command line: exit code 2). An `assert` or any other exception is our bug (exit code 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and what to do about it.

    `where` names the file, row, column or setting; `what` says what was found there; `allowed` says what may stand
    there; `fix` tells the user what to do.

    >>> print(Problem("training.epochs", "-3 is below 1", allowed="a whole number from 1", fix="leave it out"))
    training.epochs: -3 is below 1. Allowed: a whole number from 1. Fix: leave it out.
    """

    where: str
    what: str
    allowed: str = ""
    fix: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.allowed:
            text += f". Allowed: {self.allowed}"
        if self.fix:
            text += f". Fix: {self.fix}"
        return text if text.endswith("?") else text + "."


def quoted(value: object, length: int = 60) -> str:
    """Return a value as messages show it: a long one is cut, for a cell may hold a whole text.

    >>> quoted("a" * 100, 5), quoted(3.5)
    ("'aaaaa...'", '3.5')
    """
    return repr(value[:length] + "...") if isinstance(value, str) and len(value) > length else repr(value)


def counted(count: int, what: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "row"), counted(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


class InputError(ValueError):
    """The user's input or settings cannot be used; carries every problem found, not only the first.

    >>> raise InputError(Problem("a.csv", "there is no such file"))
    Traceback (most recent call last):
    netwright.errors.InputError: a.csv: there is no such file.
    """

    def __init__(self, *problems: Problem) -> None:
        assert problems
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def absent(package: str, extra: str, *, where: str) -> InputError:
    """Return the error for what needs a package which is not installed; the extra brings it.

    >>> print(absent("openpyxl", "excel", where="book.xlsx"))
    book.xlsx: the package openpyxl is required and not installed. Fix: pip install 'netwright[excel]'.
    """
    what = f"the package {package} is required and not installed"
    return InputError(Problem(where, what, fix=f"pip install 'netwright[{extra}]'"))


class Interrupted(KeyboardInterrupt):
    """The user stopped the work (Ctrl-C); what was done is saved in `folder`, and `resume` is the command to go on."""

    def __init__(self, folder: str, resume: str) -> None:
        self.folder, self.resume = folder, resume
        super().__init__(f"stopped; go on with: {resume}")


def nearest(name: str, names: Iterable[str], *, head: str = "") -> str:
    """Return a hint that names the entry of `names` nearest to `name`, or lists them; `head` stands before each.

    >>> nearest("epocs", ["epochs", "seed"])
    'did you mean epochs?'
    >>> nearest("PRICE", ["Price", "rice"])
    'did you mean Price?'
    >>> nearest("zzz", ["epochs", "seed"])
    'there is: epochs, seed'
    """
    known = list(names)
    plain = {each.casefold(): each for each in known}  # names that differ in capitals are the nearest
    close = difflib.get_close_matches(name.casefold(), plain, n=1, cutoff=0.6)
    if close:
        return f"did you mean {head}{plain[close[0]]}?"
    return (
        f"there is: {', '.join(head + each for each in known[:30])}{', ...' if len(known) > 30 else ''}"
        if known
        else "there is none"
    )
