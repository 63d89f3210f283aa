"""A graph in ONNX from the user's raw columns to answers in the target's own unit, with all that is needed to run it.

`model.onnx`; `model.json`, which says what each input and output is; `run.py` and `values`, which read rows with onnxruntime
and numpy alone by the same rule as training, and by which the parity gate reads them too; `tokenizer.json` where texts come as tokens; a README.
"""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from netwright import registry
from netwright.data import media
from netwright.data.table import Table
from netwright.errors import InputError, Problem, absent
from netwright.export.answers import Answer
from netwright.inference.model import Model
from netwright.kinds import values
from netwright.kinds.base import kind_name
from netwright.kinds.tags import listed
from netwright.nn.heads.base import Plain

EXTRA = "export"
TYPES = ("f32",)
FILE = "model.onnx"
BESIDE = "sys.path.insert(0, str(Path(__file__).resolve().parent))\nfrom values import"  # where run.py finds them
LARGE = 2**30  # bytes from which weights lie in a file of their own: a graph holds two gigabytes at most
RUN, VALUES = Path(__file__).with_name("run.py"), Path(values.__file__).parent


def refuse(model: Model) -> str | None:
    """What is written step by step, and what no column of a graph can be."""
    known = registry.names("onnx")
    for key, kind in model.fitted.targets.items():
        able = isinstance(model.network.heads[key], Plain) or kind.needs == "elements"
        if not able or kind_name(kind) not in known:
            written = kind.needs == "stimulus"
            what = "a text that is written token by token" if written else f"a {kind_name(kind)} target"
            other = "--to transformers or --to gguf holds it" if written else "netwright serve answers it"
            return f"{kind.columns[0]} is {what}, which one pass of a graph cannot give; {other}"
    for kind in model.fitted.inputs.values():
        if kind_name(kind) not in known:
            return f"the column {kind.columns[0]} ({kind_name(kind)}) cannot be exported to a graph; netwright serve answers it"
    if model.recipe.model["family"] == "module":
        return "it holds a module of your own; torch.onnx.export exports it by itself"
    return None


