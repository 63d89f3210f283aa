"""What is wrong with the data, the settings or the machine is said in one clear message: place, what was got, what to do.

The exit code is 2, there is no traceback, and no half-made run folder is left; or it is handled, and that is said.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import netwright as nw
from netwright.cli.main import main
from netwright.errors import InputError
from netwright.evaluation import evaluate
from netwright.runtime.run import Run

LINEAR = ("--model", "linear")
MLP = ("--model", "mlp", "--model.width", "8", "--model.members", "2", "--training.epochs", "2")


@dataclass
class Said:
    """What the command line gave back."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")]


Cli = Callable[..., Said]
Write = Callable[..., Path]


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command line in this process, on one thread."""

    def run(*args: object) -> Said:
        capsys.readouterr()
        pinned = ("--plan.threads", "1") if args[0] == "train" and "--resume" not in args else ()
        code = main([*map(str, args), *pinned])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Said(code, out, err)

    return run


@pytest.fixture
def refused(cli: Cli) -> Callable[..., list[str]]:
    """Run a command that must be refused; return its problems. Nothing may be left of a run."""

    def run(*args: object) -> list[str]:
        before = set(Path().rglob("*"))
        said = cli(*args)
        assert said.code == 2, said.err
        assert said.errors and not said.out
        assert set(Path().rglob("*")) == before, "a refused command leaves nothing behind"
        return said.errors

    return run


def write(name: str, *rows: str) -> str:
    Path(name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    return name


def table(rows: int = 40, name: str = "a.csv") -> str:
    """Two inputs (age, city) and a target y of two classes that follows from them."""
    cities = ("Rome", "Bonn", "Oslo")
    lines = [f"{20 + k * 7 % 41}.5,{cities[k % 3]},{'yes' if k * 7 % 41 > 20 else 'no'}" for k in range(rows)]
    return write(name, "age,city,y", *lines)


def column(*values: object, name: str = "a.csv") -> str:
    """One input x and these values of the target y."""
    return write(name, "x,y", *(f"{k * k % 17},{value}" for k, value in enumerate(values)))


@pytest.fixture
def run(cli: Cli) -> str:
    """A small finished run on `a.csv`."""
    assert cli("train", table(), "--target", "y", *MLP, "--output", "run").code == 0
    return "run"


# --- the data ---------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there(refused):
    table()
    assert refused("train", "b.csv", "--target", "y") == ["b.csv: there is no such file. Fix: did you mean a.csv?"]


def test_no_data_at_all(refused):
    assert refused("train", "--target", "y") == [
        "DATA: no data is named. Fix: give a file, as in netwright train reviews.csv --target stars."
    ]


def test_a_target_that_is_not_there_and_none(refused):
    assert refused("train", table(), "--target", "yy") == ["target: a.csv has no column 'yy'. Fix: did you mean y?"]
    assert refused("train", "a.csv") == ["--target: no target is named. Allowed: columns to predict: age, city, y."]


def test_a_column_whose_name_holds_a_comma(refused, cli):
    write("a.csv", '"size, m2",y', *(f"{k / 7},{k / 3}" for k in range(40)))
    assert refused("train", "a.csv", "--target", "size, m2", *LINEAR) == [
        f"target: a.csv has no column '{part}'. Fix: a name with a comma stands in quotes, as in '\"size, m2\"'."
        for part in ("size", "m2")
    ]
    assert cli("train", "a.csv", "--target", '"size, m2"', *LINEAR).code == 0


def test_every_setting_that_names_a_missing_column_is_named_at_once(refused):
    args = ("--inputs", "ag", "--leave_out", "q", "--weight", "w", "--split.group", "g", "--columns.cty.kind", "text")
    assert refused("train", table(), "--target", "y", *args, "--heads.z.share", "2") == [
        "inputs: a.csv has no column 'ag'. Fix: did you mean age?",
        "leave_out: a.csv has no column 'q'. Fix: there is: age, city, y.",
        "weight: a.csv has no column 'w'. Fix: there is: age, city, y.",
        "split.group: a.csv has no column 'g'. Fix: there is: age, city, y.",
        "columns.cty: a.csv has no column 'cty'. Fix: did you mean city?",
        "heads.z: 'z' is no target. Fix: there is: y.",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.csv: the file is empty. Fix: give a file with a header and rows."),
        (b"x,y\n", "a.csv: has a header but no rows. Fix: if that line is a row, --read.header false."),
        (
            b"x,x,y\n1,2,a\n",
            "a.csv:1: the column name 'x' occurs at positions 1, 2. Fix: name each column once; "
            "if the first line is a row and no header, --read.header false.",
        ),
        (
            b"x,y\n1,caf\xe9\n",
            "a.csv:2: byte 6 of the line (0xe9) is not UTF-8; cp1252 decodes it and reads '1,café' there. "
            "Fix: --read.encoding cp1252.",
        ),
        (
            b"x,y\n1,a\n2,b,c\n3,a\n",
            "a.csv: 1 of 3 rows do not have 2 cells, as the header has: line 3 has 3. Fix: fix these lines, name another --read.delimiter, or leave them out with --read.bad_rows leave_out.",
        ),
        (
            b'x,y\n1,"a\n2,b\n',
            "a.csv:2: a quote mark opens a cell here, and none closes it. Fix: close the cell, double the quote "
            "marks inside it, or, where quote marks are plain characters in this file, --read.quotes false.",
        ),
    ],
    ids=["empty", "header alone", "one name twice", "not UTF-8", "ragged", "open quote"],
)
def test_a_broken_file(refused, content, message):
    Path("a.csv").write_bytes(content)
    assert refused("train", "a.csv", "--target", "y") == [message]


def test_bad_rows_are_left_out_where_the_user_says_so_and_their_ids_are_said(cli):
    Path(table()).write_text(Path("a.csv").read_text() + "1,2\n3,4,no,5\n")
    said = cli("train", "a.csv", "--target", "y", *MLP, "--read.bad_rows", "leave_out", "--output", "run")
    assert said.code == 0
    assert "2 rows left out, because they do not have 3 cells, as the header has (a.csv:42, a.csv:43)" in said.err


@pytest.mark.parametrize("name", ["notes.docx", "notes"])
def test_a_file_of_a_format_that_no_source_reads(refused, name):
    write(name, "hello")
    (message,) = refused("train", name, "--target", "y")
    what = "no source reads files ending in .docx" if "." in name else "the name has no extension"
    assert message.startswith(f"{name}: {what}. Allowed: .arrow .feather .ipc; .csv .tsv .tab .psv (also with .gz); ")
    assert message.endswith("Fix: convert it to one of these, or name it by what it holds.")


def test_a_folder_without_images_and_an_address(refused):
    Path("folder").mkdir()
    (message,) = refused("train", "folder", "--target", "y")
    assert message.startswith("folder: no source reads this folder; it is empty. Allowed: ")
    assert refused("train", "https://example.org/a.csv", "--target", "y") == [
        "https://example.org/a.csv: is a URL; only local files are read. Fix: download it and give its path."
    ]


def images(folder: str = "photos", each: int = 10) -> Path:
    random = np.random.default_rng(0)
    for number, name in enumerate(("cats", "dogs")):
        Path(folder, name).mkdir(parents=True)
        for k in range(each):
            pixels = (random.random((8, 8)) * 100 + 100 * number).astype(np.uint8)
            Image.fromarray(pixels).save(Path(folder, name, f"{k}.png"))
    return Path(folder)


def test_unreadable_images_are_named(refused):
    photos = images()
    (photos / "cats" / "3.png").write_bytes(b"not a picture")
    whole = (photos / "dogs" / "4.png").read_bytes()
    (photos / "dogs" / "4.png").write_bytes(whole[:60])
    assert refused("train", "photos", "--target", "label") == [
        "cats/3.png: this image cannot be read: it is not an image in a known format.",
        "dogs/4.png: this image cannot be read: image file is truncated.",
        "image: 2 of 20 images cannot be read. Fix: repair these files, or take them out of the data; "
        "in training --read.bad_rows leave_out leaves them out.",
    ]


def test_unreadable_images_are_left_out_where_the_user_says_so(cli):
    (images() / "cats" / "3.png").write_bytes(b"not a picture")
    said = cli("train", "photos", "--target", "label", "--training.epochs", "1", "--read.bad_rows", "leave_out")
    assert said.code == 0, said.err
    assert (
        "1 row left out, because their images cannot be read; of the first, it is not an image in a known format (cats/3.png)"
        in said.err
    )


# --- the target -------------------------------------------------------------------------------------------------------


def test_a_target_of_one_class(refused):
    assert refused("train", column(*["yes"] * 20), "--target", "y") == [
        "target y: has one value only: 'yes'. Fix: give rows of at least two classes."
    ]


def test_a_text_that_is_always_the_same(refused):
    assert refused("train", write("a.txt", *["The cat sat on the mat."] * 20), "--target", "text") == [
        "target text: has one value only: 'The cat sat on the mat.'. Fix: give texts that differ."
    ]


def test_rows_that_stand_among_those_that_train_too_are_counted(cli):
    write("a.csv", "x,city,y", *(f"{k / 7},{'ab'[k % 3 == 0]},{'yn'[k % 2]}" for k in [*range(30)] * 2))
    said = cli("train", "a.csv", "--target", "y", *LINEAR)
    assert "test rows are also in the training set, value for value: if they are copies, the scores are too good (a.csv:" in said.err  # fmt: skip
    write("b.csv", "x,city,y", *(f"{k % 7},{'ab'[k % 3 == 0]},{'yn'[k % 2]}" for k in range(60)))
    assert "also stand" not in cli("train", "b.csv", "--target", "y", *LINEAR).err  # few values: alike by chance


def test_a_number_far_from_all_others_is_doubted(cli):
    said = cli("train", column(*range(60), 1e35), "--target", "y", "--columns.y.kind", "number", *MLP)
    assert (
        "y: 1e+35 is so far from the other values, mostly 6 to 54, that the others become indistinguishable" in said.err
    )
    assert "(a.csv:62)" in said.err
    assert "so far" not in cli("train", column(*range(60), 1e4, name="b.csv"), "--target", "y", *MLP).err


def test_several_files(refused, cli):
    write("a.csv", "x,y", "1,2")
    assert refused("train", "*.csv", "--target", "y") == [
        "*.csv: is a pattern; a table is one file. Fix: put the files together under one header, or give "
        "polars.read_csv('*.csv') in Python."
    ]
    assert "put several together under one header" in cli("train", "a.csv", "b.csv", "--target", "y").err


def test_a_column_in_other_capitals_is_the_nearest(refused):
    table = write("a.csv", "PRICE,rice", *(f"{k},{k % 7}" for k in range(30)))
    assert "did you mean PRICE?" in refused("train", table, "--target", "price")[0]


def test_classes_that_differ_in_their_spelling_alone_are_doubted(cli):
    said = cli("train", column(*["yes", "Yes", "no", "ＮＯ", "maybe"] * 10), "--target", "y", *MLP)
    assert said.code == 0
    assert (
        "y: classes that differ only in spelling are kept as different classes: 'Yes' and 'yes'; 'no' and 'ＮＯ'"
        in said.err
    )
    assert "spelling" not in cli("train", column(*["yes", "no"] * 20, name="b.csv"), "--target", "y", *MLP).err


def test_a_number_that_is_always_the_same(refused):
    assert refused("train", column(*[1.5] * 20), "--target", "y", "--columns.y.kind", "number") == [
        "target y: is always 1.5. Fix: give rows whose target differs."
    ]


def test_rows_without_a_target_are_left_out_counted_and_named(cli):
    values = ["yes", "no"] * 15
    values[3] = values[7] = ""
    said = cli("train", column(*values), "--target", "y", *MLP, "--output", "run")
    assert said.code == 0
    assert "2 rows without y are left out (a.csv:5, a.csv:9)" in said.err
    (event,) = [event for event in events("run") if event["name"] == "target.missing"]
    assert (event["kind"], event["data"]) == ("warning", {"count": 2, "rows": ["a.csv:5", "a.csv:9"]})


def test_no_row_with_a_target(refused):
    assert refused("train", column(*[""] * 20), "--target", "y") == [
        "a.csv: no row has a y. Fix: name another --target."
    ]


def test_a_target_whose_texts_are_all_different(refused, cli):
    rows = column(*(f"name {k}" for k in range(30)))
    assert refused("train", rows, "--target", "y") == [
        "target y: all its 30 values are different texts, so no class occurs twice. Allowed: numbers, categories, "
        "labels. Fix: name another --target; --columns.y.kind text generates it, category makes each a class."
    ]
    said = cli("train", rows, "--target", "y", *MLP, "--columns.y.kind", "category", "--output", "run")
    assert said.code == 0
    assert "no test or validation rows: the network's quality is unknown" in said.err


def test_one_row(refused):
    assert refused("train", write("a.csv", "x,y", "1,b"), "--target", "y") == [
        "target y: has one value only: 'b'. Fix: give rows of at least two classes."
    ]


def test_training_rows_that_all_fell_into_one_class(refused):
    rows = write("a.csv", "x,y", "1,b", "2,c", "3,b")
    assert refused("train", rows, "--target", "y", *LINEAR) == [
        "target y: all 2 training rows are 'b'. Allowed: at least two classes. Fix: give more rows, or split them differently: --split.column, --split.test 0 --split.validation 0."
    ]


def test_a_class_with_a_single_row(cli):
    values = ["x", "z"] * 15
    values[5] = "rare"
    assert cli("train", column(*values), "--target", "y", *MLP, "--output", "run").code == 0
    known = json.loads(Path("run/kinds.json").read_text())["targets"]["target_1"]["values"][0]
    lost = [event["text"] for event in events("run") if event["name"] == "target.unknown"]
    assert "rare" in known or "(a.csv:7)" in lost[0], "it is learnt, or its row is left out and said"


def test_more_classes_than_training_rows(cli):
    values = [f"c{k % 25}" for k in range(30)]
    said = cli("train", column(*values), "--target", "y", *MLP, "--output", "run")
    assert said.code == 0
    assert "y: values not seen in training, such as 'c" in said.err
    assert "rows with an unusable target are left out" in said.err


def test_an_infinite_target_is_left_out_and_an_infinite_input_is_missing(cli):
    lines = [f"{'inf' if k == 4 else k * k % 13},{'inf' if k == 3 else k * 1.5}" for k in range(30)]
    said = cli("train", write("a.csv", "x,y", *lines), "--target", "y", *MLP, "--output", "run")
    assert said.code == 0
    assert "y: values that are infinite or beyond 1e+38, read as missing (a.csv:5)" in said.err
    assert "rows with an unusable target are left out (a.csv:5)" in said.err
    assert "x: values that are infinite or beyond 1e+38, read as missing (a.csv:6)" in said.err


@pytest.mark.parametrize("flag", ["--target", "--inputs", "--leave_out"])
def test_names_that_are_given_in_two_flags(refused, flag):
    told = f"{flag}: is given twice. Fix: give it once, names with commas between them: {flag} A,B."
    assert refused("train", "a.csv", flag, "x", f"{flag}=y") == [told]


def test_a_flag_that_overrules_itself_is_said(cli):
    thrice = ("--training.epochs", "1", "--training.epochs", "2", "--training.epochs=3")
    twice = ("--columns.a.kind", "text", "--columns.a.kind", "number")
    said = cli("train", "none.csv", "--target", "y", *thrice, *twice)
    assert " ! --training.epochs is given 3 times; the last counts: 3" in said.err
    assert " ! --columns.a.kind is given twice; the last counts: number" in said.err


def test_a_target_that_is_also_an_input_or_named_twice(refused):
    assert refused("train", table(), "--target", "y", "--inputs", "y,age") == [
        "inputs: y cannot be both an input and a target. Fix: name it once."
    ]
    assert refused("train", "a.csv", "--target", "y,y") == ["target: 'y' is named twice. Fix: name it once."]


def test_a_target_that_cannot_be_predicted_or_read(refused):
    assert refused("train", table(), "--target", "city", "--columns.city.kind", "image") == [
        "target city: image cannot be predicted. Allowed: category, labels, match, messages, number, span, tags, text."
    ]
    assert refused("train", "a.csv", "--target", "city", "--columns.city.kind", "number") == [
        "target city: no training row has a value that can be read. Fix: name another --target, or its kind with "
        "--columns.NAME.kind."
    ]


def test_a_target_that_is_also_left_out_or_a_weight(refused):
    assert refused("train", table(), "--target", "age", "--leave_out", "age", "--weight", "age") == [
        "leave_out: 'age' is also named by target. Fix: name it once.",
        "weight: 'age' is also named by target. Fix: name it once.",
    ]


# --- the inputs -------------------------------------------------------------------------------------------------------


def test_no_input_is_left(refused):
    rows = write("a.csv", "x,y", *(f"1,{'ab'[k % 2]}" for k in range(20)))
    assert refused("train", rows, "--target", "y") == [
        "a.csv: no column is left to predict from. Fix: name some with --inputs, with a kind in --columns.NAME.kind."
    ]


def test_text_without_a_single_value(cli):
    rows = write("a.csv", "x,note,y", *(f"{k * k % 13},,{'ab'[k % 2]}" for k in range(30)))
    said = cli("train", rows, "--target", "y", *MLP, "--output", "guessed")
    assert (said.code, "note: left out, because it has no values" in said.err) == (0, True)
    as_text = ("--columns.note.kind", "text", "--columns.note.vocabulary", "64")
    assert cli("train", rows, "--target", "y", *MLP, *as_text, "--output", "asked").code == 0


NAMES = ("a.b", "c d", "年龄", "😀", "new\nline", "line\u2028mark", "")


def test_names_with_dots_spaces_chinese_emoji_and_line_breaks(cli):
    header = ",".join([*(f'"{name}"' for name in NAMES), "y"])
    rows = [",".join([*(str(k * (n + 2) % 11) for n in range(len(NAMES))), "pq"[k % 2]]) for k in range(30)]
    kinds = [part for name in NAMES[:6] for part in (f"--columns.{name}.kind", "category")]
    said = cli("train", write("a.csv", header, *rows), "--target", "y", *MLP, *kinds, "--output", "run")
    assert said.code == 0, said.err
    assert "1 column without a name named by position: column_7" in said.err
    fitted = json.loads(Path("run/kinds.json").read_text())["inputs"]
    assert fitted["category"]["columns"] == list(NAMES[:6]) and fitted["number"]["columns"] == ["column_7"]
    assert cli("predict", "run", "a.csv", "--output", "p.csv").code == 0
    assert cli("train", "--recipe", "run/recipe.yaml", "--output", "again").code == 0
    assert cli("show", "run").code == 0


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (["1", "-2", "3", "-4"], "a.csv:3: the weight in column w is -2 (2 such rows). Allowed: a number from 0."),
        (["1", "", "3", "4"], "a.csv:3: the weight in column w is None (1 such rows). Allowed: a number from 0."),
        (["0"] * 4, "w: all weights are 0. Allowed: at least one above 0."),
    ],
    ids=["negative", "missing", "zero"],
)
def test_weights_that_are_none(refused, weights, message):
    rows = write("a.csv", "x,w,y", *(f"{k},{weight},{'ab'[k % 2]}" for k, weight in enumerate(weights)))
    assert refused("train", rows, "--target", "y", "--weight", "w") == [message]


# --- the settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "near"),
    [
        ("--epochs", "did you mean --training.epochs?"),
        ("--model.epochs", "did you mean --training.epochs?"),
        ("--training.lerning_rate", "did you mean --training.learning_rate?"),
        ("--training.learning-rat", "did you mean --training.learning-rate?"),
        ("--traning.epochs", "did you mean --training.epochs?"),
        ("--plan.thread", "did you mean --plan.threads?"),
        ("--tagret", "did you mean --target?"),
        (
            "--split.shuffle",
            "there is: --split.validation, --split.test, --split.column, --split.group, --split.time, --split.folds, --split.validation_data, --split.test_data, --split.seed.",
        ),
        (
            "--read.table",
            "there is: --read.delimiter, --read.encoding, --read.header, --read.quotes, --read.bad_rows, --read.missing, --read.query, --read.sheet, --read.rows.",
        ),
    ],
)
def test_a_flag_that_does_not_exist(refused, flag, near):
    assert refused("train", table(), "--target", "y", flag, "3") == [f"{flag}: there is no such setting. Fix: {near}"]


@pytest.mark.parametrize("flag", ["--training.epochs", "--columns.age.kind", "--target"])
def test_a_flag_without_its_value(refused, flag):
    assert refused("train", table(), flag, "--output", "run") == [
        f"{flag}: got '--output', which is a flag. Fix: give it a value: {flag} VALUE."
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 1}, "target: got int. Allowed: a column's name, or a list of names."),
        ({"target": [1]}, "target: got list of other things than texts. Allowed: a column's name, or a list of names."),
        ({"target": np.array(["y"])}, "target: got ndarray. Allowed: a column's name, or a list of names."),
        (
            {"target": "y", "settings": "epochs=3"},
            "settings: got str. Allowed: a dict, as in {'training': {'epochs': 3}}.",
        ),
        ({"target": "y", "settings": {"training": 3}}, "training: got 3. Allowed: settings by name."),
    ],
)
def test_arguments_of_other_types(arguments, message):
    with pytest.raises(nw.InputError) as caught:
        nw.train({"x": [1, 2], "y": [1, 2]}, **arguments)
    assert str(caught.value) == message


def test_a_verb_that_does_not_exist(cli):
    said = cli("trian", "a.csv")
    assert (said.code, said.err) == (2, "Error: there is no verb 'trian'; did you mean train?\n")


def test_every_problem_of_a_recipe_is_named_at_once(refused):
    write("r.yaml", "data: a.csv", "target: y", "traning: {epochs: 3}", "training: {epoch: 3, learning_rate: -1}")
    assert refused("train", "--recipe", "r.yaml") == [
        "training.learning_rate: got -1. Allowed: greater than 0.",
        "training.epoch: there is no such setting. Fix: did you mean epochs?",
        "traning: there is no such setting. Fix: did you mean training?",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"data: [a.csv\n", "r.yaml:2: is not YAML: expected ',' or ']', but got '<stream end>'."),
        (
            b"data: a.csv\ntraining: {epochs: 3}\ntraining: {seed: 1}\n",
            "r.yaml:3: is not YAML: 'training' stands twice.",
        ),
        (b"- 3\n", "r.yaml: holds no settings. Allowed: lines such as `target: price`."),
        (None, "r.yaml: there is no such recipe. Fix: netwright recipe DATA --target COLUMN writes one."),
    ],
    ids=["no YAML", "twice", "no settings", "no file"],
)
def test_a_recipe_that_cannot_be_read(refused, content, message):
    if content is not None:
        Path("r.yaml").write_bytes(content)
    assert refused("train", "--recipe", "r.yaml") == [message]


@pytest.mark.parametrize(
    ("flags", "messages"),
    [
        (("--training.epochs", "-3"), ["training.epochs: got '-3'. Allowed: greater than or equal to 1."]),
        (("--training.learning_rate", "nan"), ["training.learning_rate: got 'nan'. Allowed: a finite number."]),
        (
            ("--training.epochs", "x", "--training.momentum", "1"),
            [
                "training.epochs: got 'x'. Allowed: a whole number.",
                "training.momentum: got '1'. Allowed: less than 1.",
            ],
        ),
        (
            ("--model", "mlp", "--model.activation", "rellu"),
            ["model.activation: got 'rellu'. Allowed: 'relu', 'gelu', 'silu', 'tanh', 'sigmoid' or 'leaky_relu'."],
        ),
        (
            ("--model", "linear", "--model.width", "3"),
            ["model.width: there is no such setting. Fix: there is: start, digest, adapt, family."],
        ),
        (
            ("--model", "liner"),
            ["model.family: there is no family 'liner', and no run folder of that name. Fix: did you mean linear?"],
        ),
        (
            ("--split.test", "0.6", "--split.validation", "0.4"),
            ["split: validation 0.4 and test 0.6 leave no rows to train on. Allowed: a sum below 1."],
        ),
        (
            ("--split.group", "age", "--split.time", "age"),
            ["split: group and time are given. Allowed: one of column, group, time, folds."],
        ),
        (
            ("--training.metric", "acuracy"),
            [
                "training.metric: 'acuracy' is not a metric for a category target of 2 classes. Allowed: accuracy, "
                "balanced_accuracy, f1_macro, log_loss, brier, ece, roc_auc, precision, recall, f1, pr_auc. "
                "Fix: did you mean accuracy?"
            ],
        ),
        (
            ("--model", "mlp", "--training.batch_size", "1000"),
            ["training.batch_size: 1000 is above the 26 training rows. Allowed: 1 to 26, or all."],
        ),
        (
            ("--model", "mlp", "--training.optimizer", "lbfgs", "--training.batch_size", "8"),
            ["training.batch_size: lbfgs takes all rows a step, and batch_size is 8. Allowed: all."],
        ),
        (
            ("--model", "convnet"),
            [
                "model.family: convnet cannot be used: there is no image or text among the inputs; mlp reads tables, "
                "transformer reads all. Allowed: linear, mlp, transformer."
            ],
        ),
        (
            ("--model", "module"),
            [
                "model.family: a module of your own can only be given in Python. Fix: "
                "netwright.train(data, model=your_module), or name a family, as in --model mlp."
            ],
        ),
        (
            ("--model", "layers", "--model.layers", "[{dens: 8}]"),
            ["model.layers.1: there is no layer 'dens'. Fix: did you mean dense?"],
        ),
        (
            ("--model", "layers", "--model.layers", "[{dense: 8}, {dense: 3}]"),
            [
                "model.layers: the last layer gives 3 values. Allowed: 2, as the targets need. Fix: end with "
                "dense: 2, or for two classes dense: {units: 1, activation: sigmoid}."
            ],
        ),
        (
            ("--heads.y.loss", "mse"),
            ["heads.y.loss: got 'mse'. Allowed: 'cross_entropy' or 'binary_cross_entropy'."],
        ),
        (
            ("--columns.age.kind", "numbr"),
            [
                "columns.age.kind: there is no kind 'numbr'. Allowed: category, date, image, labels, match, messages, number, span, "
                "tags, text."
            ],
        ),
        (
            ("--columns.age.scal", "none"),
            ["columns.age.scal: there is no such setting. Fix: did you mean scale?"],
        ),
        (("--plan.device", "cuda:99"), ["plan.device: 'cuda:99' is not on this machine. Allowed: "]),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_a_setting_out_of_range(refused, flags, messages):
    found = refused("train", table(), "--target", "y", *flags)
    assert len(found) == len(messages)
    for message, wanted in zip(found, messages, strict=True):
        assert message == wanted or (wanted.endswith(": ") and message.startswith(wanted))


def test_an_image_too_large_for_dense_layers(refused):
    for name in ("cats", "dogs"):
        Path("photos", name).mkdir(parents=True)
        for k in range(5):
            Image.new("RGB", (40, 40), (k, 0, 0)).save(Path("photos", name, f"{k}.png"))
    assert refused("train", "photos", "--target", "label", "--model", "mlp") == [
        "model.family: mlp cannot be used: an image of 4,800 values is too large for dense layers (at most 4,096); "
        "convnet reads it. Allowed: convnet, linear, transformer."
    ]


def test_a_score_that_has_no_value_on_the_validation_rows(refused):
    values = ["x"] * 30
    values[3] = values[9] = "rare"
    assert refused("train", column(*values), "--target", "y", *MLP, "--training.metric", "roc_auc") == [
        "training.metric: roc_auc is undefined on the validation rows, for example because they are all of one class. Fix: "
        "name another, or give more validation rows (split.validation)."
    ]


def test_a_module_of_the_wrong_shape() -> None:
    class Wrong(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map = torch.nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.map(x)

    rows = (np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2)
    with pytest.raises(nw.InputError) as caught:
        nw.train(rows, target="y", model=Wrong(), output="run", settings={"plan": {"threads": 1}})
    assert str(caught.value).startswith("Wrong.forward: fails on two rows of zeros (x (2, 3)): mat1 and mat2 shapes")
    assert not Path("run").exists()


# --- the run ----------------------------------------------------------------------------------------------------------


def events(folder: str) -> list[dict]:
    return [json.loads(line) for line in Path(folder, "events.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_run_folder_that_exists(refused, run):
    assert refused("train", "a.csv", "--target", "y", "--output", run) == [
        "run: this run folder exists. Fix: go on with it: netwright train --resume run; or name another --output."
    ]
    Path("full").mkdir()
    Path("full", "letter.txt").write_text("dear")
    assert refused("train", "a.csv", "--target", "y", "--output", "full") == [
        "full: this run folder exists. Fix: name another --output."
    ]


def test_a_folder_that_is_no_run(refused):
    table()
    assert refused("predict", "nowhere", "a.csv") == [
        "nowhere: there is no such folder. Fix: name the folder that netwright train wrote."
    ]
    Path("empty").mkdir()
    assert refused("show", "empty") == [
        "empty: this folder is not a run (no run.json). Fix: name the folder that netwright train wrote."
    ]


def test_a_run_that_another_process_trains(refused, run):
    halve(run)
    with Run(Path(run)).alone():
        assert refused("train", "--resume", run) == [
            "run: another process is training this run. Fix: wait until it ends, or name another --output."
        ]


def test_a_run_folder_that_is_taken_away_while_it_trains(refused, monkeypatch):
    monkeypatch.setattr(evaluate, "compare", lambda *_, **__: shutil.rmtree("run") or {})
    (message,) = refused("train", table(), "--target", "y", *LINEAR, "--output", "run")
    assert message.startswith("run/events.jsonl: cannot be written: No such file or directory")


def test_a_file_in_the_place_of_a_run(refused, run):
    assert refused("predict", "a.csv", run) == [
        "a.csv: this is a file, and a run is a folder. Fix: name the folder that netwright train wrote."
    ]


def test_a_run_of_a_newer_version(refused, run):
    about = json.loads(Path(run, "run.json").read_text())
    Path(run, "run.json").write_text(json.dumps({**about, "version": 99, "netwright": "9.0"}))
    for command in (("predict", run, "a.csv"), ("show", run), ("train", "--resume", run), ("evaluate", run, "a.csv")):
        assert refused(*command) == [
            "run: made by netwright 9.0, whose run folders (version 99) are newer. Allowed: up to version 1. "
            "Fix: pip install --upgrade netwright."
        ]


def test_a_run_folder_that_is_gone(run):
    model = nw.load(run)
    shutil.rmtree(run)
    with pytest.raises(InputError, match="run: this run folder is gone"):
        _ = model.metrics


@pytest.mark.parametrize("name", ["kinds.json", "plan.json", "model.safetensors"])
def test_a_damaged_or_missing_file_of_a_run(refused, run, name):
    path = Path(run, name)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    (message,) = refused("predict", run, "a.csv")
    assert message.startswith(f"run/{name}: this file is damaged: ")
    assert message.endswith("Fix: restore it from a copy, or train again.")
    path.unlink()
    (message,) = refused("predict", run, "a.csv")
    if name == "model.safetensors":  # the checkpoint still holds the weights
        assert message == "run: this run is not complete. Fix: netwright train --resume run."
        assert main(["train", "--resume", run]) == 0
        assert path.read_bytes() == whole
    else:
        assert message == (
            f"run/{name}: this file is missing from the run. Fix: restore it from a copy, or train again."
        )


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("run.json", "[]", "it lacks version, netwright, state, source, rows"),
        ("run.json", '{"version": 1, "netwright": "0.1.0", "source": "a.csv", "rows": 9}', "it lacks state"),
        ("kinds.json", '{"inputs": {}}', "it lacks targets, left_out"),
    ],
)
def test_a_file_of_a_run_that_lacks_something(refused, run, name, text, what):
    Path(run, name).write_text(text)
    for command in (("predict", run, "a.csv"), ("show", run)):
        (message,) = refused(*command)
        assert message == f"run/{name}: this file is damaged: {what}. Fix: restore it from a copy, or train again."


def test_a_line_of_events_that_a_kill_has_cut(cli, refused, run):
    with Path(run, "events.jsonl").open("a") as file:
        file.write('{"kind": "notice", "na')
    assert cli("show", run).code == 0 and cli("report", run).code == 0
    Path(run, "metrics.json").unlink()
    assert refused("show", run)[0].startswith("run/metrics.json: this file is missing from the run")


def test_a_damaged_checkpoint(refused, run):
    halve(run)
    Path(run, "checkpoints", "last.safetensors").write_bytes(b"garbage")
    (message,) = refused("train", "--resume", run)
    assert message.startswith("run/checkpoints/last.safetensors: this checkpoint is damaged: ")
    assert message.endswith("Fix: delete it and resume again; training starts over.")


def halve(run: str) -> None:
    """Make a finished run look as if it had been killed before its weights were saved."""
    about = json.loads(Path(run, "run.json").read_text())
    Path(run, "run.json").write_text(json.dumps({**about, "state": "training"}))
    for name in ("model.safetensors", "metrics.json", "predictions.csv"):
        Path(run, name).unlink()


def test_a_source_that_changed_since_the_run_was_killed(refused, cli, run):
    halve(run)
    whole = Path("a.csv").read_text()
    Path("a.csv").write_text(whole + "30,Rome,yes\n")
    assert refused("train", "--resume", run) == [
        "a.csv: has changed since run was started. Allowed: the same content, byte for byte. Fix: restore it, start over, or start from its weights: netwright train DATA --model run."
    ]
    assert cli("train", "a.csv", "--target", "y", "--model", run, "--output", "from_its_weights").code == 0
    Path("a.csv").write_text(whole)
    assert cli("train", "--resume", run).code == 0
    Path("a.csv").rename("moved.csv")
    halve(run)
    assert cli("train", "moved.csv", "--resume", run).code == 0, "the content decides, not the name"


def test_a_resumed_run_takes_no_other_settings(refused, run):
    assert refused("train", "--resume", run, "--training.epochs", "9", "--target", "city") == [
        "--resume: target, training.epochs cannot change when a run is resumed. Fix: leave it out, or start a new run from its weights: netwright train DATA --model run."
    ]


def test_a_run_to_go_on_from_that_does_not_fit(refused, run):
    assert refused("train", "a.csv", "--target", "city", "--model", run) == [
        "target: city, but run predicts y. Fix: --target y."
    ]
    (message,) = refused("train", "a.csv", "--target", "y", "--model", run, "--model.width", "16")
    assert message.startswith("run: these weights do not fit this network: size mismatch for trunk.layers.0.weight")
    halve(run)
    shutil.rmtree(Path(run, "checkpoints"))
    assert refused("train", "a.csv", "--target", "y", "--model", run) == [
        "run: this run has no weights yet. Fix: netwright train --resume run."
    ]


WILD = ("--training.optimizer", "sgd", "--training.gradient_clip", "0", "--training.epochs", "300")


def test_a_loss_that_diverges_at_once_leaves_nothing(refused):
    assert refused("train", table(), "--target", "y", *MLP, *WILD, "--training.learning_rate", "1e30") == [
        "epoch 1, step 1: the answer on the validation rows is not finite any more. Fix: lower "
        "training.learning_rate (now 1e+30), or set training.gradient_clip 1."
    ]


def test_a_loss_that_diverges_later_leaves_the_last_good_checkpoint(cli):
    schedule = ("--training.optimizer", "momentum", "--training.learning_rate", "100", "--training.patience", "0")
    said = cli("train", table(), "--target", "y", *MLP, *WILD, *schedule, "--output", "run")
    assert said.code == 2
    (message,) = said.errors
    assert "is not finite any more; the last good checkpoint is kept in run/checkpoints/last.safetensors" in message
    assert message.endswith("Fix: lower training.learning_rate (now 100), or set training.gradient_clip 1.")
    weights = nw.train(
        "a.csv", target="y", model="run", output="on", settings={"training": {"epochs": 1, "learning_rate": 1e-6}}
    )
    assert all(weight.isfinite().all() for weight in weights.network.parameters()), "it is good indeed"


def test_the_recipe_is_not_overwritten_unasked(refused, cli):
    assert cli("recipe", table(), "--target", "y").code == 0
    assert refused("recipe", "a.csv", "--target", "y") == [
        "recipe.yaml: this file exists. Fix: name a place: --output recipe.yaml overwrites it."
    ]
    assert cli("recipe", "a.csv", "--target", "y", "--output", "recipe.yaml").code == 0


# --- prediction -------------------------------------------------------------------------------------------------------


def test_rows_that_lack_an_input_column(refused, run):
    assert refused("predict", run, write("new.csv", "age,y", "30,yes")) == [
        "new.csv: lacks the input column 'city'. Fix: it has: age, y."
    ]


def test_values_that_training_never_saw_are_said_with_their_rows(cli, run):
    said = cli("predict", run, write("new.csv", "age,city", "30,Rome", "40,Paris", "x,Oslo", ",Lyon"))
    assert said.code == 0 and len(said.out.splitlines()) == 5
    unseen = "city: values not seen in training, such as 'Paris'; read as unknown (new.csv:3, new.csv:5)"
    assert unseen in said.err
    assert "age: not numbers, such as 'x'; read as missing (new.csv:4)" in said.err


def test_lists_where_single_values_are_read(refused, run):
    assert refused("predict", run, write("new.jsonl", '{"age": 3, "city": ["Rome"]}')) == [
        "new.jsonl: the column 'city' holds values of type List(String), which are not category. Allowed: single values: "
        "texts, numbers, dates."
    ]


def test_evaluating_rows_whose_target_is_missing_or_unknown(cli, refused, run):
    assert refused("evaluate", run, write("new.csv", "age,city", "30,Rome")) == [
        "target: new.csv has no column 'y'. Fix: there is: age, city."
    ]
    said = cli("evaluate", run, write("new.csv", "age,city,y", "30,Rome,yes", "30,Rome,maybe", "40,Oslo,"), "--json")
    assert json.loads(said.out)["rows"] == 1
    assert "rows without a usable target are skipped (new.csv:3, new.csv:4)" in said.err
    (message,) = cli("evaluate", run, write("new.csv", "age,city,y", "30,Rome,maybe")).errors
    assert message == "y: no row has a known value to compare with. Fix: give rows that have it."


def test_predictions_of_a_form_that_is_not_written(refused, run):
    assert refused("predict", run, "a.csv", "--output", "p.xlsx") == [
        "--output: 'p.xlsx' ends in '.xlsx'. Allowed: .csv, .jsonl, .parquet."
    ]


# --- the machine ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def room(bytes_a_file: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: the system refuses to write more, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("limit", "file"), [(10, "recipe.yaml"), (20_000, "checkpoints/last.safetensors")])
def test_no_room_for_the_run(refused, limit, file):
    rows = table()
    with room(limit):
        (message,) = refused("train", rows, "--target", "y", *MLP, "--model.width", "64", "--output", "run")
    assert message.startswith(f"run/{file}: cannot be written: ") and "File too large" in message
    assert message.endswith("Fix: free some space, or name another --output.")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_no_room_for_the_predictions(refused, run, ending):
    with room(100):
        (message,) = refused("predict", run, "a.csv", "--output", f"p.{ending}")
    assert message.startswith(f"p.{ending}: cannot be written: File too large")


def test_a_place_where_nothing_can_be_made(refused):
    Path("file").write_text("")
    (message,) = refused("train", table(), "--target", "y", *LINEAR, "--output", "file/run")
    assert message == "file/run: cannot be written: Not a directory. Fix: name another --output."


def test_predictions_to_a_place_where_nothing_can_be_made(refused, run):
    (message,) = refused("predict", run, "a.csv", "--output", "/proc/p.csv")
    assert message.startswith("/proc/p.csv: cannot be written: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_stopping_says_how_to_go_on_and_going_on_ends_it(cli, number):
    long = ("--training.epochs", "100", "--training.patience", "0", "--training.checkpoint_every", "1000")
    command = [sys.executable, "-m", "netwright", "train", table(200), "--target", "y", *MLP, *long, "--output", "run"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, "--plan.threads", "1"], stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "epoch 2/" in line:
                process.send_signal(number)
                break
        said = process.stderr.read()
    assert process.returncode == 130
    assert said.endswith("stopped; go on with: netwright train --resume run\n") and "Traceback" not in said
    assert json.loads(Path("run/run.json").read_text())["state"] == "training"
    assert cli("predict", "run", "a.csv").errors == [
        "run: this run is not complete. Fix: netwright train --resume run."
    ]
    assert cli("train", "--resume", "run").code == 0
    assert len(json.loads(Path("run/metrics.json").read_text())["history"]) == 100
    assert json.loads(Path("run/run.json").read_text())["state"] == "done"
