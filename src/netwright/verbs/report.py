"""Report: the page of a run, made again from the files of its folder."""

from __future__ import annotations

from pathlib import Path

from netwright.report.page import build


def report(run: str | Path, *, output: str | Path | None = None) -> Path:
    """Write a run's report and return its path: `report.html` in the run's folder, or `output`.

    Only files of the folder are read: the data are not needed again. Raises `InputError` where there is no such run, it
    was not finished, or there is no room.

    >>> import netwright as nw
    >>> folder = getfixture("tmp_path") / "line"
    >>> _ = nw.train({"x": list(range(60)), "y": [3.0 * x for x in range(60)]}, target="y", model="linear", output=folder,
    ...              settings={"columns": {"x": "number"}})
    >>> report(folder).name
    'report.html'
    """
    return build.again(run, output=output)
