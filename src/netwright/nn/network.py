"""The network: stems, trunk and heads joined. The only place that sees all three. B rows, O outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from netwright import registry
from netwright.errors import InputError, Problem
from netwright.kinds.base import Input, Target, kind_name
from netwright.nn.batch import Batch, Block, Goal, Rows
from netwright.nn.heads.base import Direct, Head
from netwright.nn.heads.settings import HeadSettings
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.stems.base import Stem
from netwright.nn.stems.text import Again
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.family import Family
from netwright.nn.windows import read
from netwright.recipe import validate

KNOWN = "known"  # the block of what a network that stays as it is made of its columns


@dataclass(frozen=True)
class Plug:
    """Where a head reads the trunk's signal: `outputs` values from `start`, where the trunk ends in its targets."""

    start: int
    outputs: int


class Network(nn.Module):
    """Columns in, columns out.

    `stems` and `heads` are keyed like the blocks and targets that batches hold. `alike`: the blocks that are texts read in
    the same tokens, so that a word of one is known again in another.
    """

    def __init__(
        self,
        stems: Mapping[str, Stem],
        trunk: Trunk,
        heads: Mapping[str, Head],
        plugs: Mapping[str, Plug] | None = None,
        alike: Sequence[Sequence[str]] = (),
    ) -> None:
        super().__init__()
        self.alike = [list(keys) for keys in alike]
        self.again = nn.ModuleList(Again(stems[keys[0]].out.width) for keys in alike)
        self.stems, self.trunk, self.heads = nn.ModuleDict(stems), trunk, nn.ModuleDict(heads)
        self.plugs = dict(plugs or {})
        self.paired = any(head.paired for head in heads.values())  # then what answers is how alike two vectors are
        self.rates: dict[str, float] = {}  # by weight: what its learning rate is multiplied by

    def read(self, batch: Batch) -> Memory:
        """Read a batch's inputs once."""
        draw = batch.draw if batch.augment else None
        known = batch.inputs.get(KNOWN)
        there = {key: stem for key, stem in self.stems.items() if key in batch.inputs} if known else self.stems
        signals: dict[str, Signal] = {key: stem(batch.inputs[key], draw) for key, stem in there.items()}  # type: ignore[operator]
        if known is not None:
            return self.trunk.fused(known["values"], list(signals.values()))  # type: ignore[operator]
        for keys, again in zip(self.alike, self.again, strict=True):
            found = again([signals[key] for key in keys], [batch.inputs[key] for key in keys])
            signals.update(zip(keys, found, strict=True))
        return read(self.trunk, list(signals.values()))  # type: ignore[arg-type]

    def known(self, batch: Batch) -> Tensor:
        """(B, D) what a trunk that stays as it is makes of a batch's columns; given as the block KNOWN, it is not done again."""
        return self.trunk.known([stem(batch.inputs[key], None) for key, stem in self.stems.items()])  # type: ignore[operator]

    def vector(self, batch: Batch) -> Tensor:
        """(B, D) what the network makes of a row before its head answers; of an ensemble (B, K · D).

        Of a pretrained network the pooled states of its own columns.
        """
        if hasattr(self.trunk, "known"):
            return self.known(batch)
        signal, _ = self.trunk.step(self.read(batch))
        return signal.pooled().flatten(1)

    def other(self, key: str, block: Block) -> Tensor:
        """(B, D) the vectors of the other halves of pairs, read as the input that they belong to is."""
        (own,) = self.stems
        return self.vector(Batch({own: block}))

    def teach(self, rows: Rows, train: Tensor) -> None:
        """Keep the goals of heads that teach a row the same in every epoch, for all rows at once.

        Where the training rows (n,) all weigh 1, no weight is kept, and their loss is a plain mean.
        """
        for key, head in self.heads.items():
            if isinstance(head, Direct):
                _, goal = head.teach(rows.targets[key], None)
                weight = _times(goal.weight, rows.weight)
                even = weight is None or bool((weight[train] == 1).all())
                rows.goals[key] = Goal(goal.values, None if even else weight)

    def goals(self, batch: Batch) -> dict[str, tuple[Signal | None, Goal]]:
        """What each head is taught of a batch; rows' own weights are in the goals' weights."""
        taught: dict[str, tuple[Signal | None, Goal]] = {}
        for key, head in self.heads.items():
            if key in batch.goals:
                taught[key] = (None, batch.goals[key])
                continue
            stimulus, goal = head.teach(batch.targets[key], batch.draw)  # type: ignore[operator]
            taught[key] = (stimulus, Goal(goal.values, _times(goal.weight, batch.weight)))
        return taught

    def forward(self, batch: Batch) -> dict[str, tuple[Tensor, Tensor | None]]:
        """By target: the rows' losses (B,), and their weights (B,), None where all weigh 1."""
        if self.paired:
            return self._pairs(batch)
        taught, memory = self.goals(batch), self.read(batch)
        out: dict[str, tuple[Tensor, Tensor | None]] = {}
        for key, head in self.heads.items():
            stimulus, goal = taught[key]
            signal, after = self.trunk.step(memory, stimulus)
            losses = head.loss(self.plugged(key, signal), goal, after)  # type: ignore[operator]
            assert losses.shape == (len(batch),), f"{key}: losses {losses.shape} of {len(batch)} rows"
            out[key] = (losses, goal.weight)
        return out

    def _pairs(self, batch: Batch) -> dict[str, tuple[Tensor, Tensor | None]]:
        """`forward`, where the target is the other half of a pair."""
        ((key, head),) = self.heads.items()
        _, goal = self.goals(batch)[key]
        losses = head.compared(self.vector(batch), self.other(key, batch.inputs[key]), goal)  # type: ignore[operator]
        return {key: (losses, goal.weight)}

    def plugged(self, key: str, signal: Signal) -> Signal:
        """Return the part of a signal that a head reads: all of it, or its own outputs of a trunk that ends in them."""
        plug = self.plugs.get(key)
        if plug is None or len(self.plugs) == 1:
            return signal
        return replace(signal, values=signal.values.narrow(-1, plug.start, plug.outputs))


