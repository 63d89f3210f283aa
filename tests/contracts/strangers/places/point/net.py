"""A place out, with the loss |a - t|². B rows."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from netwright.nn.heads.base import Direct, Goal, Readout, present


def outputs(kind: Any, settings: Any) -> int:
    """Two values."""
    return 2


class Net(Direct):
    """Two values."""

    def __init__(self, kind: Any, settings: Any, coming: Any, *, ready: bool) -> None:
        super().__init__()
        self.readout = Readout(coming, 2, ready=ready)

    def teach(self, target: Any, draw: Any) -> Any:
        return None, Goal({"at": target["at"]}, present(~target["absent"]))

    def loss(self, signal: Any, goal: Any, memory: Any) -> Tensor:
        return (self.readout(signal) - goal.values["at"]).square().sum(-1)

    def finish(self, state: Any, memory: Any) -> dict[str, Any]:
        return {"at": self.readout(state["signal"]).double().cpu().numpy()}
