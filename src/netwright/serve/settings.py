"""Settings of a server: where it listens, who may ask, how much it takes on. No web library is imported here."""

from __future__ import annotations

import os

from pydantic import Field

from netwright.recipe import Settings as Frozen


class Settings(Frozen):
    """How runs are served."""

    host: str = Field(default="127.0.0.1", description="address to listen on; beyond this machine keys are demanded")
    port: int = Field(default=8000, ge=0, le=65_535, description="port to listen on; 0: any that is free")
    workers: int = Field(default=1, ge=1, le=256, description="processes that answer, each with the runs of its own")
    key_file: str | None = Field(default=None, description="hashes of the keys that may ask; netwright key makes one")
    threads: int | None = Field(default=None, ge=1, le=1024, description="processor threads of one call; left out, 1 for calls that take no 3 ms, else the cores divided by the workers")  # fmt: skip
    gather: float = Field(default=2.0, ge=0, le=1000, description="milliseconds that a row waits for others at most, while there are others")  # fmt: skip
    rows: int = Field(default=10_000, ge=1, description="rows of a request at most")
    queue: int = Field(default=20_000, ge=1, description="rows that wait at most; beyond, 429")
    texts: int = Field(default=8, ge=1, le=1024, description="texts written side by side")
    waiting: int = Field(default=64, ge=1, description="texts that wait to be written at most; beyond, 429")
    time_limit: float = Field(default=60.0, gt=0, description="seconds that an answer may take; beyond, 504")
    body: int = Field(default=32 * 2**20, ge=1024, description="bytes of a request at most")
    characters: int = Field(default=1_000_000, ge=1, description="characters of a text at most")
    pixels: int = Field(
        default=40_000_000, ge=1, description="pixels of an image at most, counted before it is decoded"
    )
    watch: float = Field(default=2.0, ge=0, description="seconds between two looks whether a run is newer; 0: never")

    def share(self) -> int:
        """Return the processor threads of a call that takes long."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.workers)
