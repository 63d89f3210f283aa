"""The report of a network that writes: its texts beside the truth."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

from written_runs import chats, pairs, texts, trained

from netwright.events import Event, listening, say_rows
from netwright.nn.heads.text.settings import SamplingParams
from netwright.report.kept import texts as shown


def test_the_report_shows_texts_beside_the_truth(tmp_path: Path) -> None:
    for rows, target in ((texts(), "text"), (chats(), "messages"), (pairs(), "fr")):
        trained(rows, target, tmp_path / target, epochs=1)
        page = (tmp_path / target / "report.html").read_text(encoding="utf-8")
        assert "What it writes" in page and "bits per byte" in page.lower().replace("_", " ")
        assert target != "text" or "1 column is used: 1 to predict" in page.replace("\n", " ")
        assert "on 0 test rows" not in page and " test rows (" in page
        places = [float(place) for place in re.findall(r'class="dot" style="left:(-?[\d.]+)%"', page)]
        assert len(places) > 1 and all(0 <= place <= 100 for place in places), "scores of any scale lie on their line"


def test_examples_whose_prompt_is_cut_are_named_by_their_rows() -> None:
    class Cutting:
        def generate(self, prompts: list[str], *, sampling: SamplingParams) -> list[SimpleNamespace]:
            say_rows("text.cut", "messages: rows cut", ["prompt 2", "prompt 3"])
            return [SimpleNamespace(text=prompt) for prompt in prompts]

    said: list[Event] = []
    with listening(said):
        shown._written(Cutting(), ["a", "b", "c"], SamplingParams(), ["x:1", "x:7", "x:9"])  # type: ignore[arg-type]
    assert [event.data["rows"] for event in said] == [["x:7", "x:9"]]
