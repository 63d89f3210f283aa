"""What the tests of training share: small data, and a training without files, baselines or a measured plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from netwright.inference.model import Model
from netwright.runtime.plan import Plan
from netwright.training import pipeline
from netwright.training.pipeline import Work
from netwright.training.processes import World
from netwright.training.resolve import declare


def worked(data: Any, target: str | list[str], model: Any, settings: Mapping[str, Any] | None = None) -> Work:
    """The data described, divided, fitted and encoded, as `train` does it."""
    recipe = declare(data, target=target, model=model, recipe=None, settings=settings)
    described = pipeline.describe_rows(recipe, pipeline.read(recipe, data))
    return pipeline.prepare_rows(described, pipeline.divide(described))


def trained(
    work: Work, *, kept: Path | None = None, module: nn.Module | None = None, plan: Plan | None = None
) -> Model:
    """The model that the one loop makes of it, on one thread."""
    torch.set_num_threads(1)
    network, plan, _ = pipeline.train(
        work, plan=plan or Plan(), kept=kept, module=module, world=World(), ready=lambda plan: None
    )
    return Model(network, work.fitted, work.recipe, plan)
