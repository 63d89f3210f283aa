"""The network as a graph from raw columns to answers in the target's own unit, by torch's exporter. B rows, C classes."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from netwright.errors import InputError, Problem
from netwright.evaluation.calibration import Trust
from netwright.export.onnx import words
from netwright.export.onnx.cells import exportable, translated
from netwright.export.onnx.columns import Columns, Grams, Tokens, columns
from netwright.inference.model import Model, precisely
from netwright.kinds.base import Kind
from netwright.kinds.category import Category
from netwright.kinds.labels import Labels
from netwright.kinds.number import Number
from netwright.kinds.span import Span
from netwright.kinds.tags import Tags
from netwright.nn.heads.base import Plain
from netwright.nn.signal import Signal
from netwright.nn.stems.text import Stem as TextStem

OPSET = 20
Output = dict[str, Any]


class Answering(nn.Module):
    """Stems, trunk and heads, with what the kinds do before them and the trust after them."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = copy.deepcopy(model.network).cpu()
        exportable(self.network)
        for stem in self.network.stems.values():
            if isinstance(stem, TextStem):
                stem.window = 0  # a text is read at once, and its words are inputs of the graph
        targets = list(model.fitted.targets.values())
        found = {key: columns(kind, targets) for key, kind in model.fitted.inputs.items()}
        self.columns = nn.ModuleDict({key: part for key, part in found.items() if part is not None})
        self.ends = {key: (kind, model.trust.get(key, Trust())) for key, kind in model.fitted.targets.items()}

    @property
    def inputs(self) -> list[Columns]:
        """The columns' parts, in the graph's order."""
        return list(self.columns.values())  # type: ignore[return-value]

    def forward(self, raw: dict[str, Tensor]) -> tuple[Tensor, ...]:
        signals = {key: self._signal(key, raw) for key in self.network.stems}
        network = self.network
        for keys, again in zip(network.alike, network.again, strict=True):
            blocks = [self.columns[key].block(raw) for key in keys]  # type: ignore[operator]
            signals.update(zip(keys, again([signals[key] for key in keys], blocks), strict=True))
        signal, _ = network.trunk.step(network.trunk.read(list(signals.values())))
        out: list[Tensor] = []
        for key, (kind, trust) in self.ends.items():
            head = network.heads[key]
            if isinstance(kind, Tags | Span):
                out += self._of_words(kind, head, signal, list(signals.values()), raw)
            else:
                assert isinstance(head, Plain)
                out += finished(kind, trust, head.answer(network.plugged(key, signal)))
        return tuple(out)

    def _of_words(
        self, kind: Tags | Span, head: Any, signal: Signal, signals: list[Signal], raw: dict[str, Tensor]
    ) -> list[Tensor]:
        each, name = signal.each(), kind.about
        values = words.elements(signals, each, head.block)
        if isinstance(kind, Tags):
            return words.tags(head, values, raw[f"{name}.word"])
        return words.span(head, values, each, raw[name] >= 0, raw[f"{name}.begin"], raw[f"{name}.end"])

    def _signal(self, key: str, raw: dict[str, Tensor]) -> Signal:
        stem, part = self.network.stems[key], self.columns[key]
        if isinstance(part, Grams | Tokens) and isinstance(stem, TextStem) and stem.form in ("vector", "affine"):
            ids, weights = part.weights(raw)  # (B, T) each: the sparse product of training, padded
            table = stem.bag.weight
            return Signal((table[ids] * weights.to(table.dtype)[..., None]).sum(1), "vector")
        return stem(part.block(raw))  # type: ignore[operator]


def finished(kind: Kind, trust: Trust, found: dict[str, Tensor]) -> list[Tensor]:
    """A head's tensors as `outputs` names them: trusted, and in the target's own unit."""
    if isinstance(kind, Number):
        value = found["value"].double()
        ends = [] if trust.reach is None else [value - trust.reach, value + trust.reach]
        return [each * kind.spread[0] + kind.center[0] for each in (value, *ends)]
    if isinstance(kind, Labels):
        return [found["probability"] > 0.5, found["probability"].float()]
    p = found["probability"].double()  # (B, C)
    if trust.temperature != 1.0:
        p = (p.clamp(1e-12, 1.0).log() / trust.temperature).softmax(1)
    best = p.argmax(1)
    chosen = best if trust.threshold is None else (p[:, 1] >= trust.threshold).long()
    if trust.reach is None:
        return [chosen, p.float()]
    held = (1 - p <= trust.reach + 1e-12) | (best[:, None] == torch.arange(p.shape[1]))
    return [chosen, p.float(), held]


