"""The report of a network that writes: its texts beside the truth."""

from __future__ import annotations

import re
from pathlib import Path

from written_runs import chats, pairs, texts, trained


def test_the_report_shows_texts_beside_the_truth(tmp_path: Path) -> None:
    for rows, target in ((texts(), "text"), (chats(), "messages"), (pairs(), "fr")):
        trained(rows, target, tmp_path / target, epochs=1)
        page = (tmp_path / target / "report.html").read_text(encoding="utf-8")
        assert "What it writes" in page and "bits per byte" in page.lower().replace("_", " ")
        assert target != "text" or "1 column is used: 1 to predict" in page.replace("\n", " ")
        assert "on 0 test rows" not in page and " test rows (" in page
        places = [float(place) for place in re.findall(r'class="dot" style="left:(-?[\d.]+)%"', page)]
        assert len(places) > 1 and all(0 <= place <= 100 for place in places), "scores of any scale lie on their line"
