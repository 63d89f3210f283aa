"""What the tests of training share: small data, and a training without files, baselines or a measured plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from netwright import project
from netwright.declare import declare
from netwright.model import Model
from netwright.plan import Plan
from netwright.project import Work
from netwright.training.world import World


def worked(data: Any, target: str | list[str], model: Any, settings: Mapping[str, Any] | None = None) -> Work:
    """The data described, divided, fitted and encoded, as `train` does it."""
    recipe = declare(data, target=target, model=model, recipe=None, settings=settings)
    described = project.describe_rows(recipe, project.read(recipe, data))
    return project.prepare_rows(described, project.divide(described))


def trained(
    work: Work, *, kept: Path | None = None, module: nn.Module | None = None, plan: Plan | None = None
) -> Model:
    """The model that the one loop makes of it, on one thread."""
    torch.set_num_threads(1)
    network, plan, _ = project.train(
        work, plan=plan or Plan(), kept=kept, module=module, world=World(), ready=lambda plan: None
    )
    return Model(network, work.fitted, work.recipe, plan)
