"""Packages of others, installed for the length of a test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netwright import registry
from netwright.kinds import infer


@contextmanager
def installed(folder: Path, project: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the packages that lie in a folder, with the metadata of a `pyproject.toml`'s table `project`."""
    about = folder / f"{project['name']}-{project['version']}.dist-info"
    about.mkdir()
    named = {"Metadata-Version": "2.1", "Name": project["name"], "Version": project["version"]}
    (about / "METADATA").write_text("".join(f"{key}: {value}\n" for key, value in named.items()), encoding="utf-8")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)

    def afresh() -> None:
        importlib.invalidate_caches()
        registry.refresh()
        infer.able.cache_clear()

    afresh()
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == project["name"]:
                del sys.modules[name]
        monkeypatch.undo()
        afresh()
