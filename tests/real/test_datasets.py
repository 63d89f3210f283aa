"""The benchmark data sets: the registry is sound, the bundled sets arrive as pinned, bad pins and names are told.

Nothing here uses the network: sets that need a registry are only looked at as entries.
"""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import io
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "datasets.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_datasets", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


sets = _load()
BUNDLED = [data.name for data in sets.DATASETS.values() if data.source.client == "bundled"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETWRIGHT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_each_entry_says_what_it_is_and_pins_it() -> None:
    for data in sets.DATASETS.values():
        assert data.what and data.origin and data.licence and data.target and data.rows > 0, data.name
        assert re.fullmatch("[0-9a-f]{64}", data.sha256), data.name
        assert data.source.client == "bundled" or data.source.members, data.name
    assert len({data.sha256 for data in sets.DATASETS.values()}) == len(sets.DATASETS)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_set_is_a_table_with_its_rows_and_target(name: str, cache: Path) -> None:
    pytest.importorskip("sklearn")
    file = sets.path(name)
    header, *rows = csv.reader(file.read_text(encoding="utf-8").splitlines())
    assert file.is_relative_to(cache) and file.name == f"{name}.csv"
    assert len(rows) == sets.DATASETS[name].rows
    assert tuple(header[-len(sets.DATASETS[name].target) :]) == sets.DATASETS[name].target
    assert all(len(row) == len(header) and all(row) for row in rows)


def test_a_second_call_prepares_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    first = sets.path("iris")
    monkeypatch.setattr(sets, "_build", None)
    assert sets.path("iris") == first
    assert [entry.name for entry in cache.iterdir()] == [first.parent.name]  # no temporary folder is left


def test_a_set_that_is_not_as_pinned_is_refused_and_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setitem(sets.DATASETS, "iris", dataclasses.replace(sets.DATASETS["iris"], sha256="0" * 64))
    with pytest.raises(sets.DatasetError, match=r"'iris' from bundled scikit-learn: .* expected 0000"):
        sets.path("iris")
    assert list(cache.iterdir()) == []


def test_an_unknown_name_gets_the_nearest_known_one() -> None:
    with pytest.raises(ValueError, match="no data set 'aduld'. Did you mean 'adult'?"):
        sets.path("aduld")


def test_a_failing_client_is_told_with_its_command(tmp_path: Path) -> None:
    with pytest.raises(sets.DatasetError, match="`no-such-client pack`: no-such-client is not installed"):
        sets._run(["no-such-client", "pack"], tmp_path)
    with pytest.raises(sets.DatasetError, match="failed with exit status 3:\nlast words\n"):
        sets._run([sys.executable, "-c", "import sys; print('last words'); sys.exit(3)"], tmp_path)


def test_cells_with_quotes_and_line_ends_survive_a_csv_reader(tmp_path: Path) -> None:
    rows = [["text", "label"], ['say "hi", then\r\nleave', "a"], ["lone\rCR", "b"], ["plain", "c"]]
    sets.prepare.write_csv(tmp_path / "t.csv", rows[0], rows[1:])
    text = (tmp_path / "t.csv").read_bytes().decode("utf-8")
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows
    assert text.endswith("plain,c\n")
