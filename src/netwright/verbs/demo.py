"""Demo: the whole way on real data that comes with scikit-learn; nothing is downloaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from netwright import sources
from netwright.events import say
from netwright.render import metrics_table
from netwright.verbs.train import train


def demo(output: str | Path | None = None) -> str:
    """Train on breast_cancer, measure, predict; return what a person wants to see of it."""
    from sklearn.datasets import load_breast_cancer

    bunch: Any = load_breast_cancer(as_frame=True)
    frame = bunch.frame.assign(diagnosis=[str(bunch.target_names[k]) for k in bunch.target]).drop(columns="target")
    say(
        "step",
        "demo",
        "569 tumours, 30 measurements of each (Wolberg, Street & Mangasarian 1995, CC BY 4.0): malignant or benign?",
    )
    model = train(replace(sources.read(frame), name="demo"), target="diagnosis", output=output)
    assert model.run is not None
    metrics = model.metrics
    few = model.predict(frame.head(3))
    rows = "\n".join(
        f"  {row['id']}: {row['diagnosis_predicted']} (p_malignant {row['p_malignant']:.3f}), in truth {row['diagnosis']}"
        for row in few.to_dicts()
    )
    return "\n".join([
        "", "on rows it never saw:", metrics_table(metrics["test"], metrics["baseline"]), "", "three answers:", rows, "",
        f"The run is in {model.run.folder}: netwright show {model.run.folder}",
    ])  # fmt: skip
