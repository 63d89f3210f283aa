"""The recipe: the whole declaration of a network. Frozen, typed, validated; None means "choose for me and say why".

Flags, YAML, JSON schema and the page's form all come from these types: each field stands once, with its unit.
"""

from __future__ import annotations

import codecs
import csv
import math
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from netwright.errors import InputError, Problem, nearest
from netwright.events import say

T = TypeVar("T", bound=BaseModel)


def _names(value: Any) -> Any:
    """Accept `a,b` for a list of names; in quotes, as in `"a, b",c`, a name may hold a comma."""
    if not isinstance(value, str):
        return value
    parts = next(csv.reader([value], skipinitialspace=True), []) if '"' in value else value.split(",")
    return tuple(part.strip() for part in parts if part.strip())


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class Settings(BaseModel):
    """A group of settings: frozen, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)


class Read(Settings):
    """How a source's files are read.

    >>> Read(delimiter="tab").delimiter
    '\\t'
    """

    delimiter: str | None = Field(
        default=None,
        description="The character between a CSV file's cells (or `tab`); default: detected.",
    )
    encoding: str | None = Field(
        default=None,
        description="The text's encoding, such as gb18030; default: UTF-8, or UTF-16 if it has a byte order mark.",
    )
    header: bool = Field(default=True, description="Whether a CSV file's first line holds the columns' names.")
    quotes: bool | None = Field(
        default=None,
        description="Whether quote marks enclose a CSV file's cells; left out, they do, save in tab-separated files "
        "where they plainly do not.",
    )
    bad_rows: Literal["refuse", "leave_out"] = Field(
        default="refuse",
        description="What to do with unreadable rows: refuse the file, or leave them out.",
    )
    missing: Names = Field(
        default=("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?"),
        description="The cell texts of a CSV file or a sheet that are read as missing, after stripping spaces.",
    )
    query: str | None = Field(default=None, description="SQL query, one SELECT; default: the only table.")
    sheet: str | None = Field(
        default=None,
        description="The sheet of an Excel file, or a part of it: Sales, or Sales!A3:F100; left out, the first with "
        "rows.",
    )
    rows: Literal["line", "paragraph", "file"] | None = Field(
        default=None,
        description="What is a row of a text: a line, a paragraph or the file; default: detected.",
    )

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " "}
        value = named.get(value, value) if value else value
        if value is not None and (len(value) != 1 or not value.isascii() or value in '"\r\n'):
            raise ValueError(f"{value!r} is not one plain character, such as , or ; or tab")
        return value

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is None:
            return value
        try:
            codecs.lookup(value)
        except LookupError as error:
            raise ValueError(
                f"there is no encoding {value!r}; there is utf-8, utf-16, gb18030, big5, shift_jis, euc-kr, "
                "cp1252, latin-1 ..."
            ) from error
        return value


class Split(Settings):
    """Which rows train, which choose the best weights (validation), and which measure (test)."""

    validation: float | None = Field(default=None, ge=0, lt=1, description="share of validation rows")
    test: float | None = Field(default=None, ge=0, lt=1, description="share of test rows")
    column: str | None = Field(default=None, description="a column that says train, validation or test for each row")
    group: str | None = Field(
        default=None, description="a column whose equal values stay on one side (no patient on both)"
    )
    time: str | None = Field(default=None, description="a column to order by: the last rows are the test")
    folds: int | None = Field(
        default=None, ge=2, le=50, description="cross-validation: number of parts, each the test once"
    )
    validation_data: str | None = Field(default=None, description="a file of validation rows")
    test_data: str | None = Field(default=None, description="a file of test rows")
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="seed of the split; default: training.seed")


class Training(Settings):
    """How the network is trained."""

    epochs: int | None = Field(default=None, ge=1, description="maximum number of epochs")
    steps: int | None = Field(default=None, ge=1, description="maximum number of steps; default: all epochs")
    minutes: float | None = Field(
        default=None,
        gt=0,
        description="time limit in minutes, from the measured time of a step; the schedule ends with it",  # fmt: skip
    )
    pack: bool | None = Field(
        default=None,
        description="whether texts are packed into full blocks, with attention within each text",
    )
    batch_size: int | Literal["all"] | None = Field(
        default=None, description="rows a step; `all` for full-batch descent"
    )
    accumulate: int | None = Field(default=None, ge=1, description="batches per step (gradient accumulation)")
    optimizer: (
        Literal["gradient_descent", "sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "muon", "lbfgs"] | None
    ) = Field(default=None, description="the optimizer")
    learning_rate: float | None = Field(default=None, gt=0, description="peak learning rate")
    momentum: float | None = Field(
        default=None, ge=0, lt=1, description="momentum coefficient (momentum, nesterov, rmsprop)"
    )
    beta1: float | None = Field(default=None, ge=0, lt=1, description="decay of the gradient's mean (adam, adamw)")
    beta2: float | None = Field(
        default=None, ge=0, lt=1, description="decay of the squared gradient's mean (adam, adamw, rmsprop)"
    )
    epsilon: float | None = Field(default=None, gt=0, description="added to the denominator (adam, adamw, rmsprop)")
    schedule: Literal["constant", "step", "cosine", "linear", "one_cycle", "plateau"] | None = Field(
        default=None, description="how the learning rate changes over the steps"
    )
    warmup: float | None = Field(default=None, ge=0, lt=1, description="warm-up, as a share of the steps")
    step_every: int | None = Field(
        default=None, ge=1, description="epochs between two decays (step), or without progress (plateau)"
    )
    step_factor: float | None = Field(default=None, gt=0, lt=1, description="factor of a decay")
    l1: float | None = Field(default=None, ge=0, description="weight of the sum of absolute weights in the loss")
    l2: float | None = Field(default=None, ge=0, description="weight of half the sum of squared weights in the loss")
    weight_decay: float | None = Field(
        default=None, ge=0, description="decoupled weight decay, times the learning rate"
    )
    gradient_clip: float | None = Field(default=None, ge=0, description="largest norm of the gradient; 0: no limit")
    average: float | None = Field(default=None, ge=0, lt=1, description="decay of an exponential moving average of the weights, which is validated and kept instead (such as 0.999); 0: off")  # fmt: skip
    patience: int | None = Field(
        default=None, ge=0, description="epochs without a better validation score before stopping; 0: never"
    )
    refit: bool | None = Field(
        default=None,
        description="whether to train again on training and validation rows, for the best number of epochs",
    )
    metric: str | None = Field(default=None, description="the validation score that selects the best weights")
    augment: bool | None = Field(default=None, description="whether training images are shifted and mirrored at random")
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="start of all randomness")
    checkpoint_every: float | None = Field(default=None, gt=0, description="seconds between two checkpoints")

    @field_validator("batch_size")
    @classmethod
    def _positive(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, int) and value < 1:
            raise ValueError("must be at least 1, or `all`")
        return value


class Trust(Settings):
    """Calibration: fitted on the validation rows, checked on the test rows."""

    calibrate: bool = Field(default=True, description="whether probabilities are scaled by a temperature")
    coverage: float = Field(default=0.9, gt=0, lt=1, description="target coverage of intervals and class sets")
    threshold: str | None = Field(
        default=None, description="metric to choose the decision threshold for, with two classes"
    )


class Execution(Settings):
    """How training is executed: what is not pinned here is chosen by measuring before step 1."""

    device: str | None = Field(default=None, description="cpu, cuda, cuda:1 or mps")
    threads: int | None = Field(default=None, ge=1, le=1024, description="CPU threads")
    precision: Literal["float32", "bfloat16", "float64"] | None = Field(
        default=None, description="precision of the network"
    )
    record: bool | None = Field(
        default=None, description="whether a step is captured and replayed, without autograd's overhead"
    )
    compile: bool | None = Field(default=None, description="whether steps are compiled by torch.compile")
    steps_a_call: int | None = Field(default=None, ge=1, le=256, description="steps per call")
    rows_a_call: int | None = Field(default=None, ge=1, description="rows predicted in one call")

    @model_validator(mode="before")
    @classmethod
    def _older(cls, given: Any) -> Any:
        """Recipes of earlier versions may pin `native`, which is no choice any more."""
        if not isinstance(given, dict) or "native" not in given:
            return given
        if given["native"] is not None:
            say(
                "warning",
                "plan.native",
                "plan.native is no longer a setting and has no effect: captured steps run in torch",
            )
        return {name: value for name, value in given.items() if name != "native"}


class Recipe(Settings):
    """The whole declaration: data, inputs, targets, model, split, training."""

    data: str | None = Field(default=None, description="a file, a folder, or a database of rows")
    target: Names = Field(default=(), description="the columns to predict")
    inputs: Names | None = Field(default=None, description="the columns to predict from; default: all others")
    leave_out: Names = Field(default=(), description="columns that are neither input nor target")
    weight: str | None = Field(default=None, description="a column with each row's weight")
    columns: dict[str, dict[str, Any]] = Field(default={}, description="by column: its kind, and that kind's settings")
    heads: dict[str, dict[str, Any]] = Field(
        default={}, description="by target: its loss, and other settings of its head"
    )
    teacher: str | None = Field(
        default=None, description="a run to distil from: its predictions are targets beside the truth"
    )
    unlabelled: str | None = Field(
        default=None, description="a file of unlabelled rows that the teacher labels; used for training only"
    )
    made: int = Field(
        default=0, ge=0, description="number of augmented rows made by changing texts, labelled by the teacher"
    )
    model: dict[str, Any] = Field(default={}, description="the family of network, and that family's settings")
    read: Read = Read()
    split: Split = Split()
    training: Training = Training()
    trust: Trust = Trust()
    plan: Execution = Execution()

    @property
    def split_seed(self) -> int:
        """What the rows' division begins from."""
        return (self.training.seed or 0) if self.split.seed is None else self.split.seed

    @field_validator("model", mode="before")
    @classmethod
    def _family(cls, value: Any) -> Any:
        return {"family": value} if isinstance(value, str) else value

    @field_validator("columns", mode="before")
    @classmethod
    def _kinds(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: {"kind": item} if isinstance(item, str) else item for name, item in value.items()}


