"""In a notebook a training is shown in one place while it goes; elsewhere nothing happens. Time and IPython are fakes."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import netwright as nw
from netwright.events import listening, say
from netwright.report import notebook

EVIL = "<script>alert(1)</script>"


class Screen:
    """What a notebook's frontend would be sent."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.outputs = 0

    def display(self, html: str, *, display_id: bool) -> Screen:
        assert display_id
        self.outputs += 1
        self.shown.append(html)
        return self

    def update(self, html: str) -> None:
        self.shown.append(html)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A kernel that runs, with a display."""
    screen = Screen()
    shell: Any = ModuleType("IPython")
    shell.get_ipython = lambda: SimpleNamespace(kernel=object())
    display: Any = ModuleType("IPython.display")
    display.display, display.HTML = screen.display, str
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return screen


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that goes on when it is told to."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(notebook.time, "monotonic", lambda: clock.now)
    return clock


def epoch(number: int, of: int = 10) -> None:
    scores = {"loss": 1.0 / number, "log_loss": 0.5 / number, "seconds": 0.1 * number, "best_epoch": number}
    say("progress", "training.epoch", f"epoch {number}", epoch=number, epochs=of, **scores)


def test_one_output_is_drawn_anew_at_most_five_times_a_second(screen, clock):
    with notebook.watching():
        for number in range(1, 1001):
            clock.now += 0.01
            epoch(number, of=1000)
    assert screen.outputs == 1 and 45 <= len(screen.shown) <= 52
    assert "Training: epoch 1 of 1000" in screen.shown[0]
    assert "width:100.0%" in screen.shown[-1] and "Trained" in screen.shown[-1] and "loss 0.001" in screen.shown[-1]


def test_what_was_said_is_shown_as_text(screen, clock):
    with notebook.watching():
        say("step", "data.read", f"{EVIL}.csv: 3 rows")
        say("warning", "text.cut", f"{EVIL} was cut")
        say("result", "verdict", f"{EVIL}: accuracy 0.9")
    assert EVIL not in screen.shown[-1] and screen.shown[-1].count("&lt;script&gt;") == 3
    assert "2 lines of what was chosen and noticed, 1 of them warnings" in screen.shown[-1]


def test_a_training_that_fails_is_shown_as_stopped(screen, clock):
    with pytest.raises(nw.InputError), notebook.watching():
        epoch(3)
        raise nw.InputError(nw.errors.Problem("x", "is wrong"))  # type: ignore[attr-defined]
    assert "Stopped" in screen.shown[-1] and "width:30.0%" in screen.shown[-1]
    count = len(screen.shown)
    epoch(4)
    assert len(screen.shown) == count, "nobody listens any more"


def test_steps_move_the_bar_between_epochs(screen, clock):
    with notebook.watching():
        epoch(1)
        clock.now += 1
        say(
            "progress",
            "training.step",
            "training",
            step=15,
            steps=100,
            epoch=2,
            epochs=10,
            loss=0.5,
            seconds=1.0,
            rows_a_second=1234.0,
        )
    assert "width:15.0%" in screen.shown[1] and "Training: epoch 2 of 10" in screen.shown[1]
    assert "1,234 rows a second" in screen.shown[1]


@pytest.mark.parametrize(
    "shell",
    [
        None,
        SimpleNamespace(get_ipython=lambda: None),
        SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None)),
    ],
)
def test_elsewhere_nothing_is_drawn(shell, monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    if shell is not None:
        monkeypatch.setitem(sys.modules, "IPython", shell)
    with notebook.watching(), listening(heard := []):
        epoch(1)
    assert len(heard) == 1 and capsys.readouterr() == ("", "")


def test_a_script_neither_prints_nor_loads_ipython(tmp_path):
    code = (
        "import sys, netwright as nw\n"
        "from netwright.evaluation import baselines\n"
        "from netwright.training import autotune\n"
        "baselines.suitable, autotune.TRIAL = (lambda columns, target: ('constant',)), 0.0\n"
        "rows = {'x': [k / 7 for k in range(40)], 'y': [3.0 * k for k in range(40)]}\n"
        "model = nw.train(rows, target='y', model='linear', settings={'training': {'epochs': 2}, 'plan': {'threads': 1}})\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'IPython']\n"
        "html = model._repr_html_()\n"
        "assert 'R²' in html and 'The network explains' in html and html.count('<script') == 0\n"
        "model.run = None\n"
        "assert model._repr_html_() == '<code>Model(x -&gt; y)</code>'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
