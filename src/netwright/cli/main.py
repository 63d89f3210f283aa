"""The command line: verbs to functions, flags from the recipe's types. No logic.

Results go to standard output, all else to standard error. Exit codes: 0 done, 1 our bug, 2 the user's input or
settings, 130 interrupted. Only click is imported before a verb is known: `netwright --help` must be instant.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import click

from netwright.cli.verb import Verb

VERBS = {
    "demo": "Train, measure and predict on real data that is already here; under a minute.",
    "train": "Make a network from a table: check, split, train, measure, save.",
    "evaluate": "Measure a run on other rows.",
    "predict": "Predict new rows with a run.",
    "embed": "Turn rows into vectors, for search and clustering.",
    "quantize": "Quantize a run, and measure what that costs in score.",
    "distill": "Distill a run into a small network.",
    "generate": "Generate text with a run, after a prompt.",
    "export": "Export a run to another engine, checked against the run's own answers.",
    "verify": "Compare an exported folder with its run again.",
    "pack": "Write a folder that is ready to ship: Dockerfile, exact versions, model, smoke test.",
    "chat": "Chat with a run that was trained on messages.",
    "serve": "Serve runs: a page to try them, an API, its documentation.",
    "key": "Make a key for serve; only its hash is kept.",
    "show": "Show a run's settings, scores and events.",
    "report": "Write a run's report: data, choices, scores, figures, worst rows.",
    "recipe": "Write the full recipe that train would run, each value with its reason.",
    "samples": "List sample data sets, or write one to a file.",
    "cache": "Show or clear the cache.",
}
DATA = click.argument("data", required=False)
TARGET = click.option("--target", metavar="COLUMN[,COLUMN]", help="The columns to predict.")
MODEL = click.option(
    "--model",
    metavar="FAMILY|RUN|CHECKPOINT",
    help="A family, the folder of a run to start from, or a pretrained checkpoint: a Hugging Face folder, a GGUF file, a convnet's weights.",
)
RECIPE = click.option("--recipe", "recipe", metavar="FILE", help="A recipe; flags take precedence over it.")
OUTPUT = click.option("--output", metavar="PATH", help="Where the result goes.")


class Verbs(click.Group):
    """The verbs, each built when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = globals()[f"_{cmd_name}"]()
        command.name, command.short_help = cmd_name, VERBS[cmd_name]
        command.help = f"{VERBS[cmd_name]}\n\n{inspect.cleandoc(command.help or '')}"
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in VERBS:
            from netwright.errors import nearest

            raise click.UsageError(f"there is no verb {args[0]!r}; {nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="netwright")
def netwright() -> None:
    """Makes a neural network from your own rows, and lets you see through it.

    \b
    netwright demo
    netwright train reviews.csv --target stars
    netwright predict runs/reviews new.csv --output predictions.csv
    """


def _train() -> click.Command:
    from netwright.cli.options import Flags

    @click.command(cls=Flags)
    @DATA
    @TARGET
    @MODEL
    @OUTPUT
    @RECIPE
    @click.option("--resume", metavar="RUN", help="Resume an interrupted training, bit for bit.")
    def train(
        data: str | None,
        target: str | None,
        model: str | None,
        output: str | None,
        recipe: str | None,
        resume: str | None,
        settings: dict[str, Any],
    ) -> None:
        """DATA is a CSV, TSV, JSONL, Parquet, Arrow, Excel or text file, a folder of images or texts by class, a folder
        in the layout of IDX, COCO or GLUE, or a database (shop.db, postgresql://USER@HOST/DATABASE).

        What you leave out is chosen from the data, each choice with its reason.
        """
        from netwright.runtime.console import rendering
        from netwright.verbs.train import train as work

        with rendering():
            work(data, target=target, model=model, output=output, recipe=recipe, resume=resume, settings=settings)

    return train


def _recipe() -> click.Command:
    from netwright.cli.options import Flags

    @click.command(cls=Flags)
    @DATA
    @TARGET
    @MODEL
    @OUTPUT
    @RECIPE
    def recipe(
        data: str | None,
        target: str | None,
        model: str | None,
        output: str | None,
        recipe: str | None,
        settings: dict[str, Any],
    ) -> None:
        """Without --output it is written to recipe.yaml in this folder."""
        from pathlib import Path

        from netwright.errors import InputError, Problem
        from netwright.runtime.console import rendering
        from netwright.runtime.run import write_text
        from netwright.verbs.recipe import recipe as work

        path = Path(output or "recipe.yaml")
        if output is None and path.exists():
            raise InputError(Problem(str(path), "this file exists", fix=f"name a place: --output {path} overwrites it"))
        with rendering():
            text = work(data, target=target, model=model, settings=settings, file=recipe)
        write_text(path, text)
        click.echo(f"wrote {path}; netwright train --recipe {path} runs it", err=True)

    return recipe


def _evaluate() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("run")
    @click.argument("data")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
    def evaluate(run: str, data: str, as_json: bool) -> None:
        """RUN is a run's folder; DATA are rows that have the target."""
        import json

        from netwright.runtime.console import metrics_table, rendering
        from netwright.verbs.evaluate import evaluate as work

        with rendering():
            result = work(run, data)
        click.echo(json.dumps(result, ensure_ascii=False) if as_json else metrics_table(result["metrics"]))

    return evaluate


def _predict() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("run")
    @click.argument("data")
    @OUTPUT
    def predict(run: str, data: str, output: str | None) -> None:
        """RUN is a run's folder; DATA are rows. The output ends in .csv, .jsonl or .parquet; CSV is printed without it."""
        from netwright.runtime.console import rendering
        from netwright.verbs.predict import predict as work

        with rendering():
            text = work(run, data, output=output)
        if text is not None:
            click.echo(text, nl=False)

    return predict


def _embed() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("run")
    @click.argument("data")
    @OUTPUT
    @click.option("--inputs", metavar="COLUMN[,COLUMN]", help="For a checkpoint: the columns to read.")
    def embed(run: str, data: str, output: str | None, inputs: str | None) -> None:
        """RUN is a run's folder or a pretrained checkpoint. The output is .parquet or .jsonl: `id` and `vector`, of length 1.

        Without --output JSON lines go to standard output.
        """
        from netwright.runtime.console import rendering
        from netwright.verbs.embed import embed as work

        with rendering():
            found = work(run, data, output=output, inputs=inputs)
        if output is None:
            click.echo(found.write_ndjson(), nl=False)

    return embed


def _quantize() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("run")
    @click.option(
        "--to",
        metavar="int8|int8_static|int8_weights|int4",
        help="int8: weights and inputs in 8 bits; int8_weights: weights alone; int4: kept in 4 bits, computed with as "
        "floats. Left out, int8, or int8_weights where the run writes.",
    )
    @click.option("--data", metavar="DATA", help="Rows to measure on; default: rows that the run was not trained on.")
    @OUTPUT
    def quantize(run: str, to: str | None, data: str | None, output: str | None) -> None:
        """Reports size, speed and scores on the same rows, before and after."""
        from netwright.runtime.console import rendering
        from netwright.verbs.quantize import quantize as work

        with rendering():
            work(run, to=to, output=output, data=data)

    return quantize


def _distill() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("run")
    @click.argument("data", required=False)
    @click.option("--into", metavar="FAMILY[:SIZE]", help="The student: mlp (default), linear, transformer:tiny ...")
    @click.option("--unlabelled", metavar="FILE", help="Unlabelled rows that RUN labels; used for training only.")
    @click.option("--made", type=click.IntRange(0), help="Number of augmented texts, which RUN also labels.")
    @OUTPUT
    def distill(
        run: str, data: str | None, into: str | None, unlabelled: str | None, made: int | None, output: str | None
    ) -> None:
        """DATA defaults to the run's own source; the split is RUN's."""
        from netwright.runtime.console import rendering
        from netwright.verbs.distill import distill as work

        with rendering():
            work(run, into=into, data=data, unlabelled=unlabelled, made=made, output=output)

    return distill


def _generate() -> click.Command:
    from netwright.cli.options import Sampling

    @click.command(cls=Sampling)
    @click.argument("run")
    @click.argument("prompt", default="")
    def generate(run: str, prompt: str, settings: dict[str, Any]) -> None:
        """RUN is a run's folder; PROMPT is the text to continue, - to read it from standard input."""
        from netwright.runtime.console import rendering
        from netwright.verbs.generate import generate as work

        text = sys.stdin.read() if prompt == "-" else prompt
        with rendering():
            for part in work(run, text, settings=settings):
                click.echo(part, nl=False)
        click.echo()

    return generate


def _export() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("run")
    @click.option("--to", required=True, metavar="onnx|transformers|gguf", help="The format to export to.")
    @click.option("--type", "stored", metavar="f32|f16|q8", help="How weights are stored; default: exactly.")
    @click.option("--data", metavar="FILE", help="Rows to compare on; default: those that the run kept.")
    @OUTPUT
    def export(run: str, to: str, stored: str | None, data: str | None, output: str | None) -> None:
        """RUN is a run's folder; the default --output is export/RUN-TO. If the other engine's answers differ on test rows, the export fails, says where, and leaves nothing.
        on rows that the run never learnt, nothing is left, and what differs is said."""
        from netwright.runtime.console import rendering
        from netwright.verbs.export import export as work

        with rendering():
            work(run, to=to, output=output, stored=stored, data=data)

    return export


def _verify() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("folder")
    @click.argument("run")
    @click.option("--data", metavar="FILE", help="Rows to compare on; default: those that the run kept.")
    def verify(folder: str, run: str, data: str | None) -> None:
        """FOLDER is an export of RUN. Up to 256 rows go through both; if answers differ by more than rounding, it says where and exits with 2. Writes nothing.
        than rounding, it says where and ends with 2. Nothing is written."""
        from netwright.runtime.console import rendering
        from netwright.verbs.export import verify as work

        with rendering():
            work(folder, run, data=data)

    return verify


def _pack() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("run")
    @OUTPUT
    def pack(run: str, output: str | None) -> None:
        """RUN is a run's folder; the default --output is packs/RUN. It contains no rows of the run."""
        from netwright.runtime.console import rendering
        from netwright.verbs.pack import pack as work

        with rendering():
            work(run, output=output)

    return pack


def _chat() -> click.Command:
    from netwright.cli.options import Sampling

    @click.command(cls=Sampling)
    @click.argument("run")
    @click.option("--system", metavar="TEXT", help="The system message.")
    def chat(run: str, system: str | None, settings: dict[str, Any]) -> None:
        """RUN is a run's folder. An empty line, or Ctrl-D, ends the conversation."""
        from netwright.runtime.console import rendering
        from netwright.verbs.generate import chat as work

        def ask() -> str | None:
            try:
                return input("> ") or None
            except EOFError:
                return None

        with rendering():
            work(run, ask=ask, tell=lambda part: click.echo(part, nl=False), system=system, settings=settings)

    return chat


def _serve() -> click.Command:
    from netwright.cli.options import Serving

    @click.command(cls=Serving)
    @click.argument("runs", nargs=-1, required=True, metavar="RUN...")
    def serve(runs: tuple[str, ...], settings: dict[str, Any]) -> None:
        """RUN is a run's folder, or NAME=FOLDER. Without a key file it listens on localhost only.

        \b
        netwright serve runs/iris
        netwright serve runs/iris flowers=runs/iris-2 --workers 2 --key-file keys.txt --host 0.0.0.0
        """
        from netwright.runtime.console import rendering
        from netwright.verbs.serve import serve as work

        with rendering():
            work(list(runs), settings=settings)

    return serve


def _key() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("file")
    @click.argument("name")
    def key(file: str, name: str) -> None:
        """FILE is the key file, which only its owner may read; NAME says whose key it is. The key is printed once."""
        from netwright.verbs.key import key as work

        click.echo(work(file, name))

    return key


def _show() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("run")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
    def show(run: str, as_json: bool) -> None:
        """RUN is a run's folder."""
        import json

        from netwright.runtime.console import run_summary
        from netwright.verbs.show import show as work

        result = work(run)
        click.echo(json.dumps(result, ensure_ascii=False) if as_json else run_summary(result))

    return show


def _report() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("run")
    @OUTPUT
    def report(run: str, output: str | None) -> None:
        """RUN is a run's folder; without --output the page is its report.html. It opens offline, in any browser."""
        from netwright.runtime.console import rendering
        from netwright.verbs.report import report as work

        with rendering():
            work(run, output=output)

    return report


def _demo() -> click.Command:
    @click.command(cls=Verb)
    @OUTPUT
    def demo(output: str | None) -> None:
        """The data is a table of 569 real measurements of breast tumours that comes with scikit-learn."""
        from netwright.runtime.console import demo_summary, rendering
        from netwright.verbs.demo import demo as work

        with rendering():
            result = work(output)
        click.echo(demo_summary(result))

    return demo


def _samples() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("action", type=click.Choice(["list", "get"]), default="list")
    @click.argument("name", required=False)
    @OUTPUT
    def samples(action: str, name: str | None, output: str | None) -> None:
        """`netwright samples` lists them with origin and licence; `netwright samples get iris` writes iris.csv."""
        from netwright.runtime.console import rendering
        from netwright.verbs.samples import get, listed

        if action == "get" and name is None:
            raise click.UsageError("name a sample, as in netwright samples get iris")
        if action == "list" or name is None:
            click.echo(listed())
            return
        with rendering():
            get(name, output)

    return samples


def _cache() -> click.Command:
    @click.command(cls=Verb)
    @click.argument("action", type=click.Choice(["show", "clear"]), default="show")
    def cache(action: str) -> None:
        """Encoded rows, features and compiled code are kept in the user's cache folder, so that the next training starts at once."""
        from netwright.runtime.cache import clear, described

        click.echo(clear() if action == "clear" else described())

    return cache


def main(args: list[str] | None = None) -> int:
    """Run the command line; the return value is the exit code."""
    return _guarded(lambda: netwright.main(args, standalone_mode=False))


def _guarded(work: Callable[[], Any]) -> int:
    from netwright.errors import InputError, Interrupted

    try:
        work()
    except InputError as error:
        for problem in error.problems:
            click.echo(f"error: {problem}", err=True)
        return 2
    except click.ClickException as error:
        error.show()
        if "extra argument" in error.message:
            click.echo(
                "A table is one file: put several together under one header. A value with blanks is quoted.", err=True
            )
        return 2
    except (KeyboardInterrupt, click.Abort) as error:
        cause = error.__cause__ or error  # click makes an Abort of what stopped the work
        click.echo(f"\n{cause if isinstance(cause, Interrupted) else 'stopped'}", err=True)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as head does
        sys.stderr.close()
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
