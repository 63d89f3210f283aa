"""What was said while a test ran."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netwright.events import Event, listening


@pytest.fixture
def said() -> Iterator[list[Event]]:
    """The events said during the test."""
    with listening(events := []):
        yield events
