"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from netwright.evaluation import evaluate
from netwright.report.page import build
from netwright.runtime.kernels import native
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


@pytest.fixture(autouse=True)
def with_kernels(request: pytest.FixtureRequest) -> None:
    """Tests marked `compiled` need the compiled kernels: without them they are left out, or fail where they are required."""
    if request.node.get_closest_marker("compiled") and native.library() is None:
        if os.environ.get("NETWRIGHT_REQUIRE_KERNELS"):
            pytest.fail("the compiled kernels are required here (NETWRIGHT_REQUIRE_KERNELS) and were not built")
        pytest.skip("the kernels were not compiled here: python setup.py build_ext --inplace")
