"""What the tests of the sources share: writing a file, reading it, and hearing what was said or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netwright.data import readers
from netwright.data.table import Table
from netwright.errors import InputError
from netwright.events import Event, listening
from netwright.recipe import Read


@pytest.fixture
def said() -> Iterator[list[Event]]:
    """The events said during the test."""
    with listening(events := []):
        yield events


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Table]:
    """Write `content` to a file of this name and read it."""

    def write_and_read(name: str, content: str | bytes, **settings: Any) -> Table:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return readers.read(path, settings=Read(**settings))

    return write_and_read


@pytest.fixture
def refused() -> Callable[..., str]:
    """Call a function that must refuse; return what it says."""

    def call(function: Callable[..., Any], *arguments: Any, **settings: Any) -> str:
        with pytest.raises(InputError) as caught:
            function(*arguments, **settings)
        return str(caught.value)

    return call
