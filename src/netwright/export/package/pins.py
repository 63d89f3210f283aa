"""The exact versions that a run is served with: what is installed here, down to the last dependency."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution

from netwright.errors import absent

CPU = "https://download.pytorch.org/whl/cpu"


def pins(extras: Iterable[str]) -> list[str]:
    """Return `name==version` of all that netwright needs with these extras. Raises `InputError` where one is not installed."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    asked = [("netwright", frozenset(extras))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while asked:
        name, wanted = asked.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        held = distribution(name)
        found[name] = held.version
        for line in held.requires or []:
            need = Requirement(line)
            extra = next((each for each in ("", *wanted) if need.marker is None or need.marker.evaluate({"extra": each})), None)  # fmt: skip
            if extra is None:
                continue
            own = canonicalize_name(need.name)
            try:
                distribution(own)
            except PackageNotFoundError as error:
                raise absent(own, extra or "serve", where="netwright pack") from error
            asked.append((own, frozenset(need.extras)))
    found.pop("netwright")
    return [f"{name}=={number.partition('+')[0]}" for name, number in sorted(found.items())]
