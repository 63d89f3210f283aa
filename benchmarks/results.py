"""RESULTS.md, section by section: each benchmark writes its own, the others stay as they are."""

from __future__ import annotations

import datetime
import os
import platform
import re
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


def machine() -> str:
    """The machine, versions and date that numbers were measured with."""
    import torch

    import netwright

    found = (
        re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    )
    processor = found.group(1) if found else platform.processor()
    versions = f"netwright {netwright.__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    return f"{processor}, {os.cpu_count()} cores; {versions}; {datetime.date.today()}"


def write_section(title: str, body: str) -> None:
    """Replace the section of a title, or add it at the end."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    name = re.sub(r"\W+", "-", title.lower())
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    section = f"{begin}\n## {title}\n\n{body.strip()}\n{end}"
    if begin in text:
        text = text[: text.index(begin)] + section + text[text.index(end) + len(end) :]
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    RESULTS.write_text(text, encoding="utf-8")
