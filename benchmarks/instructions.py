"""Alpaca's English instructions as conversations, from PyPI's llamafactory 0.9.5, kept outside the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from datasets import cache


def path() -> Path:
    """Return the JSONL file of {"messages": [...]}, made if the cache lacks it."""
    final = cache() / "texts" / "alpaca_en.jsonl"
    if final.exists():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent) as work:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", work, "llamafactory==0.9.5"]  # fmt: skip
        subprocess.run(command, check=True)
        with tarfile.open(next(Path(work).glob("*.tar.gz"))) as archive:
            member = next(m for m in archive.getmembers() if m.name.endswith("data/alpaca_en_demo.json"))
            file = archive.extractfile(member)
            assert file is not None
            rows = json.load(file)
        ready = Path(work) / "ready"
        with ready.open("w", encoding="utf-8") as out:
            for row in rows:
                asked = "\n".join(part for part in (row["instruction"], row.get("input", "")) if part)
                messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": row["output"]}]
                out.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
        ready.rename(final)
    return final


if __name__ == "__main__":
    print(path())
