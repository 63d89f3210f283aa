"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from netwright.evaluation import evaluate
from netwright.report.page import build
from netwright.training import autotune


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh working folder; no baselines, and a plan that is not measured for long."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(evaluate, "compare", lambda *_, **__: {})
    monkeypatch.setattr(autotune, "TRIAL", 0.0)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def without_page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings leave an empty report, whose figures take as long as a tiny training; tests/report looks at real ones.

    What is kept for the report is written all the same.
    """
    if not {"report", "test_plugins.py"} & set(request.path.parts):
        monkeypatch.setattr(build, "page", lambda found: "")
