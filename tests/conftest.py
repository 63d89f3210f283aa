"""What all tests share."""

from __future__ import annotations

import pytest

from netwright.report.page import build


@pytest.fixture(autouse=True)
def without_page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings leave an empty report, whose figures take as long as a tiny training; tests/report looks at real ones.

    What is kept for the report is written all the same.
    """
    if "report" not in request.path.parts:
        monkeypatch.setattr(build, "page", lambda found: "")
