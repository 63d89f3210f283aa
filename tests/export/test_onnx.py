"""Graphs from raw columns give what the run gives, in an environment that has neither torch nor netwright."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from exported_runs import table, trained

from netwright.cli.main import main
from netwright.errors import InputError
from netwright.export.onnx import base
from netwright.export.onnx.run import Model as Folder
from netwright.export.proven import export, verify
from netwright.inference.model import Model, load

ALONE = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "netwright", "polars", "sklearn"):
            raise ImportError(name)
sys.meta_path.insert(0, Block())
sys.argv = sys.argv[1:]
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def alone(folder: Path, rows: Path) -> list[dict[str, Any]]:
    """What run.py prints where torch and netwright cannot be imported."""
    command = [sys.executable, "-c", ALONE, str(folder / "run.py"), str(rows)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    return [json.loads(line) for line in said.stdout.splitlines()]


def test_a_table_of_every_kind_without_torch_and_netwright(mixed: Model, exported: Path, tmp_path: Path) -> None:
    frame = table().head(7)
    frame.write_ndjson(tmp_path / "rows.jsonl")
    found = alone(exported, tmp_path / "rows.jsonl")
    ours = mixed.predict(frame)
    assert [row["rich_predicted"] for row in found] == ours["rich_predicted"].to_list()
    assert [row["rich_probability"]["yes"] for row in found] == pytest.approx(ours["p_rich_yes"].to_list(), abs=1e-5)
    assert [row["rich_set"] for row in found] == ours["rich_set"].to_list() if "rich_set" in ours else True
    assert [row["income_predicted"] for row in found] == pytest.approx(ours["income_predicted"].to_list(), rel=1e-5)
    assert ["|".join(row["topics_predicted"]) for row in found] == ours["topics_predicted"].to_list()


def test_rows_of_a_csv_file_are_read_as_text(mixed: Model, exported: Path, tmp_path: Path) -> None:
    frame = table().head(5).with_columns(pl.col("tastes", "topics").list.join("|"))
    frame.write_csv(tmp_path / "rows.csv")
    found = alone(exported, tmp_path / "rows.csv")
    assert [row["income_predicted"] for row in found] == pytest.approx(mixed.predict(table().head(5))["income_predicted"].to_list(), rel=1e-5)  # fmt: skip


def test_any_number_of_rows_and_values_never_seen(mixed: Model, exported: Path) -> None:
    folder = Folder(exported, threads=1)
    odd = {"age": None, "hours": 1e300, "city": "Atlantis", "job": None, "flag": None, "day": None, "class": 9, "rate": 0.7, "tastes": ["mud", "sea"]}  # fmt: skip
    for rows in ([odd], [odd] * 33):
        found = folder(rows)
        ours = mixed.predict(pl.DataFrame(rows, schema_overrides={"day": pl.Datetime, "job": pl.String, "flag": pl.Boolean, "age": pl.Float64}))  # fmt: skip
        assert len(found) == len(rows)
        assert [row["income_predicted"] for row in found] == pytest.approx(ours["income_predicted"].to_list(), rel=1e-5)


def test_what_is_wrong_with_rows_names_the_row_and_column(exported: Path) -> None:
    folder, row = Folder(exported, threads=1), table().drop("rich", "income", "topics").row(0, named=True)
    with pytest.raises(ValueError, match="row 2, column 'hours': 'many' is no number"):
        folder([row, {**row, "hours": "many"}])
    with pytest.raises(ValueError, match="row 1, column 'day': 'soon' is no date"):
        folder([{**row, "day": "soon"}])
    with pytest.raises(ValueError, match="row 1 lacks the column 'city'"):
        folder([{name: value for name, value in row.items() if name != "city"}])


@pytest.mark.parametrize(
    ("family", "columns", "model"),
    [
        ("linear", {"tokens": "ngrams", "vocabulary": 512}, {}),
        (
            "recurrent",
            {"tokens": "words", "vocabulary": 64},
            {"cell": "lstm", "width": 4, "depth": 2, "both_ways": True},
        ),
        ("recurrent", {"tokens": "bpe", "vocabulary": 300}, {"cell": "gru", "width": 4, "depth": 1}),
        ("recurrent", {"tokens": "characters"}, {"cell": "rnn", "width": 4, "depth": 1}),
        ("transformer", {"tokens": "words", "length": 5}, {"width": 8, "depth": 1, "heads": 2}),
    ],
    ids=["bag", "lstm", "gru", "rnn", "transformer"],
)
def test_texts(
    family: str, columns: dict[str, Any], model: dict[str, Any], reviews: Path, home: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    trained(reviews, "label", run, family, {"text": {"kind": "text", **columns}}, **model)
    found = export(run, to="onnx", output=tmp_path / "out")
    assert found["wrong"] == [] and found["rows"] > 10 and found["largest"] < 1e-5
    assert (tmp_path / "out" / "tokenizer.json").exists() == (columns["tokens"] != "ngrams")
    folder, ours = Folder(tmp_path / "out", threads=1), load(run)
    rows = [{"text": "good"}, {"text": ""}, {"text": "nothing known 🙂 " * 20}, {"text": None}]
    wanted = ours.predict(pl.DataFrame(rows))["p_yes"].to_list()
    assert [row["label_probability"]["yes"] for row in folder(rows)] == pytest.approx(wanted, abs=1e-5)
    if columns["tokens"] == "bpe":  # numpy, onnxruntime and tokenizers are all that is needed
        pl.DataFrame(rows[:2]).write_ndjson(tmp_path / "rows.jsonl")
        assert len(alone(tmp_path / "out", tmp_path / "rows.jsonl")) == 2


def test_images_are_given_as_pixels(sides: Path, tmp_path: Path) -> None:
    from PIL import Image

    model = {"width": 8, "stages": 1, "blocks": 1, "pool": True}
    ours = trained(sides, "side", tmp_path / "run", "convnet", **model)
    found = export(tmp_path / "run", to="onnx", output=tmp_path / "out")
    assert found["wrong"] == [] and found["largest"] < 1e-5
    (item,) = json.loads((tmp_path / "out" / "model.json").read_text())["inputs"]
    assert item["type"] == "uint8" and item["shape"] == ["rows", 12, 12, 1]
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    rows = [{"image": str(tmp_path / "photo.png")}]
    folder = Folder(tmp_path / "out", threads=1)
    assert folder(rows)[0]["side_probability"]["1"] == pytest.approx(ours.predict(rows)["p_1"][0], abs=1e-5)


def test_the_graph_says_nothing_of_the_machine_that_made_it(exported: Path) -> None:
    content = (exported / "model.onnx").read_bytes()
    for word in (b"/work", b"/home", b"/root", b"site-packages", b'File "'):
        assert word not in content, word
    graph = onnx.load(exported / "model.onnx")
    assert {item.name for item in graph.graph.input} >= {"age", "city", "tastes", "day"}
    assert all(part.shape.dim[0].dim_param == "rows" for part in (item.type.tensor_type for item in graph.graph.input))
    assert {opset.domain: opset.version for opset in graph.opset_import} == {"": 20, "ai.onnx.ml": 3}


def test_the_gate_by_itself(mixed: Model, exported: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = verify(exported, home / "mixed")
    assert found["wrong"] == [] and found["targets"]["income"]["scores"].keys() >= {"rmse"}
    assert json.loads((exported / "parity.json").read_text())["largest"] == found["largest"]
    assert main(["verify", str(exported), str(home / "mixed")]) == 0
    assert "rich: differ by" in capsys.readouterr().err


def test_what_differs_leaves_nothing_and_names_the_rows(
    reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = base.direct

    def spoilt(*given: Any) -> Any:
        return {name: tensor * 1.01 for name, tensor in whole(*given).items()}

    monkeypatch.setattr(base, "direct", spoilt)
    trained(reviews, "label", tmp_path / "run", "linear", {"text": {"vocabulary": 512}})
    with pytest.raises(InputError, match=r"label: \d+ of \d+ rows differ, by up to .*reviews.csv:"):
        export(tmp_path / "run", to="onnx", output=tmp_path / "out" / "spoilt")
    assert not list((tmp_path / "out").iterdir())


def test_folders_that_are_no_export_of_this_run(exported: Path, home: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        verify(tmp_path / "no", home / "mixed")
    with pytest.raises(InputError, match="is not an export. Allowed: one that holds"):
        verify(tmp_path, home / "mixed")
    broken = tmp_path / "broken"
    shutil.copytree(exported, broken)
    (broken / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(InputError, match="this export is damaged"):
        verify(broken, home / "mixed")
    (broken / "model.json").unlink()
    with pytest.raises(InputError, match="this export is damaged"):
        verify(broken, home / "mixed")


def test_rows_to_compare_on_must_be_there(mixed: Model, home: Path, tmp_path: Path) -> None:
    trained(table().drop("tastes", "topics"), "rich", tmp_path / "memory", "linear")
    with pytest.raises(InputError, match="the run kept no rows to compare on. Fix: name a file"):
        export(tmp_path / "memory", to="onnx", output=tmp_path / "out")
    with pytest.raises(InputError, match="this folder exists"):
        export(home / "mixed", to="onnx", output=home)
    assert not (tmp_path / "out").exists()


def test_no_artefact_holds_a_pickle(mixed: Model, exported: Path) -> None:
    for path in filter(Path.is_file, exported.rglob("*")):
        assert not path.read_bytes()[:4].startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")), path


def test_numbers_and_dates_written_as_text_pass_the_gate(tmp_path: Path) -> None:
    rows = [{"share": f"{k % 97}%", "price": f"1.{k:03},50 €", "weight": f"{k} kg", "day": f"{k % 28 + 1:02}/03/24", "y": k * 1.5} for k in range(120)]  # fmt: skip
    path = tmp_path / "rows.csv"
    pl.DataFrame([*rows, rows[0] | {"share": "unknown"}]).write_csv(path)
    asked = {
        "share": {"kind": "number"},
        "price": {"kind": "number"},
        "weight": {"kind": "number"},
        "day": {"kind": "date"},
    }
    ours = trained(path, "y", tmp_path / "run", "mlp", asked, width=8, depth=1, members=1)
    found = export(tmp_path / "run", to="onnx", output=tmp_path / "out", data=path)
    assert found["rows"] == 120  # the unknown share is refused there, and missing here
    told = Folder(tmp_path / "out", threads=1)([{**row, "y": None} for row in rows[:5]])
    assert [row["y_predicted"] for row in told] == pytest.approx(
        ours.predict(rows[:5])["y_predicted"].to_list(), rel=1e-5
    )
