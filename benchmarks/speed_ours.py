"""netwright's side of `speed.py`: the same work through the ordinary `train`; prints its times as JSON."""

from __future__ import annotations

import json
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from speed_work import WORK, Work, arrays

import netwright as nw
from netwright.events import Event, listening

LAYERS: dict[str, list[Any]] = {
    "dense": [{"dense": {"units": 10, "activation": "relu"}}, {"dense": 1}],
    "convnet": [
        {"convolution": {"channels": 32, "activation": "relu"}}, {"max_pool": 2},
        {"convolution": {"channels": 64, "activation": "relu"}}, {"max_pool": 2},
        {"convolution": {"channels": 64, "activation": "relu"}}, "flatten",
        {"dense": {"units": 64, "activation": "relu"}}, {"dense": {"units": 10, "activation": "softmax"}},
    ],
    "lstm": [{"embedding": {"units": 128, "vocabulary": 10_000}}, {"lstm": 128}, {"dense": {"units": 1, "activation": "sigmoid"}}],
    "table": [{"dense": {"units": 100, "activation": "relu"}}, {"dense": {"units": 2, "activation": "softmax"}}],
}  # fmt: skip


def data(work: Work, folder: Path) -> tuple[Any, dict[str, Any]]:
    """Return the work's rows as a user would have them, and the recipe's settings that it needs."""
    x, y = arrays(work)
    if work.net == "convnet":
        folder.mkdir()
        (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, len(x), 28, 28) + x.tobytes())
        (folder / "train-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 0x801, len(y)) + y.astype(np.uint8).tobytes()
        )
        return folder, {"target": "label"}
    if work.net == "lstm":
        texts = [" ".join(f"w{token}" for token in row) for row in x.tolist()]
        settings = {"columns": {"text": "text", "y": "category"}, "heads": {"y": {"loss": "binary_cross_entropy"}}}
        return {"text": texts, "y": y}, {"target": "y", **settings}
    columns = {f"x{index}": x[:, index] for index in range(x.shape[1])}
    kinds = {"columns": {"y": "category"}} if work.net == "table" else {}
    return {**columns, "y": y}, {"target": "y", **kinds}


class Clock(list[Event]):
    """Notes when each event was said."""

    def append(self, event: Event) -> None:
        super().append(event)
        self.times = (
            [*getattr(self, "times", []), time.perf_counter()]
            if event.kind != "progress"
            else getattr(self, "times", [])
        )


def main(work: Work) -> dict[str, Any]:
    """Train; return the epochs' seconds, those from the split to the last step (the plan's measuring among them), and the plan."""
    folder = Path(tempfile.mkdtemp())
    rows, settings = data(work, folder / "idx")
    said = Clock()
    import torch

    torch.optim.Adam([torch.nn.Parameter(torch.ones(1))])  # loads torch's compiler, as the peers' first line does
    with listening(said):
        model = nw.train(
            rows, target=settings.pop("target"), model={"family": "layers", "layers": LAYERS[work.net]}, output=folder / "run",
            settings={
                "split": {"validation": 0.0, "test": 0.0},
                "training": {"optimizer": "adam", "epochs": work.epochs, "batch_size": work.batch}, **settings,
            },
        )  # fmt: skip
    seconds = [entry["seconds"] for entry in model.metrics["history"]]
    about = {event.name: event for event in said}
    return {
        "epochs": np.diff([0.0, *seconds]).tolist(), "total": seconds[-1] + about["plan"].data["seconds"],
        "plan": about["plan"].text,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(WORK[sys.argv[1]])))
