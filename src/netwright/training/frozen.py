"""What a pretrained network that stays as it is makes of each row: computed once, kept in the cache. n rows, D width."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from netwright.events import say
from netwright.inference.embeddings import by_length
from netwright.nn.network import KNOWN, Network
from netwright.nn.trunks.pretrained.settings import Settings
from netwright.runtime import cache
from netwright.runtime.arrays import Arrays


def known(work: Any, network: Callable[[], Network]) -> Any:
    """Return the work with the pretrained network's own columns replaced by what it makes of them, its body fixed.

    None where its body does not stay as it is at any time, or an answer looks at more than that.
    """
    family = work.family
    how = family.adapt.how if isinstance(family, Settings) and family.adapt else ""
    if how not in ("frozen", "head") or any(
        kind.needs == "elements" or kind.needs == "pair" for kind in work.fitted.targets.values()
    ):
        return None
    assert isinstance(family, Settings) and family.adapt is not None
    own = [
        key for key, kind in work.fitted.inputs.items() if family.want(kind.signal, outputs=1).form in ("ids", "grid")
    ]
    held = {key: work.inputs[key] for key in own}
    name = f"features {family.digest} {family.pooling} {family.length} {cache.content(held)}"

    def tell(done: int) -> None:
        say(
            "progress", "features.rows", "computing features with the pretrained network", step=done, steps=_count(held)
        )

    def encode() -> Arrays:
        began = time.perf_counter()
        net = network()
        values = by_length(net, net.known, work.inputs, own, _count(held), tell=tell)
        text = (
            f"{len(values):,} rows: features of the pretrained network computed, in {time.perf_counter() - began:.0f} s"
        )
        say("step", "features", text, rows=len(values))
        return {"values": values}

    found = cache.kept(name, encode)
    inputs = {KNOWN: found, **{key: arrays for key, arrays in work.inputs.items() if key not in own}}
    fixed = family.model_copy(update={"adapt": family.adapt.model_copy(update={"how": "frozen"})})
    recipe = work.recipe.model_copy(update={"model": fixed.model_dump(mode="json")})
    return replace(work, inputs=inputs, family=fixed, recipe=recipe)


def _count(held: dict[str, Arrays]) -> int:
    return len(next(iter(next(iter(held.values())).values())))
