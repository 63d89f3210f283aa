"""One step: the gradient of the rows' losses, and one change of the weights. B rows of a batch."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from netwright.nn.batch import Batch, Lists
from netwright.nn.randomness import Draw
from netwright.recipe import Training
from netwright.runtime.plan import Plan
from netwright.training import optimizers, packer, sampler
from netwright.training.adam import AdamW
from netwright.training.processes import World
from netwright.training.state import Data
from netwright.training.tables import Tables

Losses = dict[str, tuple[Tensor, Tensor | None]]


class Step:
    """Changes a network's weights by the rows of one step; `step(rows)` returns their loss before the change.

    The loss is Σ over targets of share · Σ loss·weight / global Σ weight, and the penalties. `epoch` and `rate` are set
    by the loop. `rate` is a tensor, so that a recorded step (`tape`) reads its present value.
    """

    def __init__(self, network: nn.Module, data: Data, settings: Training, plan: Plan, world: World) -> None:
        self.network, self.data, self.settings, self.plan, self.world = network, data, settings, plan, world
        self.device = torch.device(plan.device)
        n = len(data.train)
        self.batch_size = n if settings.batch_size in ("all", None) else min(int(settings.batch_size), n)
        self.rows = self.batch_size * (settings.accumulate or 1)
        plain = self.device.type == "cpu" and world.size == 1 and not plan.record and not plan.compile
        self.tables = Tables(network, few=plain)
        self.optimizer = optimizers.make(network, settings, self.tables if plain else None)
        self.rate = torch.tensor(settings.learning_rate or 1e-3, dtype=torch.float64)
        self.own: dict[float, Tensor] = {}  # of weights that learn at another rate
        self.epoch = 0
        self.draw: Draw | None = None  # of the last batch
        compiled: Any = torch.compile(network) if plan.compile and not plan.record else network
        self.forward = world.wrap(compiled, self.device)

    def lengths(self) -> Tensor | None:
        """(n,) how many tokens each row is padded for, or None where no row is padded."""
        blocks = [*self.data.rows.inputs.values(), *self.data.rows.targets.values()]
        lists = [block.get("ids") for block in blocks if "weights" not in block]  # a bag is not padded
        known = [part.lengths.cpu() for part in lists if isinstance(part, Lists)]
        return torch.stack(known).sum(0) if known else None

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the steps to come."""
        self.rate.fill_(rate)
        as_tensor = optimizers.reads_a_tensor(self.optimizer)
        for group in self.optimizer.param_groups:
            times = group.get("times", 1.0)
            if times == 1.0:
                group["lr"] = self.rate if as_tensor else rate
            else:
                group["lr"] = (
                    self.own.setdefault(times, self.rate.clone()).fill_(rate * times) if as_tensor else rate * times
                )

    def steps(self, rows: Tensor, rates: list[float]) -> Tensor:
        """Take a step for each rate; return their losses (steps,)."""
        losses = []
        for part, rate in zip(rows.split(self.rows), rates, strict=True):
            self.set_rate(rate)
            losses.append(self(part))
        return torch.stack([loss.detach() for loss in losses])

    def __call__(self, rows: Tensor) -> Tensor:
        """Take one step on these rows (up to `self.rows` of them); return its loss, a scalar."""
        batches = self.batches(rows)
        totals = self.weights(batches) if len(batches) > 1 or self.world.size > 1 else None
        loss: Any = self.optimizer.step(lambda: self.gradient(batches, totals))  # type: ignore[arg-type]
        return loss

    def batches(self, rows: Tensor) -> list[Batch]:
        """Return the rows of a step as its batches: one, unless gradients are accumulated."""
        parts = [rows] if len(rows) <= self.batch_size else rows.split(self.batch_size)
        return [self.batch(part) for part in parts]

    def batch(self, rows: Tensor) -> Batch:
        """Return this process's share of the rows as a batch."""
        rows = sampler.share(rows, rank=self.world.rank, world=self.world.size).to(self.device)
        self.draw = Draw(self.settings.seed or 0, self.epoch, rows)
        batch = self.data.rows.take(rows, draw=self.draw, augment=bool(self.settings.augment))
        if self.plan.record or self.device.type != "cpu" or not isinstance(self.data.rows, packer.Packed):
            return batch  # a recorded step is the same for all batches; a look at the values would make a device wait
        return packer.alone(batch)

    def gradient(self, batches: list[Batch], totals: dict[str, Tensor] | None = None) -> Tensor:
        """Compute the gradient of a step's loss, and return the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        self.tables.clear()
        loss: Tensor | None = None
        for number, batch in enumerate(batches):
            last = number == len(batches) - 1
            quiet = nullcontext() if last or self.world.size == 1 else self.forward.no_sync()  # type: ignore[operator]
            with quiet, self.tables.apart():
                part = self.loss(batch, totals)
                if last:  # once a step, whatever the batches
                    l1, l2 = self.settings.l1 or 0.0, self.settings.l2 or 0.0
                    penalty = optimizers.penalty(self.network.parameters(), l1, l2)
                    part = part if penalty is None else part + penalty
                part.backward()
            loss = part.detach() if loss is None else loss + part.detach()
        weights = self.tables.weights()
        most = self.settings.gradient_clip
        if isinstance(self.optimizer, AdamW):  # which takes tables' rows as they are
            if most:
                self.optimizer.clip(weights, most)
        else:
            if most:
                nn.utils.clip_grad_norm_(weights, most)
            self.tables.lay()
        assert loss is not None
        return loss

    def loss(self, batch: Batch, totals: dict[str, Tensor] | None) -> Tensor:
        """Return the batch's part of the step's loss; `totals`: the step's weights by target, where it has more parts."""
        precise = self.plan.precision != "bfloat16"
        with nullcontext() if precise else torch.autocast(self.device.type, torch.bfloat16):
            losses: Losses = self.forward(batch)
        parts = []
        for name, (rows, weight) in losses.items():
            if weight is None and totals is None:
                mean = rows.mean()
            else:
                weight = torch.ones_like(rows) if weight is None else weight
                total = weight.sum() if totals is None else totals[name]
                mean = (rows * weight).sum() / total.clamp(min=1e-12)
            # DistributedDataParallel averages gradients over processes; the loss is their sum
            share = self.data.shares.get(name, 1.0) * self.world.size
            parts.append(mean if share == 1.0 else share * mean)
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum()

    def weights(self, batches: list[Batch]) -> dict[str, Tensor]:
        """Return the sum of weights of a step by target, over all its batches and all processes."""
        sums: dict[str, Tensor] = {}
        for batch in batches:
            for name, (_, goal) in self.network.goals(batch).items():  # type: ignore[operator]
                own = float(len(batch)) if goal.weight is None else goal.weight.sum()
                sums[name] = sums.get(name, torch.zeros((), device=self.device)) + own
        return {name: self.world.sum(value) for name, value in sums.items()}
