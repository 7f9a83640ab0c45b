"""How many rows a batch has at each place: chunks, pooled rows, vectors, merged positions."""

from __future__ import annotations

import torch

from arc_encoder.model.encoder.pooling import MemoryTokens
from arc_encoder.tools.planning.costs.workload import Workload
from arc_encoder.tools.planning.parts import Parts


def chunks(parts: Parts, batch: Workload) -> tuple[int, int]:
    """Sequences that the encoder reads, and tokens of the longest."""
    length = min(batch.context_tokens, parts.compressor.chunking.size)
    return batch.samples * batch.contexts * -(-batch.context_tokens // length), length


def stage_lengths(parts: Parts, length: int, factor: float | None = None) -> list[int]:
    """Rows of a sequence of `length` tokens before the first pooling block and after each of them.

    `factor` is a pooling factor instead of the model's own.
    """
    pooling = parts.compressor.encoder.pooling
    memory = (pooling.used or pooling.count) if isinstance(pooling, MemoryTokens) else 0
    return [int(rows) for rows in pooling.stage_lengths(torch.tensor([length + memory]), factor)]


def context_vectors(parts: Parts, batch: Workload) -> int:
    """Vectors M of one context, task token not counted."""
    return parts.compressor.compressed_length(batch.context_tokens, batch.factor)


def merged_positions(parts: Parts, decoder: str, batch: Workload) -> int:
    """T, positions of one sample in the decoder's input."""
    extra = parts.compressor.head(decoder).extra_vectors()
    return batch.contexts * (context_vectors(parts, batch) + extra) + batch.plain_tokens + batch.targets
