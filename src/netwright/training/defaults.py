"""Choices: a recipe's open settings filled in from the data, each with its reason."""

from __future__ import annotations

from typing import Any

from netwright import registry
from netwright.data.facts import DataFacts
from netwright.errors import InputError, Problem, nearest
from netwright.events import say
from netwright.nn.trunks.family import Choice, Choices, Family
from netwright.recipe import Recipe, Training, validate

Reasons = dict[str, str]
COMMON: dict[str, Choice] = {
    "epochs": Choice(20, "the usual first choice"),
    "pack": Choice(False, "only used for text generation"),
    "batch_size": Choice(32, "the usual first choice"),
    "accumulate": Choice(1, "each batch is a step"),
    "optimizer": Choice("adam", "the usual first choice"),
    "learning_rate": Choice(0.001, "Adam's published default"),
    "momentum": Choice(0.9, "used by momentum and nesterov alone"),
    "beta1": Choice(0.9, "Adam's published default"),
    "beta2": Choice(0.999, "Adam's published default"),
    "epsilon": Choice(1e-8, "Adam's published default"),
    "schedule": Choice("constant", "no schedule was requested"),
    "warmup": Choice(0.0, "no warm-up"),
    "step_every": Choice(10, "used by step and plateau alone"),
    "step_factor": Choice(0.1, "used by step and plateau alone"),
    "l1": Choice(0.0, "no penalty"),
    "l2": Choice(0.0, "no penalty"),
    "weight_decay": Choice(0.0, "no decay"),
    "gradient_clip": Choice(0.0, "no limit"),
    "average": Choice(0.0, "the weights themselves are kept"),
    "patience": Choice(0, "all epochs are run"),
    "refit": Choice(False, "validation rows select the weights and are not trained on"),
    "augment": Choice(False, "rows are taken as they are"),
    "seed": Choice(0, "the same run each time"),
    "checkpoint_every": Choice(60.0, "at most a minute of work is lost"),
}
WHOLE = ("gradient_descent", "lbfgs")  # take all rows a step
DECAYING = (
    "adamw",
    "muon",
    "sgd",
    "gradient_descent",
)  # without momentum, a decay in the gradient is the decoupled one
RATES = {
    "gradient_descent": 0.1,
    "sgd": 0.05,
    "momentum": 0.01,
    "nesterov": 0.01,
    "rmsprop": 0.001,
    "muon": 0.003,
    "lbfgs": 1.0,
}


def family_settings(model: dict[str, Any]) -> Family:
    """Return the typed settings of the family that `model` names. Raises `InputError` naming what is wrong."""
    name = model.get("family")
    if name not in registry.names("trunks"):
        fix = nearest(str(name), [*registry.names("trunks"), "auto"])
        raise InputError(
            Problem("model.family", f"there is no family {name!r}, and no run folder of that name", fix=fix)
        )
    return validate(registry.find("trunks", str(name), "settings").Settings, model, where="model")


def family(recipe: Recipe, facts: DataFacts) -> tuple[Family, Reasons]:
    """Choose the family where the recipe names none, and fill in its settings."""
    model, reasons = dict(recipe.model), {}
    if "family" not in model:
        model["family"], why = usual(facts)
        reasons["model.family"] = why
        say("choice", "model.family", f"family: {model['family']}, because {why}; --model names another")
    settings = family_settings(model)
    other = settings.instead(facts)
    if other is not None:
        settings, name = other, type(other).model_fields["family"].default
        reasons["model.family"] = f"it computes the layout of {settings.start}"
        model["family"] = name
        say("choice", "model.family", f"family: {name}, because {reasons['model.family']}")
    refusal = settings.refuse(facts)
    if refusal:
        able = [name for name in registry.names("trunks") if name not in ("module", "layers") and fits(name, facts)]
        raise InputError(
            Problem("model.family", f"{model['family']} cannot be used: {refusal}", allowed=", ".join(able))
        )
    filled = {}
    for name, choice in settings.chosen(facts).items():
        if getattr(settings, name) is None:
            filled[name] = choice.value
            reasons[f"model.{name}"] = choice.reason
            if name == "adapt":
                say(
                    "choice",
                    "model.adapt",
                    f"adapt: {choice.value.how}, because {choice.reason}; --adapt names another",
                )
    return settings.model_copy(update=filled), reasons


def fits(name: str, facts: DataFacts) -> bool:
    """Say whether a family reads these inputs."""
    return registry.find("trunks", name, "settings").Settings().refuse(facts) is None


