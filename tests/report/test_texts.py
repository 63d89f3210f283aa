"""The report of a network that writes: its texts beside the truth."""

from __future__ import annotations

from pathlib import Path

from written_runs import chats, pairs, texts, trained


def test_the_report_shows_texts_beside_the_truth(tmp_path: Path) -> None:
    for rows, target in ((texts(), "text"), (chats(), "messages"), (pairs(), "fr")):
        trained(rows, target, tmp_path / target, epochs=1)
        page = (tmp_path / target / "report.html").read_text(encoding="utf-8")
        assert "What it writes" in page and "bits per byte" in page.lower().replace("_", " ")
