"""Choosing the plan: what the recipe does not pin is measured on a copy of the network, before step 1."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch

from netwright.batch import Lists
from netwright.errors import InputError, Problem
from netwright.events import say
from netwright.plan import Plan
from netwright.recipe import Execution, Training
from netwright.training.loop import Data, Loop
from netwright.training.world import World

TRIAL = 0.4  # seconds spent on each candidate
WORTH_COMPILING = 600.0  # estimated seconds of training from which a compilation (20 to 60 s) may pay


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


def choose(
    pinned: Execution, make: Callable[[Plan], tuple[torch.nn.Module, Data]], settings: Training, world: World
) -> Plan:
    """Return the plan: each setting pinned, or measured. `make(plan)` gives the network and data on the plan's device."""
    device, why = device_of(pinned.device, world)
    most = torch.get_num_threads()
    reasons = {"device": why}
    plan = Plan(device=device, threads=pinned.threads or most, precision=pinned.precision or "float32")
    reasons["precision"] = "as the recipe says" if pinned.precision else "exact, and as fast as any on most processors"
    network, data = make(plan)
    measured: dict[int, float] = {}
    candidates = (
        [pinned.threads] if pinned.threads else sorted({1, most}) if device == "cpu" and world.size == 1 else [most]
    )
    for threads in candidates:
        measured[threads] = _seconds_a_step(network, data, settings, plan.model_copy(update={"threads": threads}))
    best = min(measured, key=lambda threads: measured[threads])
    shown = ", ".join(f"{threads}: {seconds * 1e3:.2f} ms" for threads, seconds in measured.items())
    reasons["threads"] = "as the recipe says" if pinned.threads else f"measured a step: {shown}"
    loop = Loop(network, data, None, settings, plan, kept=None)
    estimate = measured[best] * loop.epochs * loop.steps_an_epoch
    compiled, reasons["compile"] = _compiled(
        pinned, network, data, settings, plan.model_copy(update={"threads": best}), measured[best], estimate
    )
    rows = pinned.rows_a_call or 1024
    reasons["rows_a_call"] = "as the recipe says" if pinned.rows_a_call else "bounds memory; larger calls are no faster"
    plan = plan.model_copy(update={"threads": best, "compile": compiled, "rows_a_call": rows, "reasons": reasons})
    text = f"{device}, {best} thread{'s' if best > 1 else ''}, {plan.precision}, {'compiled' if compiled else 'not compiled'} ({reasons['threads']})"
    say(
        "choice",
        "plan",
        f"plan: {text}",
        estimate=estimate,
        **{f"ms_{k}_threads": v * 1e3 for k, v in measured.items()},
    )
    return plan


def _seconds_a_step(network: torch.nn.Module, data: Data, settings: Training, plan: Plan) -> float:
    """The median time of a step's gradient, on a copy: the network itself stays as it was."""
    state = torch.get_rng_state()
    torch.set_num_threads(plan.threads)
    loop = Loop(copy.deepcopy(network), data, None, settings, plan, kept=None)
    times, began, steps = [], time.perf_counter(), loop.steps()
    while not times or time.perf_counter() - began < TRIAL:
        start = time.perf_counter()
        batches = next(steps, None)
        if batches is None:
            steps = loop.steps()
            continue
        loop.gradient(batches)
        times.append(time.perf_counter() - start)
    torch.set_rng_state(state)
    times = times[1:] or times  # the first one warms up
    return sorted(times)[len(times) // 2]


def _compiled(
    pinned: Execution,
    network: torch.nn.Module,
    data: Data,
    settings: Training,
    plan: Plan,
    eager: float,
    estimate: float,
) -> tuple[bool, str]:
    if pinned.compile is not None:
        return pinned.compile, "as the recipe says"
    if any(isinstance(part, Lists) for block in data.rows.inputs.values() for part in block.values()):
        return False, "rows of unlike length would be compiled again for each length"
    if estimate < WORTH_COMPILING:
        return False, f"about {estimate:.0f} s of training at most: compiling takes longer than it saves"
    seconds = _seconds_a_step(network, data, settings, plan.model_copy(update={"compile": True}))
    return seconds < 0.9 * eager, f"measured a step: compiled {seconds * 1e3:.2f} ms, not compiled {eager * 1e3:.2f} ms"
