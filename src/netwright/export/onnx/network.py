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

from netwright import registry
from netwright.errors import InputError, Problem
from netwright.evaluation.calibration import Trust
from netwright.export.onnx.base import Columns, Ends, Output
from netwright.export.onnx.cells import exportable, translated
from netwright.inference.model import Model, precisely
from netwright.kinds.base import kind_name
from netwright.nn.signal import Signal

OPSET = 20


class Answering(nn.Module):
    """Stems, trunk and heads, with what the kinds do before them and the calibration after them."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = copy.deepcopy(model.network).cpu()
        exportable(self.network)
        for stem in self.network.stems.values():
            stem.whole()  # type: ignore[operator] - a text is read at once, and its words are inputs of the graph
        targets = list(model.fitted.targets.values())
        found = {
            key: registry.find("onnx", kind_name(kind)).Columns(kind, targets)
            for key, kind in model.fitted.inputs.items()
        }
        self.columns = nn.ModuleDict(found)
        self.ends: dict[str, Ends] = {
            key: registry.find("onnx", kind_name(kind)).Ends(kind, model.trust.get(key, Trust()))
            for key, kind in model.fitted.targets.items()
        }

    @property
    def inputs(self) -> list[Columns]:
        """The columns' parts, in the graph's order."""
        return list(self.columns.values())  # type: ignore[return-value]

    @property
    def outputs(self) -> list[Output]:
        """What the graph gives, in order."""
        return [item for ends in self.ends.values() for item in ends.outputs]

    def forward(self, raw: dict[str, Tensor]) -> tuple[Tensor, ...]:
        signals = {key: self._signal(key, raw) for key in self.network.stems}
        network = self.network
        for keys, again in zip(network.alike, network.again, strict=True):
            blocks = [self.columns[key].block(raw) for key in keys]  # type: ignore[operator]
            signals.update(zip(keys, again([signals[key] for key in keys], blocks), strict=True))
        signal, _ = network.trunk.step(network.trunk.read(list(signals.values())))
        found = [ends.answer(network, key, signal, list(signals.values()), raw) for key, ends in self.ends.items()]
        return tuple(tensor for one in found for tensor in one)

    def _signal(self, key: str, raw: dict[str, Tensor]) -> Signal:
        stem: Any = self.network.stems[key]
        part: Any = self.columns[key]
        table = stem.summed
        if table is None:
            return stem(part.block(raw))
        ids, weights = part.weights(raw)  # (B, T) each: the sparse product of training, padded
        return Signal((table[ids] * weights.to(table.dtype)[..., None]).sum(1), "vector")


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
    names = [item["name"] for item in answering.outputs]
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
            what = f"torch's exporter does not support an operation of this network ({why})"
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
