"""What long work says while it works. The library never prints: it says events, and whoever listens renders them.

>>> with listening(seen := []):
...     _ = say("choice", "model.family", "mlp, because all inputs are numbers", value="mlp")
>>> seen[0].kind, seen[0].name
('choice', 'model.family')
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["step", "choice", "notice", "warning", "progress", "result"]
Listener = Callable[["Event"], None]

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())
_log = logging.getLogger("netwright")
_log.addHandler(logging.NullHandler())  # who wants the log says so; the library never prints


@dataclass(frozen=True)
class Event:
    """One thing said.

    `kind` is its sort: `step` (a stage begins), `choice` (a setting was chosen, with its reason), `notice` (something
    was handled), `warning` (something was dropped, cut or coerced), `progress` (training goes on), `result`.
    `name` is a short dotted name that programs can match; `text` is for people; `data` holds numbers and row ids.
    """

    kind: Level
    name: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)
    time: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the event as plain values, as it stands in `events.jsonl`."""
        return asdict(self)


def say(kind: Level, name: str, text: str, **data: Any) -> Event:
    """Send an event to all listeners and to the logger `netwright` (progress as debug, the rest as info or warning)."""
    event = Event(kind, name, text, data, time.time())
    level = {"warning": logging.WARNING, "progress": logging.DEBUG}.get(kind, logging.INFO)
    _log.log(level, "%s: %s", name, text)
    for listener in _listeners.get():
        listener(event)
    return event


def say_rows(name: str, text: str, rows: Sequence[str], *, kind: Level = "warning", **data: Any) -> Event:
    """Say what happened to certain rows: the count and the first row ids are added to the text and the data."""
    shown = _shown(rows[:5], len(rows))
    return say(kind, name, text + shown, count=len(rows), rows=list(rows[:20]), **data)


def _shown(first: Sequence[str], count: int) -> str:
    more = f" and {count - len(first):,} more" if count > len(first) else ""
    return f" ({', '.join(first)}{more})"


def say_together(heard: list[Event]) -> None:
    """Say what was heard of slices of the rows as if it were said of all at once.

    Of events of one name about one column the first is said, with all their rows counted.

    >>> with listening(heard := []):
    ...     for row in ("a.csv:1", "a.csv:7"):
    ...         _ = say_rows("number.unreadable", "x: not numbers", [row], column="x")
    >>> with listening(said := []):
    ...     say_together(heard)
    >>> [event.text for event in said]
    ['x: not numbers (a.csv:1, a.csv:7)']
    """
    groups: dict[Any, list[Event]] = {}
    for event in heard:
        groups.setdefault((event.kind, event.name, event.data.get("column")), []).append(event)
    for events in groups.values():
        first, data = events[0], dict(events[0].data)
        if "rows" not in data or len(events) == 1:
            say(first.kind, first.name, first.text, **data)
            continue
        text = first.text.removesuffix(_shown(data.pop("rows")[:5], data.pop("count")))
        count, rows = (sum(e.data["count"] for e in events), [row for e in events for row in e.data["rows"]][:20])
        say(first.kind, first.name, text + _shown(rows[:5], count), count=count, rows=rows, **data)


@contextmanager
def listening(listener: Listener | list[Event]) -> Iterator[None]:
    """Within the block, `listener` (a function, or a list to append to) hears every event said in this context."""
    hear = listener.append if isinstance(listener, list) else listener
    token = _listeners.set((*_listeners.get(), hear))
    try:
        yield
    finally:
        _listeners.reset(token)


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block nobody hears: for work that is tried beside the work that is asked for."""
    token = _listeners.set(())
    try:
        yield
    finally:
        _listeners.reset(token)
