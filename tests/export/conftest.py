"""Runs that are exported, trained once for all tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the rows stand beside the tests

from exported_runs import images, table, texts, trained  # noqa: E402

from netwright.export.proven import export  # noqa: E402
from netwright.inference.model import Model  # noqa: E402

KINDS = {"class": {"kind": "category"}, "rate": {"kind": "category"}, "tastes": {"kind": "labels"}, "topics": {"kind": "labels"}}  # fmt: skip


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="session")
def mixed(home: Path) -> Model:
    """Columns of every kind of a table; a class, a number and labels as targets."""
    path = home / "people.parquet"
    table().write_parquet(path)
    scales = {"age": {"scale": "quantile", "bins": 0}, "hours": {"scale": "robust", "bins": 8}}
    model = {"width": 8, "depth": 1, "members": 2, "embedding": "none"}
    return trained(path, "rich,income,topics", home / "mixed", "mlp", {**KINDS, **scales}, **model)


@pytest.fixture(scope="session")
def exported(mixed: Model, home: Path) -> Path:
    """The mixed run's export."""
    place = home / "out" / "mixed"
    export(home / "mixed", to="onnx", output=place)
    return place


@pytest.fixture(scope="session")
def reviews(home: Path) -> Path:
    path = home / "reviews.csv"
    texts().write_csv(path)
    return path


@pytest.fixture(scope="session")
def sides(home: Path) -> Path:
    import polars as pl

    path = home / "sides.jsonl"
    pl.DataFrame(images()).write_ndjson(path)
    return path
