"""The one training loop: every network, every target, every optimizer.

B rows of a batch, n training rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from netwright.batch import Batch
from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.plan import Plan
from netwright.randomness import Draw
from netwright.recipe import Training
from netwright.seeds import seed_for
from netwright.training import checkpoint, optimizers, sampler
from netwright.training.interrupt import Stop
from netwright.training.schedules import Schedule
from netwright.training.state import Data, Progress, Score
from netwright.training.world import World

Losses = dict[str, tuple[Tensor, Tensor]]


class Loop:
    """Trains a network; `run()` returns the history with the best weights loaded.

    `kept`: where the checkpoint is (None: none is written).
    """

    def __init__(
        self, network: nn.Module, data: Data, score: Score | None, settings: Training, plan: Plan, *, kept: Path | None, world: World | None = None
    ) -> None:  # fmt: skip
        self.network, self.data, self.score, self.settings, self.plan = network, data, score, settings, plan
        self.kept, self.world = kept, world or World()
        self.device = torch.device(plan.device)
        n = len(data.train)
        self.batch_size = n if settings.batch_size in ("all", None) else min(int(settings.batch_size), n)
        self.rows_a_step = self.batch_size * (settings.accumulate or 1)
        self.steps_an_epoch = -(-n // self.rows_a_step)
        self.epochs = settings.epochs or 1
        self.seed = settings.seed or 0
        self.optimizer = optimizers.make(network, settings)
        self.schedule = Schedule(settings, steps=self.epochs * self.steps_an_epoch, steps_an_epoch=self.steps_an_epoch)
        compiled: Any = torch.compile(network) if plan.compile else network
        self.forward = self.world.wrap(compiled, self.device)
        self.at = Progress()
        self.best: dict[str, Tensor] = {}
        self.random: dict[str, Tensor] | None = None
        self.said = 0.0

    def run(self) -> list[dict[str, float]]:
        """Train until the epochs are over or the score no longer improves; load the best weights."""
        if self.kept is not None and self.kept.exists():
            self._restore(checkpoint.load(self.kept))
        saved = time.monotonic()
        with Stop() as stop:
            while not self.at.done:
                began = time.monotonic()
                for batches in self.steps():
                    loss = self.step(batches)
                    self.at.loss_sum += loss
                    self.at.step += 1
                    self._say_progress(began)
                    if stop.asked or time.monotonic() - saved > (self.settings.checkpoint_every or 60.0):
                        self._save(began)
                        began = saved = time.monotonic()
                        stop.leave_if_asked()
                self._end_epoch(began)
                first = self.at.epoch == 1  # so that a loss that diverges leaves something good behind
                if (
                    stop.asked or self.at.done or first or time.monotonic() - saved > 5.0
                ):  # a short epoch is soon redone
                    self._save(None)
                    saved = time.monotonic()
                    stop.leave_if_asked()
        if self.best:
            self.network.load_state_dict(self.best)
        return self.at.history

    def steps(self) -> Iterator[list[Batch]]:
        """The steps left of this epoch, each as its batches (one, unless gradients are accumulated)."""
        if self.random is None:
            torch.manual_seed(seed_for(self.seed, "epoch", self.at.epoch))
        else:
            checkpoint.restore_random(self.random, self.device)
            self.random = None
        self.network.train()
        ordered = sampler.order(self.data.train, seed=self.seed, epoch=self.at.epoch)
        for step in range(self.at.step, self.steps_an_epoch):
            rows = ordered[step * self.rows_a_step : (step + 1) * self.rows_a_step]
            yield [self._batch(part) for part in rows.split(self.batch_size)]

    def _batch(self, rows: Tensor) -> Batch:
        rows = sampler.share(rows, rank=self.world.rank, world=self.world.size).to(self.device)
        draw = Draw(self.seed, self.at.epoch, rows)
        return self.data.rows.take(rows, draw=draw, augment=bool(self.settings.augment))

    def step(self, batches: list[Batch]) -> float:
        """Change the weights once; return the loss before the change."""
        step = self.at.epoch * self.steps_an_epoch + self.at.step
        rate = (self.settings.learning_rate or 1e-3) * self.schedule.factor(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        totals = self._weights(batches) if len(batches) > 1 or self.world.size > 1 else None
        loss = float(self.optimizer.step(lambda: self.gradient(batches, totals)))  # type: ignore[arg-type]
        if not math.isfinite(loss):
            raise self._diverged()
        return loss

    def gradient(self, batches: list[Batch], totals: dict[str, Tensor] | None = None) -> Tensor:
        """Compute the gradient of a step's loss, and return the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.device)
        for number, batch in enumerate(batches):
            last = number == len(batches) - 1
            quiet = nullcontext() if last or self.world.size == 1 else self.forward.no_sync()  # type: ignore[operator]
            with quiet:
                part = self._loss(batch, totals)
                if last:  # once a step, whatever the batches
                    l1, l2 = self.settings.l1 or 0.0, self.settings.l2 or 0.0
                    penalty = optimizers.penalty(self.network.parameters(), l1, l2)
                    part = part if penalty is None else part + penalty
                part.backward()
            loss = loss + part.detach()
        if self.settings.gradient_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
        return loss

    def _loss(self, batch: Batch, totals: dict[str, Tensor] | None) -> Tensor:
        """Σ over targets of share · Σ loss·weight / global Σ weight."""
        with self._precision():
            losses: Losses = self.forward(batch)
        parts = []
        for name, (rows, weight) in losses.items():
            total = weight.sum() if totals is None else totals[name]
            # DistributedDataParallel averages gradients over processes; the loss is their sum
            parts.append(
                self.data.shares.get(name, 1.0) * self.world.size * (rows * weight).sum() / total.clamp(min=1e-12)
            )
        return torch.stack(parts).sum()

    def _weights(self, batches: list[Batch]) -> dict[str, Tensor]:
        """The sum of weights of a step by target, over all its batches and all processes."""
        sums: dict[str, Tensor] = {}
        for batch in batches:
            for name, (_, goal) in self.network.goals(batch).items():  # type: ignore[operator]
                sums[name] = sums.get(name, torch.zeros((), device=self.device)) + goal.weight.sum()
        return {name: self.world.sum(value) for name, value in sums.items()}

    def _precision(self) -> Any:
        if self.plan.precision == "bfloat16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def _end_epoch(self, began: float) -> None:
        at = self.at
        self._check_weights()
        entry = {"epoch": at.epoch + 1, "loss": at.loss_sum / max(at.step, 1)}
        if self.score is not None:
            self.network.eval()
            value = self.score.compute()
            if not math.isfinite(value):
                raise self._undefined() if self.settings.metric else self._diverged("answer on the validation rows")
            entry[self.score.name] = value
            ranked = self.score.rank(value)
        else:
            ranked = entry["loss"]
        self.schedule.after_epoch(ranked)
        if ranked < at.best:
            at.best, at.best_epoch = ranked, at.epoch
            self.best = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        at.seconds += time.monotonic() - began
        entry["seconds"] = at.seconds
        at.history.append(entry)
        at.epoch, at.step, at.loss_sum = at.epoch + 1, 0, 0.0
        patience = self.settings.patience or 0
        early = patience > 0 and at.epoch - 1 - at.best_epoch >= patience
        at.done = at.epoch >= self.epochs or early
        say(
            "progress", "training.epoch", f"epoch {at.epoch}", **entry, best_epoch=at.best_epoch + 1, epochs=self.epochs
        )
        if early:
            name = self.score.name if self.score else "loss"
            text = f"stopped after epoch {at.epoch}: {name} did not improve for {patience} epochs; the weights of epoch {at.best_epoch + 1} are kept"
            say("notice", "training.stopped_early", text)

    def _say_progress(self, began: float) -> None:
        if time.monotonic() - self.said < 0.1:  # people see no more, and a step may take less
            return
        self.said = time.monotonic()
        done = self.at.epoch * self.steps_an_epoch + self.at.step
        seconds = self.at.seconds + time.monotonic() - began
        say(
            "progress", "training.step", "training", step=done, steps=self.epochs * self.steps_an_epoch, epoch=self.at.epoch + 1,
            epochs=self.epochs, loss=self.at.loss_sum / self.at.step, seconds=seconds,
            rows_a_second=done * self.rows_a_step / max(seconds, 1e-9),
        )  # fmt: skip

    def _save(self, began: float | None) -> None:
        """Write the checkpoint (rank 0); `began`: when the epoch under way began, None between epochs."""
        if began is not None:
            self._check_weights()
            self.at.seconds += time.monotonic() - began
        if self.kept is None or self.world.rank:
            return
        checkpoint.save(self.kept, {
            "network": self.network.state_dict(), "best": self.best, "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state(), "progress": vars(self.at),
            "random": checkpoint.random_state(self.device) if began is not None else None,
        })  # fmt: skip

    def _restore(self, tree: dict[str, Any]) -> None:
        self.network.load_state_dict(tree["network"])
        self.optimizer.load_state_dict(tree["optimizer"])
        self.best = {name: value.to(self.device) for name, value in tree["best"].items()}
        self.schedule.cut, self.schedule.waited, self.schedule.best = (
            tree["schedule"][key] for key in ("cut", "waited", "best")
        )
        self.at, self.random = Progress(**tree["progress"]), tree["random"]
        say("step", "training.resumed", f"goes on at epoch {self.at.epoch + 1}, step {self.at.step + 1}")

    def _check_weights(self) -> None:
        """A step can spoil the weights after a loss that was still finite: a checkpoint must not keep them."""
        if not all(bool(weight.isfinite().all()) for weight in self.network.parameters()):
            raise self._diverged()

    def _undefined(self) -> InputError:
        what = f"{self.settings.metric} has no value on the validation rows, which are all of one class, say"
        fix = "name another, or give more validation rows (split.validation)"
        return InputError(Problem("training.metric", what, fix=fix))

    def _diverged(self, what: str = "loss") -> InputError:
        rate = self.optimizer.param_groups[0]["lr"]
        good = self.kept is not None and self.kept.exists()
        where = f"; the last good checkpoint is kept in {self.kept}" if good else ""
        place = f"epoch {self.at.epoch + 1}, step {min(self.at.step + 1, self.steps_an_epoch)}"
        fix = f"lower training.learning_rate (now {rate:g}), or set training.gradient_clip 1"
        return InputError(Problem(place, f"the {what} is no longer a finite number{where}", fix=fix))
