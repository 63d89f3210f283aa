"""Cost: where the time went, memory, weights, operations, disk, and the machine."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from netwright.report.page.found import Found
from netwright.report.page.html import facts, joined, note, table, tag
from netwright.report.page.written import big, named, seconds, share, size

TITLE = "Cost"
PLACE = 90


def section(found: Found) -> Markup | None:
    """Return what the training cost, or None where it was not written down."""
    cost = found.cost
    if not cost:
        return None
    weights, training = cost["weights"], cost["training"]
    pairs: list[tuple[str, Any]] = [
        ("rows a second", "–" if training["rows_a_second"] is None else f"{training['rows_a_second']:,.0f}"),
        ("peak memory", "–" if cost["memory"] is None else size(cost["memory"])),
        ("weights", big(weights["all"])),
        ("operations a row", big(cost["flops_a_row"]) if cost["flops_a_row"] else "–"),
        ("run's folder", size(sum(cost["bytes"].values()))),
        ("weights on disk", size(cost["bytes"].get("model.safetensors", 0))),
    ]
    return joined(
        [facts(pairs, class_="facts band"), _stages(cost, found), _parts(weights, cost), _machine(cost, found)]
    )


def _stages(cost: dict[str, Any], found: Found) -> Markup:
    """The time by stage, each as a share of all."""
    stages = cost["seconds"]
    every = sum(stages.values()) or 1.0
    lines = [
        [name, tag("td", tag("div", tag("i", style=f"width:{100 * value / every:.2f}%"), class_="bar", aria_hidden="true"), class_="broad"),
         seconds(value), share(value / every)]
        for name, value in stages.items()
    ]  # fmt: skip
    rivals = [
        f"{name} {seconds(values['seconds'])}"
        for target in found.targets
        for name, values in found.baselines(target).items()
        if values.get("seconds") is not None
    ]
    plan = found.said("plan")
    estimate = plan[-1]["data"].get("estimate") if plan else None
    told = []
    if estimate:
        taken = cost["training"]["seconds"]
        told.append(
            f"Before step 1 the plan estimated at most {seconds(estimate)} of training; it took {seconds(taken)}, {share(taken / estimate, 0)} of it."
        )
    if rivals and len(found.targets) == 1:
        told.append(f"The baselines took: {', '.join(rivals)}.")
    whole = table(["stage", "", "time", "share"], lines, caption="Time by stage", numbers=(2, 3))
    return joined([tag("h3", "Time"), whole, note(" ".join(told)) if told else None])


def _parts(weights: dict[str, int], cost: dict[str, Any]) -> Markup:
    lines = [f"{name} {count:,}" for name, count in weights.items() if name != "all"]
    text = f"Weights: {', '.join(lines)}. Operations are those of one row's answer in matrix products, convolutions and attention, a multiplication with its addition as two"
    return note(text, "; other steps are not counted." if cost["flops_a_row"] else "; this network has none of them.")


def _machine(cost: dict[str, Any], found: Found) -> Markup:
    machine = cost["machine"]
    memory = f", {size(machine['memory'])} of memory" if machine.get("memory") else ""
    plan = found.plan
    used = f"{plan.get('device', 'cpu')}, {plan.get('threads', 1)} thread{'s' if plan.get('threads', 1) != 1 else ''}, {plan.get('precision', '')}"
    pairs = [
        ("processor", f"{machine['processor']}, {machine['cores']} cores{memory}"),
        *([("GPU", machine["gpu"])] if machine.get("gpu") else []),
        ("used", used),
        ("system", f"{machine['system']}, Python {machine['python']}"),
        (
            "versions",
            ", ".join(
                [
                    f"netwright {found.about['netwright']}",
                    *(
                        f"{named(name)} {machine[name]}"
                        for name in ("torch", "numpy", "polars", "scikit-learn")
                        if name in machine
                    ),
                ]
            ),
        ),
    ]
    return joined([tag("h3", "Machine"), facts(pairs, class_="facts list")])