def _times(weight: Tensor | None, more: Tensor | None) -> Tensor | None:
    if weight is None or more is None:
        return more if weight is None else weight
    return weight * more


def build(
    family: Family,
    inputs: Mapping[str, Input],
    targets: Mapping[str, Target],
    heads: Mapping[str, HeadSettings],
    module: nn.Module | None = None,
) -> Network:
    """Return the network for fitted kinds: a stem for each block, the family's trunk, a head for each target.

    `module` is a user's own trunk (family `module`). Randomness is torch's own: seed it before.
    """
    name = type(family).model_fields["family"].default
    sizes = {key: _head_module(heads[key]).outputs(kind, heads[key]) for key, kind in targets.items()}
    total = sum(sizes.values())
    stems = {
        key: registry.find("stems", kind_name(kind)).Stem(kind, family.want(kind.signal, outputs=total))
        for key, kind in inputs.items()
    }
    alike = _alike(inputs, stems)
    shapes = [stem.out for stem in stems.values()]
    extra: dict[str, Any] = (
        {"module": module, "names": [kind.columns for kind in inputs.values()], "keys": list(inputs)}
        if name == "module"
        else {}
    )
    trunk: Trunk = registry.find("trunks", name, family.builds).Net(family, shapes, total, **extra)
    trunk.keeps_elements = any(kind.needs == "elements" for kind in targets.values())
    ready = trunk.ends_in_target
    plugs, start = {}, 0
    for key, outputs in sizes.items():
        plugs[key] = Plug(start, outputs)
        start += outputs
    shape = replace(trunk.out, columns=tuple(kind.columns for kind in inputs.values()))
    nets = {
        key: _head_module(heads[key]).Net(kind, heads[key], _coming(shape, ready, plugs[key]), ready=ready)
        for key, kind in targets.items()
    }
    return Network(stems, trunk, nets, plugs if ready else None, alike)


def _alike(inputs: Mapping[str, Input], stems: Mapping[str, Stem]) -> list[list[str]]:
    """The blocks that come as sequences and are read in the same tokens; they get one embedding."""
    groups: dict[str, list[str]] = {}
    for key, kind in inputs.items():
        if kind.shared and stems[key].out.layout == "sequence" and stems[key].out.width:
            groups.setdefault(kind.shared, []).append(key)
    alike = [keys for keys in groups.values() if len(keys) > 1]
    for keys in alike:
        for key in keys[1:]:
            stems[key].tie(stems[keys[0]])
    return alike


def sizes_of(network: Network) -> dict[str, int]:
    """Return how many weights each part has."""
    parts: dict[str, nn.Module] = {"stems": network.stems, "trunk": network.trunk, "heads": network.heads}
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}


def head_settings(kind: str, given: Mapping[str, Any], *, where: str) -> HeadSettings:
    """Return the settings of the head that answers a kind of target: the named one, the kind's own, or the first that can."""
    able = [
        name for name in registry.names("heads") if kind in registry.find("heads", name, "settings").Settings.answers
    ]
    name = given.get("head", kind if kind in able else able[0] if able else "")
    if name not in able:
        raise InputError(
            Problem(
                f"{where}.head", f"{name!r} does not answer a {kind}", allowed=", ".join(able) or "no head does yet"
            )
        )
    return validate(registry.find("heads", name, "settings").Settings, dict(given), where=where)


def _head_module(settings: HeadSettings) -> Any:
    return registry.find("heads", type(settings).model_fields["head"].default, "net")


def _coming(shape: Shape, ready: bool, plug: Plug) -> Shape:
    return replace(shape, width=plug.outputs) if ready else shape
