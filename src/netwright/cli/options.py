"""Flags from types: each setting of the recipe is a dotted flag, described and shown by its type. No hand-written flag."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import click
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from netwright import registry
from netwright.cli.verb import Verb
from netwright.errors import InputError, Problem, nearest
from netwright.nn.heads.text.settings import SamplingParams
from netwright.nn.trunks.family import Adapt
from netwright.recipe import Recipe
from netwright.serve.settings import Settings as Serve

OWN = ("data", "target", "model")  # the verb declares these itself
# of families: what is given by other ways, or is a checkpoint's own
UNFLAGGED = frozenset(
    ["family", "start", "name", "digest", "adapt", "config", "marks", "layout", "role", "purpose", "rotary_scaling"]
)
_DYNAMIC = re.compile(r"^--(columns|heads)\.(.+)\.(\w+)(=|$)", re.DOTALL)  # a name may hold a line break


class Flags(Verb):
    """A command that takes every setting of the recipe as a flag and hands them on as `settings`, a tree of dicts.

    Columns' names are known to the user alone: `--columns.NAME.SETTING` and `--heads.TARGET.SETTING` are taken as they
    come.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.places: dict[str, str] = {}
        for place, field, note in settings():
            self._add(place, _shown(field.annotation), f"{note}{field.description or ''}")

    def _add(self, place: str, metavar: str, text: str) -> None:
        parameter = f"setting_{len(self.places)}"
        self.places[parameter] = place
        flags = [f"--{place}"] + ([f"--{place.replace('_', '-')}"] if "_" in place else [])
        self.params.append(click.Option([*flags, parameter], metavar=metavar, help=text))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = set(self.places.values())
        for argument in args:
            match = _DYNAMIC.match(argument)
            if match and ".".join(match.groups()[:3]) not in known:
                known.add(".".join(match.groups()[:3]))
                self._add(".".join(match.groups()[:3]), "VALUE", "")
        self._refuse_lost_value(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise InputError(Problem(error.option_name, "there is no such setting", fix=self._near(error))) from None

    def _refuse_lost_value(self, args: list[str]) -> None:
        """Raise `InputError` where a flag stands in the place of another one's value."""
        known = {flag for parameter in self.params for flag in parameter.opts if flag.startswith("--")}
        for flag, value in pairwise(args):
            if flag in known and value.partition("=")[0] in known:
                raise InputError(Problem(flag, f"got {value!r}, which is a flag", fix=f"give it a value: {flag} VALUE"))

    def _near(self, error: click.NoSuchOption) -> str:
        """The flag that ends alike, as --training.epochs does for --epochs, else the nearest of its group, or of all."""
        group, dot, last = error.option_name.lstrip("-").rpartition(".")
        spelling = -1 if "-" in last else 0  # as it was typed: with lines or with dashes
        known = [flag for parameter in self.params if (flag := parameter.opts[spelling]).startswith("--")]
        alike = [flag for flag in known if flag.rpartition(".")[2].lstrip("-") == last]
        if alike:
            return f"did you mean {' or '.join(alike)}?"
        head = f"--{group}{dot}"
        of_group = [flag.removeprefix(head) for flag in known if dot and flag.startswith(head)]
        return nearest(last, of_group, head=head) if of_group else nearest(error.option_name, known)

    def invoke(self, ctx: click.Context) -> Any:
        tree: dict[str, Any] = {}
        for parameter, place in self.places.items():
            text = ctx.params.pop(parameter, None)
            if text is not None:
                _put(tree, _path(place), _read(place, text))
        ctx.params["settings"] = tree
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            place = self.places.get(parameter.name or "")
            name = (
                "Options"
                if place is None or "." not in place and place not in Recipe.model_fields
                else place.split(".")[0]
                if "." in place
                else "Data"
            )
            flag = f"--{place} {parameter.make_metavar(ctx)}" if place else record[0]
            groups.setdefault(name, []).append((flag, record[1]))
        groups.setdefault("columns", []).append(
            ("--columns.NAME.SETTING VALUE", "A column's kind, or a setting of it, as in --columns.review.kind text.")
        )
        groups.setdefault("heads", []).append(
            ("--heads.TARGET.SETTING VALUE", "How a target is answered, as in --heads.price.loss huber.")
        )
        for name, rows in groups.items():
            with formatter.section(name.capitalize()):
                formatter.write_dl(rows)


class Declared(Verb):
    """A command that takes every setting of one model as a flag, and hands them on as `settings`."""

    model: ClassVar[type[BaseModel]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = {}
        for name, entry in self.model.model_fields.items():
            flags = [f"--{name.replace('_', '-')}"] + ([f"--{name}"] if "_" in name else [])
            many, default = (
                get_origin(entry.annotation) is tuple,
                "" if entry.default in ((), 0, None) else f" [{entry.default}]",
            )
            metavar = "TEXT" if many else _shown(entry.annotation)
            self.params.append(click.Option([*flags, f"declared_{name}"], metavar=metavar, multiple=many, help=f"{entry.description}{default}"))  # fmt: skip
            self.names[f"declared_{name}"] = name

    def invoke(self, ctx: click.Context) -> Any:
        given = {name: ctx.params.pop(parameter) for parameter, name in self.names.items()}
        ctx.params["settings"] = {name: value for name, value in given.items() if value not in (None, ())}
        return super().invoke(ctx)


class Sampling(Declared):
    """Sampling parameters."""

    model = SamplingParams


class Serving(Declared):
    """How runs are served."""

    model = Serve


def settings() -> Iterator[tuple[str, FieldInfo, str]]:
    """Yield each setting: its dotted place, its field, and a note before its description (which families have it)."""
    for name, field in Recipe.model_fields.items():
        if name in OWN or name in ("columns", "heads"):
            continue
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((f"{name}.{inner}", entry, "") for inner, entry in field.annotation.model_fields.items())
        else:
            yield name, field, ""
    having: dict[str, tuple[list[str], FieldInfo]] = {}
    for family in registry.names("trunks"):
        for name, field in registry.find("trunks", family, "settings").Settings.model_fields.items():
            if name not in UNFLAGGED:
                having.setdefault(name, ([], field))[0].append(family)
    yield "adapt", Adapt.model_fields["how"], "Of a pretrained network: "
    yield from ((f"adapt.{name}", field, "") for name, field in Adapt.model_fields.items() if name != "how")
    for name, (families, field) in having.items():
        yield f"model.{name}", field, f"[{', '.join(families)}] "


def _path(place: str) -> list[str]:
    """The keys of a place; a column's own name may hold dots."""
    first, _, rest = place.partition(".")
    if first == "adapt":
        return ["model", "adapt", rest or "how"]
    if first in ("columns", "heads"):
        name, _, setting = rest.rpartition(".")
        return [first, name, setting]
    return place.split(".")


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


def _read(place: str, text: str) -> Any:
    """A flag's text; lists and mappings are written as YAML or JSON."""
    if text[:1] in "[{":
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InputError(Problem(f"--{place}", f"{text!r} is not YAML: {error}")) from None
    return text


def _shown(annotation: Any) -> str:
    """A type as people read it in help."""
    if get_origin(annotation) is Annotated:  # as in `Names | None`
        return _shown(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return "|".join(dict.fromkeys(_shown(part) for part in get_args(annotation) if part is not type(None)))
    if get_origin(annotation) is Literal:
        return "|".join(str(part) for part in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "NAME,..." if get_args(annotation)[0] is str else "YAML"
    return {int: "INTEGER", float: "NUMBER", bool: "true|false", str: "TEXT"}.get(annotation, "VALUE")
