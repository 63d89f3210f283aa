"""Exports: a run as another engine's files, proven equal before they stand there. One file each.

The folder is the registry. An exporter gives `EXTRA` (what pip brings it), `TYPES` (stored types, the default first),
`FILE` (which its folders are known by), `refuse(model)` (why a run cannot be held, or None), `write(model, folder, stored)`
and `load(folder)`, which returns the other engine as a `Side` (of `side` where texts are written, else of `answers`), so that
the parity gate can compare.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

HELPERS = ("answers", "documents", "package", "llama", "parity", "proven", "side")


class _Room(ModuleType):
    """The room, which can be called: `netwright.export(run, to=...)` is the verb, whether or not it was imported."""

    def __call__(
        self, run: str | Path, *, to: str, output: str | Path | None = None, stored: str | None = None, data: Any = None
    ) -> dict[str, Any]:
        """Write a run as another engine's files; see `netwright.export.proven.export`."""
        from netwright.export.proven import export

        return export(run, to=to, output=output, stored=stored, data=data)


sys.modules[__name__].__class__ = _Room
