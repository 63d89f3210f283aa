"""The traced graph between the user's columns and the target's own values: texts are looked up before, classes named after."""

from __future__ import annotations

from typing import Any

from netwright.export.onnx.base import Input, Output
from netwright.export.onnx.network import OPSET

ML = 3  # of the operators for tables (ai.onnx.ml), which look texts up


def whole(
    traced: Any, inputs: list[Input], texts: dict[str, dict[str, int]], outputs: list[Output], *, version: str
) -> Any:
    """Return the graph whose inputs bear the columns' names and whose outputs are the target's own values."""
    import onnx
    from onnx import compose, helper

    inner = compose.add_prefix(bare(traced), "net/")
    before, after, held = [], [], list(inner.graph.initializer)
    for item in inputs:
        own, into = item["name"], f"net/raw/{item['name']}"
        if item["name"] not in texts:
            before.append(helper.make_node("Identity", [own], [into]))
            continue
        known = texts[own]
        before.append(helper.make_node(
            "LabelEncoder", [own], [into], domain="ai.onnx.ml", default_int64=0,
            keys_strings=list(known), values_int64s=list(known.values()),
        ))  # fmt: skip
    for item in outputs:
        own, of = item["name"], f"net/answer/{item['name']}"
        if "values" not in item:
            after.append(helper.make_node("Identity", [of], [own]))
            continue
        names = f"net/classes/{own}"
        held.append(helper.make_tensor(names, _type(item), [len(item["values"])], _classes(item)))
        after.append(helper.make_node("Gather", [names, of], [own]))
    graph = helper.make_graph(
        [*before, *inner.graph.node, *after], "netwright", [_shaped(item) for item in inputs],
        [_shaped(item) for item in outputs], held,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML)]
    model = helper.make_model(
        graph, opset_imports=opsets, producer_name="netwright", producer_version=version, ir_version=traced.ir_version,
        functions=list(inner.functions),
    )  # fmt: skip
    onnx.checker.check_model(model)
    return model


def bare(model: Any) -> Any:
    """A graph without what the exporter wrote of the machine it ran on: the paths of its source files."""
    del model.metadata_props[:]
    for part in (model.graph, *model.functions):
        del part.metadata_props[:]
        for one in (*part.node, *part.value_info):
            del one.metadata_props[:]
        for node in part.node:
            node.doc_string = ""
    for one in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del one.metadata_props[:]
    return model


def _shaped(item: Input | Output) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(item["name"], _type(item), item["shape"])


def _type(item: Input | Output) -> int:
    from onnx import TensorProto

    names = {
        "float64": "DOUBLE",
        "float32": "FLOAT",
        "int64": "INT64",
        "uint8": "UINT8",
        "bool": "BOOL",
        "string": "STRING",
    }
    return getattr(TensorProto, names[item["type"]])


def _classes(item: Output) -> list[Any]:
    """The classes in the target's own type."""
    if item["type"] == "bool":
        return [value == "true" for value in item["values"]]
    turn: Any = {"string": str.encode, "int64": lambda value: int(float(value)), "float64": float}[item["type"]]
    return [turn(value) for value in item["values"]]
