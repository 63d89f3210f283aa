"""The one training loop: every network, every target, every optimizer.

B rows of a batch, n training rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.recipe import Training
from netwright.runtime.plan import Plan
from netwright.runtime.seeds import seed_for
from netwright.training import checkpoint, sampler
from netwright.training.averaging import Average
from netwright.training.capture import Tape
from netwright.training.interrupt import Stop
from netwright.training.processes import World
from netwright.training.schedules import Schedule
from netwright.training.state import Data, Progress, Score
from netwright.training.step import Step


class Loop:
    """Trains a network; `run()` returns the history with the best weights loaded.

    `kept`: where the checkpoint is (None: none is written).
    """

    def __init__(
        self, network: nn.Module, data: Data, score: Score | None, settings: Training, plan: Plan, *, kept: Path | None, world: World | None = None
    ) -> None:  # fmt: skip
        self.network, self.data, self.score, self.settings, self.plan = network, data, score, settings, plan
        self.kept, self.world = kept, world or World()
        self.take = Step(network, data, settings, plan, self.world)
        self.call = Tape(self.take).steps if plan.record else self.take.steps
        self.steps_an_epoch = -(-len(data.train) // self.take.rows)
        self.total, self.epochs = sampler.length(settings, self.steps_an_epoch)
        self.seed = settings.seed or 0
        self.schedule = Schedule(settings, steps=self.total, steps_an_epoch=self.steps_an_epoch)
        self.lengths = self.take.lengths()
        self.at = Progress()
        self.best: dict[str, Tensor] = {}
        self.average = Average(settings.average or 0.0)
        self.random: dict[str, Tensor] | None = None
        self.said = 0.0

    def run(self) -> list[dict[str, float]]:
        """Train until the epochs end or the score stops improving; load the best weights."""
        if self.kept is not None and self.kept.exists():
            self._restore(checkpoint.load(self.kept))
        saved = time.monotonic()
        with Stop() as stop:
            while not self.at.done:
                began = time.monotonic()
                for rows in self.calls():
                    self.step(rows)
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
            self.network.load_state_dict(self.best, strict=False)
        return self.at.history

    def calls(self) -> Iterator[Tensor]:
        """The rows of the steps left of this epoch, `plan.steps_a_call` steps at a time."""
        if self.random is None:
            torch.manual_seed(seed_for(self.seed, "epoch", self.at.epoch))
        else:
            checkpoint.restore_random(self.random, self.take.device)
            self.random = None
        self.network.train()
        self.take.epoch = self.at.epoch
        self.data.rows.begin(self.seed, self.at.epoch)
        ordered = sampler.order(
            self.data.train, seed=self.seed, epoch=self.at.epoch, lengths=self.lengths, size=self.take.rows
        )
        most = (self.total - self.at.epoch * self.steps_an_epoch) * self.take.rows  # the last epoch may be a part
        left = ordered[: max(most, 0)][self.at.step * self.take.rows :]
        if len(left):
            yield from left.split(self.take.rows * self.plan.steps_a_call)

    def step(self, rows: Tensor) -> None:
        """Change the weights once for each step of a call."""
        first = self.at.epoch * self.steps_an_epoch + self.at.step
        count = -(-len(rows) // self.take.rows)
        rate = self.settings.learning_rate or 1e-3
        losses = self.call(rows, [rate * self.schedule.factor(first + number) for number in range(count)]).tolist()
        if self.average.decay:
            self.average.add(self._moving(), count)
        for loss in losses:
            if not math.isfinite(loss):
                raise self._diverged()
            self.at.loss_sum += loss
            self.at.step += 1

    def _end_epoch(self, began: float) -> None:
        at = self.at
        self._check_weights()
        entry = {"epoch": at.epoch + 1, "loss": at.loss_sum / max(at.step, 1)}
        if self.score is not None:
            self.network.eval()
            with self.average.instead(self._moving()):
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
            kept = self.average.mean or self._moving()
            self.best = {name: value.detach().clone() for name, value in kept.items()}
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
            "progress", "training.step", "training", step=done, steps=self.total, epoch=self.at.epoch + 1,
            epochs=self.epochs, loss=self.at.loss_sum / self.at.step, seconds=seconds,
            rows_a_second=done * self.take.rows / max(seconds, 1e-9),
        )  # fmt: skip

    def _save(self, began: float | None) -> None:
        """Write the checkpoint (rank 0); `began`: when the epoch under way began, None between epochs."""
        if began is not None:
            self._check_weights()
            self.at.seconds += time.monotonic() - began
        if self.kept is None or self.world.rank:
            return
        checkpoint.save(self.kept, {
            "network": self._moving(), "best": self.best, "optimizer": self.take.optimizer.state_dict(),
            "schedule": self.schedule.state(), "progress": vars(self.at),
            "average": {"steps": self.average.steps, "mean": self.average.mean},
            "random": checkpoint.random_state(self.take.device) if began is not None else None,
        })  # fmt: skip

    def _moving(self) -> dict[str, Tensor]:
        """The weights that may change: of a pretrained network whose weights stay, a checkpoint holds the rest."""
        fixed = {name for name, weight in self.network.named_parameters() if not weight.requires_grad}
        return {name: value for name, value in self.network.state_dict().items() if name not in fixed}

    def _restore(self, tree: dict[str, Any]) -> None:
        self.network.load_state_dict(tree["network"], strict=False)
        self.take.optimizer.load_state_dict(tree["optimizer"])
        self.best = {name: value.to(self.take.device) for name, value in tree["best"].items()}
        self.schedule.cut, self.schedule.waited, self.schedule.best = (
            tree["schedule"][key] for key in ("cut", "waited", "best")
        )
        kept = tree.get("average") or {"steps": 0, "mean": {}}
        self.average.steps = kept["steps"]
        self.average.mean = {name: value.to(self.take.device) for name, value in kept["mean"].items()}
        self.at, self.random = Progress(**tree["progress"]), tree["random"]
        say("step", "training.resumed", f"resuming at epoch {self.at.epoch + 1}, step {self.at.step + 1}")

    def _check_weights(self) -> None:
        """A step can spoil the weights after a loss that was still finite: a checkpoint must not keep them."""
        if not all(bool(weight.isfinite().all()) for weight in self.network.parameters() if weight.requires_grad):
            raise self._diverged()

    def _undefined(self) -> InputError:
        what = (
            f"{self.settings.metric} is undefined on the validation rows, for example because they are all of one class"
        )
        fix = "name another, or give more validation rows (split.validation)"
        return InputError(Problem("training.metric", what, fix=fix))

    def _diverged(self, what: str = "loss") -> InputError:
        rate = self.take.optimizer.param_groups[0]["lr"]
        good = self.kept is not None and self.kept.exists()
        where = f"; the last good checkpoint is kept in {self.kept}" if good else ""
        place = f"epoch {self.at.epoch + 1}, step {min(self.at.step + 1, self.steps_an_epoch)}"
        fix = f"lower training.learning_rate (now {rate:g}), or set training.gradient_clip 1"
        return InputError(Problem(place, f"the {what} is not finite any more{where}", fix=fix))
