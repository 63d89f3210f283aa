"""Autotune: plan settings that the recipe does not pin are measured on a copy of the network, before step 1.

A trial may cost a hundredth of the training it is for, so short trainings start at once.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.nn.batch import Lists
from netwright.recipe import Execution, Training
from netwright.runtime.plan import Plan
from netwright.training import sampler
from netwright.training.capture import Tape, Unrecordable
from netwright.training.packer import Packed
from netwright.training.processes import World
from netwright.training.state import Data
from netwright.training.step import Step

Make = Callable[[Plan], tuple[torch.nn.Module, Data]]
TRIAL = 0.4  # seconds spent on a candidate, about
SHARE = 0.01  # of the estimated training that a candidate's trial may take
SHORT = 0.5  # estimated seconds of training below which threads are not compared
HEAVY = 1.0  # seconds of a step from which all threads are taken: comparing would cost more than it could save
LONG = 0.02  # seconds of a step from which one alone is timed with one thread
LARGE = 0.2  # from which a quarter of one tells it
CLEARLY = 0.9  # of one thread's time that all threads together may take
WORTH_COMPILING = 600.0  # estimated seconds from which a compilation (20 to 60 s here) may pay
TRIED = 1000  # steps of an epoch from which a trial looks at a part of the rows
STEPS_A_CALL = 16  # of a recorded step: one look at the clock for all; compiled, one program
KEPT = 0.05  # of a training's minutes, for the validation rows
MEASURED, COUNTED = 30, 0.02  # steps that tell how many fit into minutes, and the share of these that they may take
SLOW = 0.005  # seconds of a step from which nothing is saved by taking several in one call
FEW = 50  # steps below which recording them is not worth it


class Trial:
    """A copy of the network on which steps are timed, so that the network itself stays as it was."""

    def __init__(self, network: torch.nn.Module, data: Data, settings: Training, plan: Plan) -> None:
        still = {
            id(weight): weight for weight in network.parameters() if not weight.requires_grad
        }  # and stay so: shared
        self.step = Step(copy.deepcopy(network, still).train(), data, settings, plan, World())
        self.step.set_rate((settings.learning_rate or 1e-3) * 1e-3)  # a trial of many steps must not diverge
        # some rows from everywhere are enough to time steps; the order of all of ten million would take 160 MB
        some = data.train[:: max(1, len(data.train) // (TRIED * self.step.rows))]
        ordered = sampler.order(some, seed=0, epoch=0, lengths=self.step.lengths(), size=self.step.rows)
        self.rows = ordered.split(self.step.rows)

    def part(self, number: int) -> Tensor:
        """Return the rows of a step; all steps but an epoch's last are alike."""
        return self.rows[number % max(len(self.rows) - 1, 1)]

    def gradient(self, number: int) -> None:
        """Compute a step's gradient: most of a step, and of L-BFGS the repeated part."""
        self.step.gradient(self.step.batches(self.part(number)))

    def once(self, part: int = 1) -> float:
        """The seconds of the first step's gradient; of its first quarter (`part` 4), they are multiplied by what it lacks."""
        rows = self.part(0)
        few = rows[: -(-len(rows) // part)]
        began = time.perf_counter()
        self.step.gradient(self.step.batches(few))
        return (time.perf_counter() - began) * len(rows) / len(few)


def device_of(pinned: str | None, world: World) -> tuple[str, str]:
    """Return the device to train on, and why. Raises `InputError` where the pinned one is not there."""
    there = ["cpu"]
    if torch.cuda.is_available():
        there = [f"cuda:{number}" for number in range(torch.cuda.device_count())] + there
    if torch.backends.mps.is_available():
        there = ["mps", *there]
    if pinned is not None:
        known = [*there, *{name.split(":")[0] for name in there}]
        if pinned not in known:
            raise InputError(
                Problem("plan.device", f"{pinned!r} is not on this machine", allowed=", ".join(sorted(set(known))))
            )
        return pinned, "as the recipe says"
    if there[0].startswith("cuda"):
        return there[world.local % torch.cuda.device_count()], "a GPU is there"
    return there[0], "there is no GPU" if there[0] == "cpu" else "Apple's GPU is there"


def choose(pinned: Execution, make: Make, settings: Training, world: World) -> Plan:
    """Return the plan: each setting pinned, or measured. `make(plan)` gives the network and data on the plan's device."""
    began = time.perf_counter()
    device, why = device_of(pinned.device, world)
    reasons = {"device": why}
    plan = Plan(device=device, threads=pinned.threads or 1, precision=pinned.precision or "float32")
    reasons["precision"] = "as the recipe says" if pinned.precision else "exact, and as fast as any on most processors"
    network, data = make(plan)
    state = torch.get_rng_state()
    try:
        plan, seconds = _threads(pinned, network, data, settings, plan, world, reasons)
        if device == "cpu":
            torch.set_num_threads(plan.threads)
        plan, seconds = _recorded(pinned, network, data, settings, plan, seconds, reasons)
        plan = _compiled(pinned, network, data, settings, plan, seconds, reasons)
        if settings.minutes is not None:
            trial = Trial(network, data, settings, plan)
            plan = _within(settings.minutes, trial, _steps(data, settings), plan, world, reasons)
            settings = within(settings, plan)
    finally:
        torch.set_rng_state(state)
    reasons["rows_a_call"] = "as the recipe says" if pinned.rows_a_call else "bounds memory; larger calls are no faster"
    plan = plan.model_copy(update={"rows_a_call": pinned.rows_a_call or 1024, "reasons": reasons})
    ways = ["recorded"] * plan.record + ["compiled"] * plan.compile or ["step by step"]
    text = f"{device}, {plan.threads} thread{'s' if plan.threads > 1 else ''}, {plan.precision}, {' and '.join(ways)}"
    spent = time.perf_counter() - began
    estimate = seconds * _steps(data, settings)
    say("choice", "plan", f"plan: {text} ({reasons['threads']})", estimate=estimate, seconds=spent)
    return plan


def _within(minutes: float, trial: Trial, steps: int, plan: Plan, world: World, reasons: dict[str, str]) -> Plan:  # fmt: skip
    """The plan with as many of a training's steps as fit into minutes, by the mean time of whole steps."""
    whole, rate = Tape(trial.step).steps if plan.record else trial.step.steps, float(trial.step.rate)
    take = lambda part: whole(part, [rate])  # noqa: E731
    for number in range(2):
        take(trial.part(number))  # the first one warms up, or records
    began, count, spent = time.perf_counter(), 0, 0.0
    while not count or count < MEASURED and spent < 60 * minutes * COUNTED:
        take(trial.part(count + 2))
        count, spent = count + 1, time.perf_counter() - began
    seconds = float(world.sum(torch.tensor(spent / count, device=plan.device))) / world.size  # the same for all
    fitting = max(1, int(60 * minutes * (1 - KEPT) / seconds))
    text = f"{minutes:g} minutes: {min(fitting, steps):,} steps of {seconds * 1e3:.2f} ms"
    say("choice", "training.minutes", text + (f" of {steps:,}" if fitting < steps else ", which are all"), steps=min(fitting, steps), of=steps)  # fmt: skip
    reasons["steps"] = f"{minutes:g} minutes, {seconds * 1e3:.2f} ms a step"
    return plan.model_copy(update={"steps": fitting})


def within(settings: Training, plan: Plan) -> Training:
    """Return the settings with no more steps than the plan allows.

    >>> within(Training(steps=50), Plan(steps=20)).steps, within(Training(steps=50), Plan()).steps
    (20, 50)
    """
    if plan.steps is None:
        return settings
    return settings.model_copy(update={"steps": min(settings.steps or plan.steps, plan.steps)})


def _steps(data: Data, settings: Training) -> int:
    """How many steps the training has at most."""
    n = len(data.train)
    size = n if settings.batch_size in ("all", None) else int(settings.batch_size) * (settings.accumulate or 1)
    return sampler.length(settings, -(-n // size))[0]


def _threads(
    pinned: Execution, network: torch.nn.Module, data: Data, settings: Training, plan: Plan, world: World, reasons: dict[str, str]
) -> tuple[Plan, float]:  # fmt: skip
    """The number of threads, and the seconds of a step with it."""
    most = torch.get_num_threads()
    if pinned.threads or plan.device != "cpu" or world.size > 1:
        plan = plan.model_copy(update={"threads": pinned.threads or most})
        reasons["threads"] = "as the recipe says" if pinned.threads else "one process of several" if world.size > 1 else "the device works"  # fmt: skip
        torch.set_num_threads(plan.threads)
        return plan, _timed(Trial(network, data, settings, plan).gradient, _steps(data, settings))
    torch.set_num_threads(most)
    trial = Trial(network, data, settings, plan)
    once = min(trial.once(4) for _ in range(2))  # the first one warms up, and may take seconds
    if once > HEAVY:
        reasons["threads"] = f"a step takes about {once:.1f} s: its operations are large"
        return plan.model_copy(update={"threads": most}), once
    measured: dict[int, float] = {}
    for threads in sorted({1, most}):
        torch.set_num_threads(threads)
        if once > LONG:
            part = (
                4 if once > LARGE else 1
            )  # of one kind for both numbers of threads: a quarter pays more of what is fixed
            measured[threads] = once if threads == most and part == 4 else trial.once(part)
            continue
        measured[threads] = _timed(trial.gradient, _steps(data, settings))
        if threads == 1 and measured[1] * _steps(data, settings) < SHORT:
            reasons["threads"] = f"about {measured[1] * _steps(data, settings):.1f} s of training: too short to compare"
            break
    # several threads must be clearly faster: when other work runs beside them they wait for each other, spinning
    best = most if measured.get(most, math.inf) < CLEARLY * measured[1] else 1
    if "threads" not in reasons:
        shown = ", ".join(f"{threads}: {seconds * 1e3:.2f} ms" for threads, seconds in measured.items())
        reasons["threads"] = f"measured a step: {shown}"
    return plan.model_copy(update={"threads": best}), measured[best]


def _recorded(
    pinned: Execution, network: torch.nn.Module, data: Data, settings: Training, plan: Plan, seconds: float, reasons: dict[str, str]
) -> tuple[Plan, float]:  # fmt: skip
    """Whether steps are recorded: where a copy shows that it gives the same bits, and is faster."""
    if pinned.record is False:
        reasons["record"] = "as the recipe says"
        return plan, seconds
    together = STEPS_A_CALL if seconds < SLOW else 1
    trial = plan.model_copy(update={"record": True, "steps_a_call": pinned.steps_a_call or together})
    plan = plan.model_copy(update={"steps_a_call": pinned.steps_a_call or 1})
    why = _unlike(network, data, settings, trial)
    if why is not None:
        if pinned.record:
            raise InputError(Problem("plan.record", f"this step cannot be recorded: {why}", fix="leave it out"))
        reasons["record"] = why
        return plan, seconds
    own = Trial(network, data, settings, trial)
    tape = Tape(own.step)
    for number in range(2):
        tape(own.part(number))
    total = _steps(data, settings)
    times = {
        name: _timed(lambda number, do=do: do(own.part(number)), total)
        for name, do in (("not", own.step), ("recorded", tape))
    }
    shown = f"measured per step: recorded {times['recorded'] * 1e3:.2f} ms, not {times['not'] * 1e3:.2f} ms"
    reasons["record"] = "as the recipe says" if pinned.record else shown
    if pinned.record or times["recorded"] < 0.95 * times["not"]:
        return trial, times["recorded"]
    return plan, times["not"]


def _unlike(network: torch.nn.Module, data: Data, settings: Training, plan: Plan) -> str | None:
    """Take four steps on two copies, one recorded: say what kept it from being so, or None where all bits are equal."""
    if _steps(data, settings) < FEW:
        return "too few steps to be worth it"
    first = Trial(network, data, settings, plan)
    why = "too few steps to be worth it" if len(first.rows) < 3 else Tape.why_not(first.step)
    if why is not None:
        return why
    second = Trial(network, data, settings, plan)
    losses: list[list[float]] = []
    tape = Tape(second.step)
    for trial, take in ((first, first.step), (second, tape)):
        trial.step.set_rate(settings.learning_rate or 1e-3)
        torch.manual_seed(0)
        try:
            losses.append([float(take(trial.part(number))) for number in range(4)])
        except Unrecordable as error:
            return str(error)
    ours, theirs = (list(trial.step.network.parameters()) for trial in (first, second))
    same = all(torch.equal(a, b) or bool(a.isnan().any()) for a, b in zip(ours, theirs, strict=True))
    return None if same and repr(losses[0]) == repr(losses[1]) else "recorded steps gave other numbers"


def _timed(take: Callable[[int], object], steps: int) -> float:
    """The median time of a step of a training that has `steps` of them."""
    take(0)  # the first one warms up
    times: list[float] = []
    budget = math.inf
    while sum(times) < min(budget, TRIAL) or len(times) < (3 if sum(times) < TRIAL else 2):
        start = time.perf_counter()
        take(len(times) + 1)
        times.append(time.perf_counter() - start)
        budget = min(TRIAL, SHARE * sorted(times)[len(times) // 2] * steps)
    return sorted(times)[len(times) // 2]


def _compiled(
    pinned: Execution, network: torch.nn.Module, data: Data, settings: Training, plan: Plan, eager: float, reasons: dict[str, str]
) -> Plan:  # fmt: skip
    """Whether steps are compiled: where what is left to train is long enough, and it was measured to be faster."""
    if pinned.compile is not None:
        reasons["compile"] = "as the recipe says"
        return plan.model_copy(update={"compile": pinned.compile})
    estimate = eager * _steps(data, settings)
    blocks = [*data.rows.inputs.values(), *data.rows.targets.values()]
    if any(isinstance(part, Lists) for block in blocks for part in block.values()):
        reasons["compile"] = "rows of unlike length would be compiled again for each length"
    elif isinstance(data.rows, Packed) and not plan.record:
        reasons["compile"] = "of packed texts recorded steps alone are compiled"
    elif estimate < WORTH_COMPILING:
        reasons["compile"] = f"about {estimate:.0f} s of training at most: compiling takes longer than it saves"
    else:
        trial = plan.model_copy(update={"compile": True})
        own = Trial(network, data, settings, trial)
        seconds, why = _seconds_compiled(own, trial)
        reasons["compile"] = why or f"measured a step: compiled {seconds * 1e3:.2f} ms, not {eager * 1e3:.2f} ms"
        if seconds < 0.8 * eager:
            return trial
    return plan


def _seconds_compiled(own: Trial, plan: Plan) -> tuple[float, str]:
    """The seconds of a compiled step; infinite, and why, where there is no compiler that works."""
    count = plan.steps_a_call
    take = Tape(own.step).steps if plan.record else own.step.steps
    rows = torch.cat([own.part(number) for number in range(count)])
    rates = [float(own.step.rate)] * count
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InductorError

    try:
        for _ in range(3):  # the first records and compiles
            take(rows, rates)
        return _timed(lambda number: take(rows, rates), 1000) / count, ""
    except (InductorError, TorchDynamoException) as error:  # no C++ compiler, mostly; or an operation it cannot follow
        return math.inf, f"torch.compile does not work here: {str(error).splitlines()[0][:100]}"
