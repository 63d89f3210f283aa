"""Settings of a server: where it listens, who may ask, how much it takes on. No web library is imported here."""

from __future__ import annotations

import os

from pydantic import Field

from netwright.recipe import Settings as Frozen


class Settings(Frozen):
    """How runs are served."""

    host: str = Field(default="127.0.0.1", description="address to listen on; other than localhost requires --key-file")
    port: int = Field(default=8000, ge=0, le=65_535, description="port to listen on; 0: any that is free")
    workers: int = Field(default=1, ge=1, le=256, description="worker processes, each with its own copy of the runs")
    key_file: str | None = Field(default=None, description="file of API key hashes; netwright key adds one")
    threads: int | None = Field(default=None, ge=1, le=1024, description="CPU threads per call; default: 1 for calls under 3 ms, else cores / workers")  # fmt: skip
    gather: float = Field(default=2.0, ge=0, le=1000, description="maximum milliseconds a row waits to be batched")  # fmt: skip
    rows: int = Field(default=10_000, ge=1, description="maximum rows per request")
    queue: int = Field(default=20_000, ge=1, description="maximum queued rows; beyond: 429")
    texts: int = Field(default=8, ge=1, le=1024, description="texts generated concurrently")
    waiting: int = Field(default=64, ge=1, description="maximum queued texts; beyond: 429")
    time_limit: float = Field(default=60.0, gt=0, description="time limit per answer in seconds; beyond: 504")
    body: int = Field(default=32 * 2**20, ge=1024, description="maximum request size in bytes")
    characters: int = Field(default=1_000_000, ge=1, description="maximum characters per text")
    pixels: int = Field(default=40_000_000, ge=1, description="maximum pixels per image, checked before decoding")
    watch: float = Field(default=2.0, ge=0, description="seconds between checks for a newer run; 0: never")

    def share(self) -> int:
        """Return the processor threads of a call that takes long."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.workers)
