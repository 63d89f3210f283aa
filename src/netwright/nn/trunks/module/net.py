"""A user's module as the trunk. It receives what the parameters of its `forward` name.

A parameter may be named like a block (a kind, such as `number`, or a column that has a block of its own, such as a text
or image column); a single parameter of any other name gets all inputs, joined where they are vectors. Where it is
annotated as `Signal` it gets the signal, else the tensor. B rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.nn.shapes import Shape
from netwright.nn.signal import Memory, Signal
from netwright.nn.trunks.base import Trunk
from netwright.nn.trunks.module.settings import Settings


class Net(Trunk):
    """Wraps a module; `ends_in_target` is what the module declares, else whether its width is the outputs' number."""

    def __init__(
        self, settings: Settings, inputs: Sequence[Shape], outputs: int, *, module: nn.Module | None, names: Sequence[tuple[str, ...]],
        keys: Sequence[str],
    ) -> None:  # fmt: skip
        super().__init__()
        if module is None:
            where = f"its network is {settings.name}, which is your own code"
            raise InputError(Problem("model", where, fix="give it again: netwright.load(run, module=your_module)"))
        self.module = module
        self.takes = _parameters(module, keys, names)
        for name, (indices, _) in self.takes.items():
            if len(indices) > 1 and any(inputs[index].layout != "vector" for index in indices):
                what = (
                    f"{name!r} gets all inputs, which cannot be joined: {', '.join(keys[index] for index in indices)}"
                )
                fix = f"name each in its forward: def forward(self, {', '.join(keys)})"
                raise InputError(Problem(f"{type(module).__name__}.forward", what, fix=fix))
        self.out = self._tried(inputs)
        declared = getattr(module, "ends_in_target", None)
        self.ends_in_target = self.out.width == outputs if declared is None else bool(declared)
        if self.ends_in_target and declared is None:
            say(
                "choice",
                "module.ends_in_target",
                f"the module gives {outputs} values, as the targets need: they are the answer itself",
            )

    def read(self, signals: Sequence[Signal]) -> Memory:
        given = {}
        for name, (indices, whole) in self.takes.items():
            chosen = [signals[index] for index in indices]
            if len(chosen) > 1:
                chosen = [Signal(torch.cat([signal.values for signal in chosen], 1), "vector")]
            given[name] = chosen[0] if whole else chosen[0].values
        answer = self.module(**given)
        if isinstance(answer, Tensor):
            layout = {2: "vector", 3: "sequence", 4: "grid"}.get(answer.ndim)
            if layout is None or len(answer) != len(signals[0].values):
                raise InputError(Problem(
                    "model", f"{type(self.module).__name__} gives {tuple(answer.shape)} for {len(signals[0].values)} rows",
                    allowed="(B, D), (B, T, D) or (B, D, H, W)", fix="keep the row axis and a width, such as y[:, None]",
                ))  # fmt: skip
            answer = Signal(answer, layout)  # type: ignore[arg-type]
        return Memory(answer)

    def _tried(self, inputs: Sequence[Shape]) -> Shape:
        """The shape that comes out, found with two rows of zeros."""
        zeros = [_zeros(shape) for shape in inputs]
        was = self.module.training
        try:
            with torch.no_grad():
                signal = self.eval().read(zeros).inputs
        except RuntimeError as error:
            given = ", ".join(
                f"{name} {tuple(zeros[at].values.shape)}" for name, (ats, _) in self.takes.items() for at in ats
            )
            what = f"fails on two rows of zeros ({given}): {error}"
            fix = "let its first layers take these widths"
            raise InputError(Problem(f"{type(self.module).__name__}.forward", what, fix=fix)) from error
        self.module.train(was)
        assert signal is not None
        axis = 1 if signal.layout in ("grid", "volume") else -1
        return Shape(signal.layout, signal.values.shape[axis], size=tuple(signal.values.shape[2:]) if axis == 1 else ())


def _zeros(shape: Shape) -> Signal:
    if shape.layout == "sequence" and shape.width == 0:  # token numbers
        return Signal(torch.zeros(2, 3, dtype=torch.long), "sequence", document=torch.zeros(2, 3, dtype=torch.long))
    sizes = {"vector": (shape.width,), "sequence": (shape.length or 3, shape.width)}
    return Signal(torch.zeros(2, *sizes.get(shape.layout, (shape.width, *shape.size))), shape.layout)


def _parameters(
    module: nn.Module, keys: Sequence[str], names: Sequence[tuple[str, ...]]
) -> dict[str, tuple[list[int], bool]]:
    signature = inspect.signature(module.forward)
    wanted = [p for p in signature.parameters.values() if p.default is inspect.Parameter.empty or p.name in keys]
    found: dict[str, tuple[list[int], bool]] = {}
    for parameter in wanted:
        whole = parameter.annotation is Signal or parameter.annotation == "Signal"
        own = [
            k
            for k, (key, columns) in enumerate(zip(keys, names, strict=True))
            if parameter.name in (key, *columns[: len(columns) == 1])
        ]
        if not own and len(wanted) == 1:
            own = list(range(len(keys)))
        if not own:
            there = ", ".join(sorted({*keys, *(columns[0] for columns in names if len(columns) == 1)}))
            raise InputError(
                Problem(f"{type(module).__name__}.forward", f"there is no input {parameter.name!r}", allowed=there)
            )
        found[parameter.name] = (own, whole)
    return found
