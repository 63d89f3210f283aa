"""How long each stage of a training took."""

from __future__ import annotations

import time


class Clock:
    """Laps of a stopwatch that runs from its making; laps of one name add up.

    >>> clock = Clock()
    >>> clock.lap("reading")
    >>> list(clock.seconds)
    ['reading']
    """

    def __init__(self) -> None:
        self.last, self.seconds = time.monotonic(), dict[str, float]()

    def lap(self, name: str) -> None:
        """Count the time since the last lap as that of the stage `name`."""
        now = time.monotonic()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self.last
        self.last = now