def write(model: Model, folder: Path, stored: str) -> None:
    """Write the folder's files. Raises `InputError` where onnx or onnxscript is not there, or torch cannot export it."""
    try:
        import onnx
        import onnxruntime  # noqa: F401 - the gate needs it
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise absent(error.name or "onnx", EXTRA, where="netwright export --to onnx") from error
    from netwright.export.onnx import graph, readme
    from netwright.export.onnx.network import OPSET, Answering, traced

    answering = Answering(model)
    found = traced(model, answering)
    inputs, texts, files = [], dict[str, dict[str, int]](), dict[str, str]()
    for part in answering.inputs:
        own = [dict(item) for item in part.inputs]
        for what, content in part.files.items():
            own[0][what] = name = f"{what}{len(files) + 1 if files else ''}.json"
            files[name] = content
        inputs += own
        texts |= part.texts
    answers = answering.outputs
    twice = {item["name"] for item in inputs} & {item["name"] for item in answers}
    if twice:
        raise InputError(
            Problem(
                "--to onnx",
                f"a column and an answer would both be named {', '.join(sorted(twice))}",
                fix="rename the column, and train again",
            )
        )
    whole = graph.whole(found, inputs, texts, answers, version=version("netwright"))
    onnx.save_model(whole, folder / FILE, save_as_external_data=whole.ByteSize() > LARGE, location="model.onnx.data")
    (folder / FILE).chmod(0o644)
    about = {
        "made_by": f"netwright {version('netwright')}", "opset": OPSET, "ir_version": whole.ir_version,
        "made_with": {name: version(name) for name in ("torch", "onnx", "onnxscript", "onnxruntime")},
        "family": model.recipe.model["family"], "missing": sorted({"", *model.recipe.read.missing}),
        "targets": model.targets, "inputs": inputs, "outputs": answers,
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    own = RUN.read_text(encoding="utf-8").replace("from netwright.kinds.values import", BESIDE)
    (folder / "run.py").write_text(own, encoding="utf-8")
    shutil.copytree(VALUES, folder / "values", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "README.md").write_text(readme.text(about), encoding="utf-8")


def load(folder: Path) -> Runtime:
    """Return the folder as its own run.py and ONNX Runtime read it. Raises `InputError` where it is damaged."""
    try:
        from netwright.export.onnx.run import Model as Folder
    except ImportError as error:
        raise absent(error.name or "onnxruntime", EXTRA, where="netwright export --to onnx") from error
    try:
        return Runtime(Folder(folder))
    except (OSError, ValueError, KeyError, *broken()) as error:
        what = f"this export is damaged: {str(error).strip().partition(chr(10))[0]}"
        raise InputError(Problem(str(folder), what, fix="export it again")) from error


def broken() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: its errors have no class in common."""
    import onnxruntime.capi.onnxruntime_pybind11_state as errors  # pyright: ignore[reportMissingImports]

    names = (
        "InvalidProtobuf",
        "InvalidGraph",
        "InvalidArgument",
        "NoSuchFile",
        "Fail",
        "NotImplemented",
        "RuntimeException",
    )
    return tuple(getattr(errors, name) for name in names)


class Runtime:
    """ONNX Runtime as a side."""

    name = "ONNX Runtime"

    def __init__(self, folder: Any) -> None:
        self.folder = folder

    def able(self, table: Table) -> np.ndarray:
        """(n,) which rows it takes: texts that it reads at once are not to be longer than that, and what training would take
        as missing because it is no number or date is refused."""
        out = np.ones(len(table), bool)
        for bad in self.folder.read(self._rows(table))[1].values():
            out[list(bad)] = False
        return out

    def answers(self, table: Table) -> dict[str, Answer]:
        """Answer a table's rows as run.py does, from their raw values."""
        try:
            feed = self.folder.feed(self._rows(table))
            found = self.folder.run(feed)
        except ValueError as error:
            raise InputError(Problem(table.name, f"cannot be given to the graph: {error}")) from error
        except broken() as error:
            what = f"the graph does not take {len(table)} rows: {str(error).strip().partition(chr(10))[0]}"
            raise InputError(Problem(table.name, what, fix="report this as a bug")) from error
        return {target: self._shown(target, found, feed) for target in self.folder.about["targets"]}

    def _rows(self, table: Table) -> list[dict[str, Any]]:
        names = list(dict.fromkeys(item["column"] for item in self.folder.about["inputs"]))
        lacking = [name for name in names if name not in table.columns]
        if lacking:
            what = f"lacks the columns {', '.join(lacking)}, which the graph takes"
            raise InputError(Problem(table.name, what, fix="name the run that it was made of"))
        frame = table.frame.select(names)
        named = [item["column"] for item, value in self.folder.values if value.files]
        frame = frame.with_columns(media.absolute(frame[name], table) for name in named)
        return frame.to_dicts()

    def _shown(self, target: str, found: dict[str, np.ndarray], feed: dict[str, np.ndarray]) -> Answer:
        if f"{target}_start" in found:
            return {name: found[f"{target}_{end}"] for name, end in (("begin", "start"), ("end", "end"), ("probability", "probability"))}  # fmt: skip
        held = {end: found[f"{target}_{end}"] for end in ("predicted", "probability", "set", "low", "high") if f"{target}_{end}" in found}  # fmt: skip
        item = next(each for each in self.folder.about["outputs"] if each["name"] == f"{target}_predicted")
        if "words_of" in item:
            ends = feed[f"{item['words_of']}.word"].max(1) + 1
            cut = {
                name: listed([row[:end] for row, end in zip(array.tolist(), ends, strict=True)])
                for name, array in held.items()
            }
            return {"tags": cut["predicted"], "probability": cut["probability"]}
        if "probability" not in held:
            return {"value": held.pop("predicted"), **held}
        if "values" not in item:  # labels
            return {"probability": held["probability"]}
        place = {value: at for at, value in enumerate(self._classes(item))}
        return {**held, "predicted": np.array([place[value] for value in held["predicted"].tolist()])}

    def _classes(self, item: dict[str, Any]) -> list[Any]:
        turn: Any = {"string": str, "bool": "true".__eq__, "int64": lambda value: int(float(value)), "float64": float}
        return [turn[item["type"]](value) for value in item["values"]]
