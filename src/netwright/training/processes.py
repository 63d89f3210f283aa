"""Several processes that train one network together (torch.distributed), or the one that trains alone."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class World:
    """This process's number and how many there are. `local`: its number on its own machine (which GPU it takes)."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @classmethod
    def joined(cls) -> World:
        """Join the processes that `torchrun` started (its variables RANK, WORLD_SIZE, LOCAL_RANK), or be alone."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", "0")))

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum over all processes."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network with gradients averaged over all processes (DistributedDataParallel)."""
        if self.size == 1:
            return network
        ids = [device.index] if device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=ids)

    def wait(self) -> None:
        """Wait for all."""
        if self.size > 1:
            dist.barrier()
