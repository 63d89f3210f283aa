"""The invariants are about the network: baselines are not fitted, and the plan is not measured for long."""

from __future__ import annotations

import pytest
import torch

from netwright.evaluation import evaluate
from netwright.training import autotune


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "compare", lambda *_, **__: {})
    monkeypatch.setattr(autotune, "TRIAL", 0.0)
    torch.manual_seed(0)
    torch.set_num_threads(1)
