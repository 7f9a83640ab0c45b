"""Cutting long contexts into chunks that are encoded in parallel (Pilchen et al., 2025, §4.3).

Shape legend: C contexts, L tokens, K chunks, N tokens of the longest chunk, M vectors, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from arc_encoder.core.errors import ConfigError, DataError

Overflow = Literal["stop", "cut"]


class Chunks(NamedTuple):
    """Contexts cut into chunks: ids (K, N), lengths (K,), and the context of each chunk (K,)."""

    ids: Tensor
    lengths: Tensor
    context: Tensor


def check_lengths(lengths: Tensor) -> None:
    """Raise `DataError` if one of the contexts of `lengths` (C,) has no token."""
    if bool((lengths < 1).any()):
        where = (lengths < 1).nonzero().flatten().tolist()
        raise DataError(f"contexts {where} of the batch are empty: there is nothing to compress; leave them out")


@dataclass
class Chunking:
    """How long contexts are cut. A callback may change both values while training runs.

    Attributes:
        size: tokens of a chunk; a longer context is cut into chunks of this many.
        max_chunks: largest number of chunks of a context.
        overflow: what happens to a longer context: ``stop`` refuses it, ``cut`` reads its first chunks.
    """

    size: int = 1024
    max_chunks: int = 32
    overflow: Overflow = "stop"

    def __post_init__(self) -> None:
        if self.overflow not in get_args(Overflow):
            raise ConfigError(
                f"chunking: overflow={self.overflow!r} is unknown; choose {' or '.join(get_args(Overflow))}"
            )
        if self.size < 1 or self.max_chunks < 1:
            raise ConfigError(f"chunking: size={self.size} and max_chunks={self.max_chunks} must both be at least 1")

    def cut(self, ids: Tensor, lengths: Tensor) -> Chunks:
        """Cut contexts (C, L) of `lengths` (C,) into chunks, in order.

        Raises:
            DataError: an empty context, or one longer than size · max_chunks tokens that is not to be cut.
        """
        check_lengths(lengths)
        if self.overflow == "cut":
            lengths = lengths.clamp(max=self.size * self.max_chunks)
        longest = int(lengths.max())
        if longest > self.size * self.max_chunks:
            raise DataError(
                f"a context has {longest} tokens, but at most {self.max_chunks} chunks of {self.size} tokens are allowed "
                f"({self.size * self.max_chunks} in all); shorten it, raise max_chunks or size, or read only its beginning with overflow 'cut'"
            )
        if longest <= self.size:
            return Chunks(ids[:, :longest], lengths, torch.arange(len(lengths), device=ids.device))
        counts = (lengths + self.size - 1) // self.size
        context = torch.repeat_interleave(torch.arange(len(lengths), device=ids.device), counts)
        first = counts.cumsum(0) - counts
        start = (torch.arange(len(context), device=ids.device) - first[context]) * self.size
        chunk_lengths = (lengths[context] - start).clamp(max=self.size)
        place = start[:, None] + torch.arange(self.size, device=ids.device)
        return Chunks(ids[context[:, None], place.clamp(max=ids.shape[1] - 1)], chunk_lengths, context)


def join_chunks(vectors: Tensor, counts: Tensor, context: Tensor, contexts: int) -> tuple[Tensor, Tensor]:
    """Concatenate the vectors of each context's chunks in order.

    Args:
        vectors: (K, M, D) vectors of the chunks, valid up to `counts` (K,).
        counts: (K,) vectors of each chunk.
        context: (K,) context of each chunk, not decreasing.
        contexts: number of contexts C.

    Returns:
        vectors (C, M', D) and counts (C,).
    """
    if len(context) == contexts:
        return vectors, counts
    totals = torch.zeros(contexts, dtype=counts.dtype, device=counts.device).index_add(0, context, counts)
    offset = counts.cumsum(0) - counts  # vectors before this chunk, in all contexts
    begin = (totals.cumsum(0) - totals)[context]
    place = (offset - begin)[:, None] + torch.arange(vectors.shape[1], device=vectors.device)
    valid = torch.arange(vectors.shape[1], device=vectors.device) < counts[:, None]
    rows = context[:, None].expand_as(place)
    joined = vectors.new_zeros(contexts, int(totals.max()), vectors.shape[2])
    return joined.index_put((rows[valid], place[valid]), vectors[valid]), totals
