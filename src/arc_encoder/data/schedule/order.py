"""Which record comes when: a pure function of (seed, index), so that nothing need be stored to resume.

Up to `LISTED` records an epoch is a permutation that is drawn once and kept; beyond, it is computed
place by place, in constant memory, by a Feistel network: rounds that mix one half of a number's bits
into the other, which is a bijection whatever the mixing function. Numbers outside of the range are
sent through it again until they fall inside (Black and Rogaway, 2002, "cycle walking").
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

import torch

LISTED = 2**20
ROUNDS = 6


@lru_cache(maxsize=8)
def _permutation(size: int, seed: int, epoch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    return torch.randperm(size, generator=generator)


def shuffled(index: int, size: int, seed: int) -> int:
    """The record at place `index` of an endless, reshuffled pass over `size` records.

    Every record comes once in each epoch of `size` places.
    """
    epoch, place = divmod(index, size)
    if size <= LISTED:
        return int(_permutation(size, seed, epoch)[place])
    return _walked(place, size, f"{seed}-{epoch}".encode())


def _walked(place: int, size: int, key: bytes) -> int:
    half = ((size - 1).bit_length() + 1) // 2
    while True:
        place = _mixed(place, half, key)
        if place < size:
            return place


def _mixed(number: int, half: int, key: bytes) -> int:
    """A bijection of the numbers of 2 · `half` bits."""
    mask = (1 << half) - 1
    left, right = number >> half, number & mask
    for turn in range(ROUNDS):
        digest = blake2b(right.to_bytes(8, "little") + bytes([turn]), digest_size=8, key=key).digest()
        left, right = right, left ^ (int.from_bytes(digest, "little") & mask)
    return left << half | right
