"""Which record comes when: a pure function of (seed, index), so that nothing need be stored to resume."""

from __future__ import annotations

from functools import lru_cache

import torch


@lru_cache(maxsize=8)
def _permutation(size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(size, generator=generator)


def shuffled(index: int, size: int, seed: int) -> int:
    """The record at place `index` of an endless, reshuffled pass over `size` records.

    Every record comes once in each epoch of `size` places.
    """
    epoch, place = divmod(index, size)
    return int(_permutation(size, seed, epoch)[place])
