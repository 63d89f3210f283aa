"""Demo: the whole way on real data that comes with scikit-learn; nothing is downloaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from netwright.data import readers
from netwright.events import say
from netwright.verbs.train import train


def demo(output: str | Path | None = None) -> dict[str, Any]:
    """Train on breast_cancer, measure, predict; return the metrics, three answers and the run's folder."""
    from sklearn.datasets import load_breast_cancer

    bunch: Any = load_breast_cancer()
    frame: dict[str, Any] = {str(name): bunch.data[:, k] for k, name in enumerate(bunch.feature_names)}
    frame["diagnosis"] = [str(bunch.target_names[k]) for k in bunch.target]
    text = "569 tumours, 30 measurements of each (Wolberg, Street & Mangasarian 1995, CC BY 4.0): malignant or benign?"
    say("step", "demo", text)
    model = train(replace(readers.read(frame), name="demo"), target="diagnosis", output=output)
    assert model.run is not None
    few = {name: [values[row] for row in (0, 100, 300)] for name, values in frame.items()}
    answers = model.predict(few).to_dicts()
    return {"metrics": model.metrics, "answers": answers, "folder": str(model.run.folder)}