def usual(facts: DataFacts) -> tuple[str, str]:
    """Return the family that is taken where none is named, and why."""
    if "stimulus" in facts.needs:
        return "transformer", "there is text to be written"
    if "elements" in facts.needs:
        return "recurrent", "trained from nothing it answered words better than a transformer (docs/dev/log.md)"
    if "pair" in facts.needs:
        return (
            "mlp",
            "pairs are compared by vectors of their n-grams; --model CHECKPOINT begins with a pretrained one's",
        )
    if facts.has("grid"):
        return "convnet", "there is an image among the inputs"
    if set(facts.signals) == {"sequence"}:
        return (
            "linear",
            f"on {facts.rows:,} texts a linear model of word and character n-grams is hard to beat from nothing",
        )
    if facts.has("sequence"):
        return "mlp", "the inputs are a table with text"
    return "mlp", "the inputs are a table"


def training(recipe: Recipe, chosen: Family, facts: DataFacts) -> tuple[Training, Reasons]:
    """Fill in the training settings: the family's choice, else the common one. Raises `InputError` for contradictions."""
    given = recipe.training
    brought = _of_optimizer(given.optimizer, {**COMMON, **chosen.training(facts)}, facts)
    filled, reasons = {}, {}
    for name, choice in brought.items():
        if getattr(given, name) is None:
            filled[name], reasons[f"training.{name}"] = choice.value, choice.reason
    settings = given.model_copy(update=filled)
    folded = bool(recipe.split.folds)  # a fold trains on fewer rows than there are
    problems = _contradictions(given, settings, chosen, facts, folded=folded)
    if problems:
        raise InputError(*problems)
    if isinstance(settings.batch_size, int) and settings.batch_size > facts.rows:
        if folded:
            say("notice", "training.batch_size", f"batches of {facts.rows:,} rows: a fold has no more")
        settings = settings.model_copy(update={"batch_size": facts.rows})
    return settings, reasons


def _of_optimizer(named: str | None, brought: Choices, facts: DataFacts) -> Choices:
    """What a family brings where an optimizer is named: its rate, batch and decay were meant for its own optimizer."""
    own = brought["optimizer"].value
    brought = dict(brought)
    if named is not None and named != own:
        brought["learning_rate"] = Choice(RATES.get(named, 0.001), f"the usual first choice for {named}")
        if named in WHOLE:
            brought["batch_size"] = Choice("all", f"{named} takes all rows a step")
        elif brought["batch_size"].value == "all":
            brought["batch_size"] = Choice(256, f"{facts.rows:,} training rows")
        if named not in ("adamw", "muon"):
            brought["weight_decay"] = Choice(0.0, "decoupled decay is adamw's own")
        if named == "lbfgs":
            brought["gradient_clip"] = Choice(0.0, "the line search needs the gradient as it is")
    if "rmsprop" in (named, own):
        brought["beta2"], brought["momentum"] = Choice(0.99, "torch's default for rmsprop"), Choice(0.0, "no momentum")
    return brought


def _contradictions(
    given: Training, settings: Training, chosen: Family, facts: DataFacts, *, folded: bool
) -> list[Problem]:  # fmt: skip
    """Settings that cannot stand together, of which one at least was given."""
    found, size, optimizer = list[Problem](), settings.batch_size, settings.optimizer
    if isinstance(size, int) and size > facts.rows and given.batch_size is not None and not folded:
        what = f"{size} is above the {facts.rows:,} training rows"
        found.append(Problem("training.batch_size", what, allowed=f"1 to {facts.rows:,}, or all"))
    if settings.pack and "stimulus" in chosen.gives and not chosen.keeps_apart:
        what = "packed texts stand in one row, and this family cannot keep them apart"
        found.append(Problem("training.pack", what, allowed="false", fix="--model transformer packs"))
    if optimizer in WHOLE and size != "all":
        what = f"{optimizer} takes all rows a step, and batch_size is {size}"
        found.append(Problem("training.batch_size", what, allowed="all"))
    if optimizer not in DECAYING and given.weight_decay:
        fix = "training.optimizer adamw, or training.l2"
        found.append(Problem("training.weight_decay", f"{optimizer} has no decoupled decay", fix=fix))
    if optimizer == "lbfgs" and given.gradient_clip:
        what = "lbfgs measures its steps on the whole gradient"
        found.append(Problem("training.gradient_clip", what, allowed="0"))
    return found
