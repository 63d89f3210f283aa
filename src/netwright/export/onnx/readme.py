"""The README of an exported folder: what goes in, what comes out, how to run it."""

from __future__ import annotations

from typing import Any

_HOW = {
    "number": "the number; NaN where missing",
    "date": "seconds since 1970-01-01 00:00, without a zone; NaN where missing",
    "labels": "a row's labels, blanks round them stripped; empty texts fill shorter rows",
    "image": "pixels 0 to 255, as they are: scaling to this size is yours (run.py does it by Pillow)",
    "placed": "the text's token numbers by {tokenizer}, words parted by blanks, without special tokens, at most {length} of them; -1 behind the end",
    "tokens": "the text's token numbers by {tokenizer}, without special tokens, the first {length} of them; -1 behind the end",
    "grams": "the buckets of its hashed n-grams, each once; -1 behind the end (run.py shows how they are hashed)",
    "place": "of each of these tokens, which word it is of, or its first character, or that behind its last; -1 behind the end",
    "counts": "how often each of these n-grams stands in the text; 0 behind the end",
}


def text(about: dict[str, Any]) -> str:
    """Return the README of what `model.json` holds."""
    inputs = "\n".join(f"| `{i['name']}` | {i['type']} {_shape(i)} | {_meaning(i)} |" for i in about["inputs"])
    outputs = "\n".join(f"| `{o['name']}` | {o['type']} {_shape(o)} | {_given(o)} |" for o in about["outputs"])
    needs = " tokenizers" if any("tokenizer" in item for item in about["inputs"]) else ""
    made = ", ".join(f"{name} {number}" for name, number in about["made_with"].items())
    return f"""# {", ".join(about["targets"])}: a network in ONNX

`model.onnx` takes raw columns and gives answers in the target's own unit: scaling, vocabularies, missing values, calibrated
probabilities and classes' names are inside the graph. Rows and lengths are free. Opset {about["opset"]}, with ai.onnx.ml for the
look-up of texts; IR version {about["ir_version"]}. Made by {about["made_by"]} with {made}; run with ONNX Runtime
{about["made_with"]["onnxruntime"]}. Other runtimes were not tried; those without string tensors cannot read categories.

```
pip install onnxruntime numpy{needs}
python run.py rows.csv
```

```python
from run import Model

model = Model(".")  # answers lists of dicts; model.session is the ONNX Runtime session itself
```

| input | type | holds |
|---|---|---|
{inputs}

| output | type | holds |
|---|---|---|
{outputs}

`parity.json` tells how far these answers were from those of the network itself, on rows that it never learnt.
"""


def _shape(item: dict[str, Any]) -> str:
    return "(" + ", ".join(str(size).rpartition(".")[2] for size in item["shape"]) + ")"


def _meaning(item: dict[str, Any]) -> str:
    if item["form"] != "list":
        return _HOW[item["form"]].format(**item)
    if item["type"] == "string":
        return f"one of {len(item['values'])} texts, blanks round it stripped; empty where missing; others are read as unknown"
    return f"one of {len(item['values'])} numbers (true is 1, false 0); NaN where missing; others are read as unknown"


def _given(item: dict[str, Any]) -> str:
    end = item["name"].rpartition("_")[2]
    if "words_of" in item:
        return f"the {'tag' if end == 'predicted' else 'probability'} of each word; behind a row's last word, anything"
    if "piece_of" in item:
        return f"the {'first character' if end == 'start' else 'character behind the last'} of the answer in `{item['piece_of']}`; -1: none"  # fmt: skip
    if "columns" in item:
        shown = ", ".join(f"`{name}`" for name in item["columns"][:8]) + (", …" if len(item["columns"]) > 8 else "")
        what = {"probability": "the probability of", "set": "whether the set holds", "predicted": "whether it has"}[end]
        return f"{what} {shown}, in this order"
    return {
        "probability": "how sure it is",
        "predicted": "the answer",
        "low": "the lower end of the interval",
        "high": "its upper end",
    }[end]
