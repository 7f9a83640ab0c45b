"""Which parts of a backbone were trained: a digest of every block, taken before training and again when it is saved.

A block is a direct part of the backbone: the embeddings, one layer, the last norm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

BACKBONE = "encoder.backbone."  # prefix of the backbone's weights among an ARC-Encoder's


def block_of(name: str) -> str | None:
    """The block of a weight of an ARC-Encoder, such as ``layers.3``; None for what is not the backbone's."""
    if not name.startswith(BACKBONE):
        return None
    first, *rest = name.removeprefix(BACKBONE).split(".")
    return f"{first}.{rest[0]}" if len(rest) > 1 and rest[0].isdigit() else first


def block_digests(state: Mapping[str, Tensor]) -> dict[str, str]:
    """SHA-256 of every block, of its values in float32.

    Args:
        state: an ARC-Encoder's weights by name; what is not the backbone's is left aside.
    """
    blocks: dict[str, list[str]] = {}
    for name in sorted(state):
        block = block_of(name)
        if block is not None:
            blocks.setdefault(block, []).append(name)

    def digest(names: list[str]) -> str:
        found = hashlib.sha256()
        for name in names:
            values = state[name].detach().to("cpu", torch.float32).contiguous()
            found.update(f"{name.removeprefix(BACKBONE)}{tuple(values.shape)}".encode())
            found.update(values.view(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()

    with ThreadPoolExecutor(max_workers=4) as pool:  # hashing lets other threads run
        return dict(zip(blocks, pool.map(digest, blocks.values()), strict=True))


def unchanged_blocks(state: Mapping[str, Tensor], before: Mapping[str, str]) -> list[str]:
    """The blocks whose weights are bit for bit what they were, sorted."""
    now = block_digests(state)
    return sorted(block for block, digest in now.items() if before.get(block) == digest)
