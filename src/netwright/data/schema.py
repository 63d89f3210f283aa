"""From a table to encoded rows: kinds inferred, fitted on the training rows, all rows encoded. n rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from netwright.data import checks, linked
from netwright.data import encode as encoding
from netwright.data.facts import Asks, DataFacts
from netwright.data.stream import Stream
from netwright.data.table import Table, meant
from netwright.errors import InputError, Problem, counted, nearest, quoted
from netwright.events import quiet, say, say_rows
from netwright.kinds.base import Kind, Role, kind_name
from netwright.kinds.facts import LOOK, WIDE, Facts
from netwright.kinds.image import Image
from netwright.kinds.infer import Column, check_options, infer, kind_class, targets
from netwright.recipe import Recipe
from netwright.runtime.arrays import Arrays
from netwright.runtime.seeds import generator

MOST = 1_000_000  # training rows that kinds are fitted on: a mean is then known within a thousandth of the deviation
WRITTEN = ("text", "messages")  # targets that need no input: without one they are a language model
LOOKED = 2_000  # rows by which the length of texts is judged
LOOKED_FOR = 50  # names of files that are looked for beside the table
FIRST = 100_000  # values looked at before all are


@dataclass(frozen=True)
class Described:
    """A table whose columns' kinds are known. Rows without any target are already out of it.

    `asked`: by input column, the settings that targets which are about it ask for.
    """

    table: Table
    inputs: tuple[Column, ...]
    targets: tuple[Column, ...]
    left_out: dict[str, str]
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitted:
    """The fitted kinds: `inputs` by block, `targets` by key. All that encoding and decoding need."""

    inputs: dict[str, Kind]
    targets: dict[str, Kind]
    left_out: dict[str, str]

    @property
    def columns(self) -> list[str]:
        """The input columns."""
        blocks = [name for kind in self.inputs.values() for name in kind.columns]
        return list(dict.fromkeys([*blocks, *(name for kind in self.targets.values() for name in kind.prompted)]))

    @property
    def told_by(self) -> list[str]:
        """The columns that make a row what it is: inputs and targets."""
        return list(dict.fromkeys([*self.columns, *(kind.columns[0] for kind in self.targets.values())]))

    def unusable(self, targets: Mapping[str, Arrays]) -> np.ndarray:
        """(n,) rows none of whose encoded targets has a value that can be used."""
        return np.logical_and.reduce([kind.absent(targets[key]) for key, kind in self.targets.items()])

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for `kinds.json`."""
        return {
            "inputs": {key: kind.model_dump(mode="json") for key, kind in self.inputs.items()},
            "targets": {key: kind.model_dump(mode="json") for key, kind in self.targets.items()},
            "left_out": self.left_out,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fitted:
        """Return what `to_json` gave."""

        def kinds(part: str, role: Role) -> dict[str, Kind]:
            return {key: kind_class(item["kind"], role).model_validate(item) for key, item in value[part].items()}

        return cls(kinds("inputs", "input"), kinds("targets", "target"), dict(value["left_out"]))

    def ready(self, stream: Stream) -> Fitted:
        """Return the kinds with what they must know of all rows to encode them part by part.

        Raises `InputError` naming each input column that is not there.
        """
        self._require(list(stream.schema), stream.name)
        inputs = {
            key: kind.ready(stream.whole(list(kind.columns)), encoding.SLICE)
            if kind.looks_ahead and any(stream.schema[name] == pl.String for name in kind.columns)
            else kind
            for key, kind in self.inputs.items()
        }
        return replace(self, inputs=inputs)

    def encode(self, table: Table) -> dict[str, Arrays]:
        """Encode a table's input columns, and the prompts under their target's key.

        Raises `InputError` naming each column that it lacks.
        """
        self._check(table)
        blocks = {key: _encoded(kind, table) for key, kind in self.inputs.items()}
        prompts = {
            key: kind.prompts(table.frame.select(kind.prompted), table.ids)
            for key, kind in self.targets.items()
            if kind.prompted
        }
        return {**blocks, **prompts}

    def _check(self, table: Table) -> None:
        self._require(table.columns, table.name)
        for kind in self.inputs.values():
            _check_nested(kind, table, kind.columns)

    def _require(self, columns: list[str], name: str) -> None:
        lacking = [each for each in self.columns if each not in columns]
        if lacking:
            named = ", ".join(map(repr, lacking[:10])) + (f" and {len(lacking) - 10} more" if len(lacking) > 10 else "")
            what = f"lacks the input column{'s' if len(lacking) > 1 else ''} {named}"
            raise InputError(Problem(name, what, fix=f"it has: {', '.join(columns[:30])}"))

    def encode_targets(self, table: Table) -> dict[str, Arrays]:
        """Encode a table's target columns."""
        named = [name for kind in self.targets.values() for name in (kind.columns[0], *kind.beside)]
        table.require(named, setting="target")
        for kind in self.targets.values():
            _check_nested(kind, table, kind.columns)
        return {
            key: encoding.encoded_target(
                kind, table.frame.select(*dict.fromkeys((*kind.columns, *kind.prompted, *kind.beside))), table
            )
            for key, kind in self.targets.items()
        }


def located(column: pl.Series, folder: str) -> pl.Series:
    """Return names of files so that they open: those named from the table's own folder get it put before them."""
    look = column.drop_nulls().head(LOOKED_FOR).to_list() if column.dtype == pl.String and folder else []
    if any(Path(name).exists() for name in look) or not any((Path(folder) / name).exists() for name in look):
        return column
    return pl.Series(
        column.name, [None if name is None else str(Path(folder) / name) for name in column], dtype=pl.String
    )


def _check_nested(kind: Kind | type[Kind], table: Table, columns: Iterable[str]) -> None:
    """Raise `InputError` where a column holds lists or bytes, and its kind reads single values."""
    for name in columns:
        dtype = table.frame[name].dtype
        if not kind.nested and (dtype.is_nested() or dtype == pl.Binary):
            own = (kind if isinstance(kind, type) else type(kind)).model_fields["kind"].default
            what = f"the column {name!r} holds values of type {dtype}, which are no {own}"
            raise InputError(Problem(table.name, what, allowed="single values: texts, numbers, dates"))


def _encoded(kind: Kind, table: Table) -> Arrays:
    frame = table.frame.select(kind.columns)
    if kind_name(kind) == "image":  # its cells may name files
        frame = frame.select(located(column, table.folder) for column in frame)
    return encoding.encoded(kind, frame, table)


def describe(table: Table, recipe: Recipe) -> Described:
    """Decide each column's kind; say each choice; leave out rows without a target. Raises `InputError`."""
    if not recipe.target:
        names = ", ".join(table.columns)
        raise InputError(Problem("--target", "no target is named", allowed=f"columns to predict: {names}"))
    _check_names(table, recipe)
    both = [name for name in recipe.inputs or () if name in recipe.target]
    if both:
        raise InputError(
            Problem("inputs", f"{', '.join(both)} cannot be both an input and a target", fix="name it once")
        )
    kept_apart = {
        *recipe.target,
        *recipe.leave_out,
        *(name for name in (recipe.weight, recipe.split.column, recipe.split.group) if name),
        *(recipe.columns.get(name, {}).get("score") for name in recipe.target),
    }
    names = recipe.inputs if recipe.inputs is not None else [name for name in table.columns if name not in kept_apart]
    table = _with_target(table, recipe, linked.without_missing(table, recipe, names))
    if len(table) > LOOK:
        text = f"the columns' kinds are told from {LOOK:,} of the {len(table):,} rows at most, evenly taken"
        say("notice", "kinds.look", text, rows=LOOK, of=len(table))
    texts = linked.texts(table, recipe, names)
    targets = tuple(_kind_of(table, name, recipe, "target", beside=texts) for name in recipe.target)
    targets, partners = linked.partners(table, recipe, targets, names)
    table, targets, asked_of = linked.settled(table, recipe, targets, names)
    asked_of |= partners
    found = [_kind_of(table, name, recipe, "input", asked=asked_of.get(name)) for name in names]
    inputs = tuple(column for column in found if column.kind is not None)
    if recipe.read.bad_rows == "leave_out":
        table = _with_images(table, [column.name for column in inputs if column.kind == "image"])
    left_out = {column.name: column.reason for column in found if column.kind is None}
    asked = [name for name in left_out if recipe.inputs is not None]
    for name, reason in left_out.items():
        say(
            "warning" if name in asked else "choice",
            "column.left_out",
            f"{name}: left out, because {reason}",
            column=name,
        )
    if not inputs and not any(column.kind in WRITTEN for column in targets):
        raise InputError(
            Problem(
                table.name,
                "no column is left to predict from",
                fix="name some with --inputs, with a kind in --columns.NAME.kind",
            )
        )
    return Described(table, inputs, targets, left_out, asked_of)


def _check_names(table: Table, recipe: Recipe) -> None:
    """Raise `InputError` with every setting that names a column which is not there, or a target which is none."""
    split = {f"split.{name}": getattr(recipe.split, name) for name in ("column", "group", "time")}
    given = [("target", name) for name in recipe.target] + [("inputs", name) for name in recipe.inputs or ()]
    given += [("leave_out", name) for name in recipe.leave_out]
    given += [(setting, name) for setting, name in {"weight": recipe.weight, **split}.items() if name]
    given += [(f"columns.{name}", name) for name in recipe.columns if name not in {name for _, name in given}]
    problems = [
        Problem(setting, f"{table.name} has no column {name!r}", fix=meant(name, table.columns))
        for setting, name in given
        if name not in table.columns
    ]
    problems += [
        Problem(f"heads.{name}", f"{name!r} is no target", fix=nearest(name, recipe.target))
        for name in recipe.heads
        if name not in recipe.target
    ]
    once = {"target": recipe.target, "inputs": recipe.inputs or ()}
    problems += [
        Problem(setting, f"{name!r} is also named by {other}", fix="name it once")
        for setting, name in given
        for other, names in once.items()
        if setting == "leave_out" and name in names or setting == "weight" and other == "target" and name in names
    ]
    twice = {name for name in recipe.target if recipe.target.count(name) > 1}
    problems += [Problem("target", f"{name!r} is named twice", fix="name it once") for name in sorted(twice)]
    if problems:
        raise InputError(*problems)


def _with_target(table: Table, recipe: Recipe, always: set[str]) -> Table:
    """The rows that have at least one target; the others are said. Those in `always` are there in each row."""
    absent = np.ones(len(table), bool)
    for name in recipe.target:
        absent &= _gone(table.frame[name]) if name not in always else False
    if absent.all():
        raise InputError(Problem(table.name, f"no row has a {' or '.join(recipe.target)}", fix="name another --target"))
    if absent.any():
        lost = np.flatnonzero(absent)
        say_rows(
            "target.missing",
            f"{counted(len(lost), 'row')} without {' and '.join(recipe.target)} {'is' if len(lost) == 1 else 'are'} left out",
            table.named(lost),
        )
        table = table.take(np.flatnonzero(~absent))
    return table


def _with_images(table: Table, names: Iterable[str]) -> Table:
    """The rows whose images can be read; the others are said."""
    bad = dict[int, str]()
    for name in names:
        bad |= Image.unreadable(located(table.frame[name], table.folder))
    rows = np.array(sorted(bad), np.int64)
    if not len(rows) or len(rows) == len(table):  # where none can be read, encoding them names them
        return table
    text = (
        f"{counted(len(rows), 'row')} left out, because their images cannot be read; of the first, {bad[int(rows[0])]}"
    )
    say_rows("read.bad_rows", text, table.named(rows))
    return table.take(np.setdiff1d(np.arange(len(table)), rows))


def _gone(column: pl.Series) -> np.ndarray:
    """(n,) which values of a target are missing. Slice by slice: texts without blanks are copies."""
    out = np.empty(len(column), bool)
    for at in range(0, len(column), encoding.SLICE):
        part = column.slice(at, encoding.SLICE)
        gone = part.is_null()
        if column.dtype.is_float():
            gone = gone | part.is_nan().fill_null(False)
        elif column.dtype == pl.String:
            gone = gone | (part.str.strip_chars() == "").fill_null(False)
        out[at : at + len(part)] = gone.to_numpy()
    return out


def _kind_of(
    table: Table, name: str, recipe: Recipe, role: Role, *, beside: Mapping[str, pl.Series] | None = None, asked: Mapping[str, Any] | None = None
) -> Column:  # fmt: skip
    column = infer(table.frame[name], recipe.columns.get(name, {}), role, beside=beside)
    if asked is not None:  # a target is about its words
        column = Column(name, "text", column.given, "a target is about it")
    if column.kind == "messages":
        column = replace(column, given={"bad_rows": recipe.read.bad_rows, **column.given})
    if column.kind is not None:
        _check_nested(kind_class(column.kind, role), table, [name])
    if role == "target":
        if column.kind is not None and column.kind not in targets():
            raise InputError(
                Problem(f"target {name}", f"{column.kind} cannot be predicted", allowed=", ".join(targets()))
            )
        if column.kind is None:
            raise InputError(
                Problem(
                    f"target {name}",
                    f"cannot be predicted: {column.reason}",
                    allowed="numbers, categories, labels",
                    fix="give days since a day, as a number" if table.frame[name].dtype.is_temporal() else "",
                )
            )
        values = table.frame[name].drop_nulls()
        if column.kind == "category" and _alike(values):
            fix = "give rows of at least two classes"
            if " " in (value := str(values[0])) or len(value) > 20:
                fix += f"; texts to be written, which --columns.{name}.kind text makes of it, are to differ too"
            raise InputError(Problem(f"target {name}", f"has one value only: {quoted(value)}", fix=fix))
        if column.kind == "category" and "kind" not in recipe.columns.get(name, {}) and _all_differ(values):
            what = f"all its {len(values):,} values are different texts, so that no class is seen twice"
            fix = f"name another --target; --columns.{name}.kind text writes it, category takes each as a class"
            raise InputError(Problem(f"target {name}", what, allowed="numbers, categories, labels", fix=fix))
        if column.kind == "category" and values.dtype == pl.String:
            checks.spellings(name, values)
        if column.kind == "number" and _alike(values):
            raise InputError(
                Problem(f"target {name}", f"is always {quoted(values[0])}", fix="give rows whose target differs")
            )
        if column.kind == "number":
            checks.far(table, name)
    if column.kind is not None:
        why = "" if column.reason == "as the recipe says" else "because "
        say(
            "choice",
            "column.kind",
            f"{name}: {column.kind}, {why}{column.reason}",
            column=name,
            column_kind=column.kind,
        )
    return column


def _alike(values: pl.Series) -> bool:
    """Whether there are no two values; a look at the first ones mostly spares counting them all."""
    return values.head(FIRST).n_unique() < 2 and values.n_unique() < 2


def _all_differ(values: pl.Series) -> bool:
    """Whether there are more than two values, no two alike."""
    first = values.head(FIRST)
    return first.n_unique() == len(first) and 2 < values.n_unique() == len(values)


def facts(described: Described, training_rows: int) -> DataFacts:
    """Return what a family may know of the data before it chooses."""
    kinds: dict[str, int] = {}
    pixels, words = 0, 0.0
    for column in described.inputs:
        kind = column.kind or ""
        kinds[kind] = kinds.get(kind, 0) + 1
        values = described.table.frame[column.name]
        if kind == "text":
            halves = [column.name for column in described.targets if kind_class(column.kind or "", "target").paired]
            words = max(words, *(Facts.of(described.table.frame[name]).words for name in [column.name, *halves]))
        if kind == "image":
            # the image's size decides whether dense layers can read it: look before fitting
            options = check_options("image", column.given, f"columns.{column.name}")
            look = located(values.head(50), described.table.folder).to_frame()
            with quiet():
                fitted: Any = kind_class("image").fit(look, options, "input")
            pixels = max(pixels, fitted.width)
    targets = tuple(column.kind or "" for column in described.targets)
    written = [column.name for column in described.targets if column.kind in WRITTEN]
    if written:
        written += [column.name for column in described.inputs if column.kind != "image"]
    tokens = _tokens(described.table.frame.select(written)) * training_rows
    return DataFacts(training_rows, kinds, targets, pixels, words, int(tokens))


def _tokens(frame: pl.DataFrame) -> float:
    """How many tokens a row's texts have, about: four letters, or 1.4 Chinese, Japanese or Korean characters, make one."""
    look = frame.gather_every(max(1, frame.height // LOOKED))
    total = 0.0
    for column in look.iter_columns():
        for value in column.drop_nulls().to_list():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            wide = len(WIDE.findall(text))
            total += wide / 1.4 + (len(text) - wide) / 4
    return total / max(look.height, 1)


def fit(described: Described, family: Asks, train: np.ndarray) -> tuple[Fitted, dict[str, dict[str, Any]]]:
    """Fit the kinds on the training rows; also return each column's full settings, for the recipe."""
    table = described.table.frame
    some = _some(train)
    frame = table[some]
    frame = frame.with_columns(
        located(frame[c.name], described.table.folder) for c in described.inputs if c.kind == "image"
    )
    groups: dict[str, tuple[list[str], Any, str]] = {}
    settings: dict[str, dict[str, Any]] = {}
    written = family.writes_after(tuple(column.kind or "" for column in described.targets))
    for column in () if written else described.inputs:
        kind = column.kind or ""
        brought = {**known(kind, family.brings(kind)), **described.asked.get(column.name, {})}
        options = check_options(kind, {**brought, **column.given}, f"columns.{column.name}")
        settings[column.name] = options.model_dump(mode="json")
        name = f"{kind} {options.model_dump_json()}" if kind_class(kind).many else f"{kind} {column.name}"
        groups.setdefault(name, ([], options, kind))[0].append(column.name)
    inputs: dict[str, Kind] = {}
    for names, options, kind in groups.values():
        number = 1 + sum(key.split("_")[0] == kind for key in inputs)
        alike = [other for other, held in described.asked.items() if held == described.asked.get(names[0]) and settings[other] == settings[names[0]]]  # fmt: skip
        alike += [column.name for column in described.targets if kind_class(column.kind or "", "target").paired and column.given["about"] in names]  # fmt: skip
        before = next((held for held in inputs.values() if held.columns[0] in alike), None)
        inputs[kind if number == 1 else f"{kind}_{number}"] = (
            kind_class(kind).fit(frame.select(list(dict.fromkeys([*names, *alike]))), options, "input")
            if before is None
            else before.model_copy(update={"columns": tuple(names)})
        )
    targets: dict[str, Kind] = {}
    prompt = [column.name for column in described.inputs] if written else []
    for index, column in enumerate(described.targets, 1):
        kind = column.kind or ""
        brought = known(kind, family.brings_target(kind), "target")
        options = check_options(kind, {**brought, **column.given}, f"columns.{column.name}", "target")
        settings[column.name] = options.model_dump(mode="json")
        # of a target every class must be known, however rare
        own = table[train] if len(some) < len(train) and column.kind == "category" else frame
        beside = (column.given.get(name) for name in ("about", "score"))
        read = [column.name, *(prompt if kind == "text" else []), *filter(None, beside)]
        targets[f"target_{index}"] = kind_class(kind, "target").fit(own.select(read), options, "target").knowing(inputs)
    return Fitted(inputs, targets, described.left_out), settings


def _some(train: np.ndarray) -> np.ndarray:
    """The training rows, or MOST of them drawn at random, that kinds are fitted on, which is said."""
    if len(train) <= MOST:
        return train
    text = f"scales and lists of values are learnt from {MOST:,} of the {len(train):,} training rows, drawn at random"
    say("notice", "kinds.sample", text, rows=MOST, of=len(train))
    return np.sort(generator(0, "fit").choice(train, MOST, replace=False))


def known(kind: str, brought: dict[str, Any], role: Role = "input") -> dict[str, Any]:
    """What a family brings, of the settings that the kind has."""
    return {name: value for name, value in brought.items() if name in kind_class(kind, role).Options.model_fields}


def weights(table: Table, recipe: Recipe) -> np.ndarray | None:
    """(n,) float32 the rows' weights. Raises `InputError` for weights that are missing, negative or all zero."""
    if recipe.weight is None:
        return None
    values = table.frame[recipe.weight].cast(pl.Float64, strict=False).to_numpy()
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        raise InputError(Problem(
            table.id(int(wrong[0])), f"the weight in column {recipe.weight} is {table.frame[recipe.weight][int(wrong[0])]!r} ({len(wrong):,} such rows)",
            allowed="a number from 0",
        ))  # fmt: skip
    if not values.any():
        raise InputError(Problem(recipe.weight, "all weights are 0", allowed="at least one above 0"))
    return values.astype(np.float32)
