"""Writes docs/reference/settings.md and docs/reference/commands.md from the types: `python docs/dev/make_reference.py`.

`--check` writes nothing and exits with 1 where a page is not what the types say.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from netwright import registry
from netwright.cli.main import VERBS, netwright
from netwright.cli.options import UNFLAGGED, settings
from netwright.kinds.infer import able, kind_class
from netwright.nn.heads.settings import HeadSettings
from netwright.nn.trunks.family import Adapt
from netwright.recipe import Recipe

FOLDER = Path(__file__).parents[1] / "reference"
MADE = "<!-- Made by docs/dev/make_reference.py from the types: change a description there, not here. -->"
HEAD = "| setting | value | default | meaning |\n|---|---|---|---|"
OWN = {"family", "start", "digest", "adapt", "kind", "head"}  # said by other means than a setting of their own
GROUPS = {
    "data": "Data",
    "read": "`read`: reading files",
    "split": "`split`: dividing the rows",
    "training": "`training`",
    "trust": "`trust`: calibration",
    "plan": "`plan`: execution",
    "adapt": "`adapt`: learning from pretrained weights",
}


def shown(annotation: Any) -> str:
    """A type as a reader of the docs knows it."""
    if get_origin(annotation) is Annotated:
        return shown(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [shown(part) for part in get_args(annotation) if part is not type(None)]
        return ", ".join(dict.fromkeys(parts))
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{part}`" for part in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "names" if str in get_args(annotation) else "list"
    plain = {int: "integer", float: "number", bool: "boolean", str: "text"}
    return plain.get(annotation, "mapping")


def _text(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _default(field: FieldInfo) -> str:
    if field.default in (None, (), "") or field is Adapt.model_fields["how"]:
        return ""
    if isinstance(field.default, tuple):
        return ", ".join(f"`{value}`" if value else "empty" for value in field.default)
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def table(fields: Mapping[str, FieldInfo]) -> str:
    """A table of settings, a row each."""
    rows = [
        f"| `{name}` | {_text(shown(field.annotation))} | {_text(_default(field))} | {_text(field.description or '')} |"
        for name, field in fields.items()
    ]
    return "\n".join([HEAD, *rows])


def settings_page() -> str:
    """Every setting of a recipe."""
    groups: dict[str, dict[str, FieldInfo]] = {name: {} for name in GROUPS}
    groups["data"] |= {name: Recipe.model_fields[name] for name in ("data", "target")}
    for place, field, _ in settings():
        group, dot, _ = place.partition(".")
        if group != "model":
            groups[group if dot or group in GROUPS else "data"][place] = field
    parts = [
        "# Settings",
        MADE,
        "Each is a flag of `netwright train` and `netwright recipe`, a key of a [recipe](recipe.md), and a key of `settings` in "
        "Python. An empty default means that netwright chooses, and gives its reason.",
    ]
    for group, fields in groups.items():
        parts += [f"## {GROUPS[group]}", table(fields)]
    parts += ["## `columns.NAME`: by kind", "`kind` names a column's kind; the rest depends on the [kind](kinds.md)."]
    for name in registry.names("kinds"):
        for role, fields in kinds_settings(name):
            parts += [f"### {name}{role}", table(fields) if fields else "No settings."]
    shared = {name: field for name, field in HeadSettings.model_fields.items() if name != "head"}
    parts += [
        "## `heads.TARGET`: by head",
        "`head` names a target's [head](heads.md); the losses are in [training](training.md).",
    ]
    parts += ["### every head", table(shared)]
    for name in registry.names("heads"):
        fields = registry.find("heads", name, "settings").Settings.model_fields
        own = {key: field for key, field in fields.items() if key not in OWN and key not in shared}
        parts += [f"### {name} head", table(own) if own else "No settings of its own."]
    parts += ["## `model`: by family", "What each family is stands in [families](families.md)."]
    for name in registry.names("trunks"):
        family = registry.find("trunks", name, "settings").Settings
        own = {key: field for key, field in family.model_fields.items() if key not in OWN and _settable(name, key)}
        parts += [
            f"### {name}",
            f"Reads signals of the form {', '.join(family.takes)}.",
            *([table(own)] if own else ["No settings."]),
        ]
    return "\n\n".join(parts) + "\n"


def _settable(family: str, name: str) -> bool:
    """A checkpoint's own values are not for users to set; a transformer's positions may be."""
    return name not in UNFLAGGED or (family, name) == ("transformer", "rotary_scaling")


def kinds_settings(name: str) -> Iterator[tuple[str, dict[str, FieldInfo]]]:
    """The settings of a kind: once, or apart for inputs and targets where these differ."""
    roles: dict[str, dict[str, FieldInfo]] = {}
    for role in ("input", "target"):
        if name in able(role):
            fields = kind_class(name, role).Options.model_fields
            roles[role] = {key: field for key, field in fields.items() if key != "kind"}
    if len({tuple(fields) for fields in roles.values()}) == 1:
        yield "", next(iter(roles.values()))
    else:
        yield from ((f" as {'an input' if role == 'input' else 'a target'}", fields) for role, fields in roles.items())


def commands_page() -> str:
    """Every command with its arguments and flags."""
    parts = [
        "# Commands",
        MADE,
        "`netwright COMMAND --help` shows the same. Results go to standard output, messages to standard error; exit codes are in "
        "[errors](errors.md). `train` and `recipe` also take every [setting](settings.md) as a flag.",
    ]
    context = click.Context(netwright)
    for verb in VERBS:
        command = netwright.get_command(context, verb)
        assert command is not None
        arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
        usage = " ".join(_usage(argument) for argument in arguments)
        parts += [f"## {verb}", f"`netwright {verb}{' ' if usage else ''}{usage}`", _paragraphs(command.help or "")]
        flags = [_flag(parameter) for parameter in command.params if _listed(parameter)]
        if verb == "chat":
            written = {
                _flag(parameter)
                for parameter in netwright.get_command(context, "generate").params
                if _listed(parameter)
            }  # type: ignore[union-attr]
            flags = [flag for flag in flags if flag not in written]
            parts.append("It also takes the flags of `generate`.")
        if flags:
            parts.append("\n".join(["| flag | value | meaning |", "|---|---|---|", *flags]))
    return "\n\n".join(parts) + "\n"


def _usage(argument: click.Argument) -> str:
    name = (argument.metavar or (argument.name or "").upper()).replace("|", "\\|")
    return name if argument.required else f"[{name}]"


def _paragraphs(text: str) -> str:
    """Help's own paragraphs; those that click keeps as they are (behind \\b) become a block."""
    out = []
    for paragraph in text.split("\n\n"):
        kept = paragraph.startswith("\b")
        lines = paragraph.removeprefix("\b").strip("\n")
        out.append(f"```\n{lines}\n```" if kept else " ".join(lines.split()))
    return "\n\n".join(out)


def _listed(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and not (parameter.name or "").startswith("setting_")


def _flag(parameter: click.Parameter) -> str:
    assert isinstance(parameter, click.Option)
    kind = "" if parameter.is_flag else _text(parameter.metavar or "NUMBER")
    return f"| `{parameter.opts[0]}` | {kind} | {_text(parameter.help or '')} |"


PAGES = {"settings.md": settings_page, "commands.md": commands_page}


def main() -> int:
    """Write the pages, or say which are out of date."""
    stale = []
    for name, make in PAGES.items():
        path, text = FOLDER / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    print(
        "\n".join(f"docs/reference/{name}: {'out of date' if '--check' in sys.argv else 'written'}" for name in stale)
    )
    return int("--check" in sys.argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
