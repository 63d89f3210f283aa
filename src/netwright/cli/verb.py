"""A verb of the command line: a flag that is given twice is never silently overruled."""

from __future__ import annotations

from collections import Counter

import click


class Verb(click.Command):
    """A command that says where a flag overrules the same flag before it, and refuses two lists of names."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given, _, order = self.make_parser(ctx).parse_args(list(args))
        for parameter, count in Counter(order).items():
            if count == 1 or not isinstance(parameter, click.Option) or parameter.multiple or parameter.is_flag:
                continue
            flag, times = parameter.opts[0], "twice" if count == 2 else f"{count} times"
            if "," in (parameter.metavar or ""):  # were both meant, or the last?
                from netwright.errors import InputError, Problem

                fix = f"give it once, names with commas between them: {flag} A,B"
                raise InputError(Problem(flag, f"is given {times}", fix=fix))
            click.echo(f" ! {flag} is given {times}; the last counts: {given[parameter.name]}", err=True)
        return super().parse_args(ctx, args)