def outputs(kind: Kind, trust: Trust) -> list[Output]:
    """Return what the graph gives for a target, in the order of `finished`."""
    name = kind.columns[0]
    if isinstance(kind, Number):
        ends = ("predicted",) if trust.reach is None else ("predicted", "low", "high")
        return [{"name": f"{name}_{end}", "type": "float64", "shape": ["rows"]} for end in ends]
    if isinstance(kind, Tags):
        each = {"shape": ["rows", f"{kind.about}.tokens"], "words_of": kind.about}
        stored = "int64" if kind.whole else "string"
        return [{"name": f"{name}_predicted", "type": stored, "values": list(kind.tags), **each}, {"name": f"{name}_probability", "type": "float32", **each}]  # fmt: skip
    if isinstance(kind, Span):
        each = {"shape": ["rows"], "piece_of": kind.about}
        return [{"name": f"{name}_{end}", "type": "int64", **each} for end in ("start", "end")] + [{"name": f"{name}_probability", "type": "float32", "shape": ["rows"]}]  # fmt: skip
    if isinstance(kind, Labels):
        each = {"shape": ["rows", len(kind.values)], "columns": list(kind.values)}
        return [{"name": f"{name}_predicted", "type": "bool", **each}, {"name": f"{name}_probability", "type": "float32", **each}]  # fmt: skip
    assert isinstance(kind, Category)
    each = {"shape": ["rows", len(kind.classes)], "columns": list(kind.classes)}
    stored = {"text": "string", "whole": "int64", "number": "float64", "boolean": "bool"}[kind.stored[0]]
    out = [{"name": f"{name}_predicted", "type": stored, "shape": ["rows"], "values": list(kind.classes)}]
    out.append({"name": f"{name}_probability", "type": "float32", **each})
    return out if trust.reach is None else [*out, {"name": f"{name}_set", "type": "bool", **each}]


def traced(model: Model, answering: Answering) -> Any:
    """Return the graph (an ONNX model) with inputs and outputs named `raw/` and `answer/` before their own names.

    Raises `InputError` where torch cannot export an operation of the network.
    """
    example: dict[str, Tensor] = {}
    dynamic: dict[str, dict[int, Any]] = {}
    axes: dict[str, Any] = {}
    for part in answering.inputs:
        example |= part.example()
        for item in part.inputs:
            named = {at: size for at, size in enumerate(item["shape"]) if isinstance(size, str)}
            dynamic[item["name"]] = {
                at: axes.setdefault(size, torch.export.Dim(f"d{len(axes)}", min=1)) for at, size in named.items()
            }
    names = [item["name"] for key, (kind, trust) in answering.ends.items() for item in outputs(kind, trust)]
    with precisely(model.plan), torch.no_grad(), quietly():
        try:
            program = torch.onnx.export(
                answering.eval(), kwargs={"raw": example}, dynamo=True, verbose=False, opset_version=OPSET,
                dynamic_shapes={"raw": dynamic},
                input_names=[f"raw/{name}" for name in example], output_names=[f"answer/{name}" for name in names],
                custom_translation_table=translations(),
            )  # fmt: skip
        except torch.onnx.OnnxExporterError as error:
            why = str(error.__cause__ or error).strip().partition("\n")[0]
            what = f"torch's exporter cannot hold an operation of this network ({why})"
            raise InputError(Problem("--to onnx", what, fix="serve it instead, or another --model")) from error
    assert program is not None
    return program.model_proto


@contextmanager
def quietly() -> Iterator[None]:
    """Within the block the exporter says nothing of itself: of packages that it could use, of its own warnings."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            log.setLevel(level)


def translations() -> dict[Any, Any]:
    """Operations that torch's exporter does not know, in ONNX."""
    import onnxscript

    op: Any = onnxscript.opset18

    def searchsorted(sorted_sequence: Any, self: Any, out_int32: bool = False, right: bool = False, **rest: Any) -> Any:
        """(C, E) cut points, (C, B) values -> (C, B) how many cut points lie before each."""
        values, cuts = op.Unsqueeze(self, [2]), op.Unsqueeze(sorted_sequence, [1])
        behind = op.GreaterOrEqual(values, cuts) if right else op.Greater(values, cuts)
        return op.Cast(op.ReduceSum(op.Cast(behind, to=6), [2], keepdims=0), to=7)

    return {torch.ops.aten.searchsorted.Tensor: searchsorted, torch.ops.netwright.cells.default: translated}