def validate(model: type[T], values: dict[str, Any], *, where: str = "") -> T:
    """Return `model` made of `values`, or raise `InputError` with every problem at once, each with the nearest name.

    `where` is put before each setting's name.

    >>> validate(Training, {"epochs": -3, "sed": 1})
    Traceback (most recent call last):
    netwright.errors.InputError: training.epochs: got -3. Allowed: greater than or equal to 1.
    training.sed: there is no such setting. Fix: did you mean seed?
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        prefix = where if where or model is Recipe else model.__name__.lower()
        problems = [problem for entry in error.errors(include_url=False) for problem in _problems(model, prefix, entry)]
        raise InputError(*dict.fromkeys(problems)) from None


def _problems(model: type[BaseModel], prefix: str, entry: Any) -> tuple[Problem, ...]:
    inner = entry.get("ctx", {}).get("error")  # a validator's own InputError already names place and problem
    return inner.problems if isinstance(inner, InputError) else (_problem(model, prefix, entry),)


def _problem(model: type[BaseModel], prefix: str, entry: Any) -> Problem:
    path = [str(part) for part in entry["loc"] if not _is_branch(part)]
    where = ".".join(filter(None, [prefix, *path]))
    if entry["type"] == "extra_forbidden":
        holder: Any = model
        for part in entry["loc"][:-1]:
            field = getattr(holder, "model_fields", {}).get(part)
            holder = field.annotation if field else None
        known = list(getattr(holder, "model_fields", {}))
        return Problem(where, "there is no such setting", fix=nearest(str(entry["loc"][-1]), known))
    got = entry["input"]
    what = f"got {'NaN' if isinstance(got, float) and math.isnan(got) else repr(got)}"
    allowed = _WORDS.get(entry["type"]) or entry["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return Problem(where, what, allowed=allowed)


_WORDS = {  # for what pydantic says in programmers' words
    "int_parsing": "a whole number", "int_type": "a whole number", "int_from_float": "a whole number",
    "float_parsing": "a number", "float_type": "a number", "bool_parsing": "true or false", "bool_type": "true or false",
    "string_type": "a text", "dict_type": "settings by name", "model_type": "settings by name", "tuple_type": "a list",
}  # fmt: skip


def _is_branch(part: Any) -> bool:
    """Pydantic names the branch of a union in a problem's place; people do not know these names."""
    text = str(part)
    return text in {"int", "float", "str", "bool"} or text.startswith(("literal[", "function-", "tuple[", "lax-or"))
