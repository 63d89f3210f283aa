"""The report: one page that opens offline, made of the files of a run's folder. Each file here is a section.

A section has `TITLE`, `PLACE` (sections stand by rising place) and `section(found)`, which returns HTML or None where
there is nothing to say. `page` holds what sections are made of, `kept` what a training writes down for them,
`notebook` what a notebook shows while a training goes on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netwright.runtime.run import Run

HELPERS = ("page", "kept", "kinds", "notebook")


class _Room(ModuleType):
    """The room, which can be called: `netwright.report(run)` is the verb, whether or not the room was imported."""

    def __call__(self, run: str | Path | Run, *, output: str | Path | None = None) -> Path:
        """Write the report of a run; see `netwright.verbs.report`."""
        from netwright.report.page.build import again

        return again(run, output=output)


sys.modules[__name__].__class__ = _Room
