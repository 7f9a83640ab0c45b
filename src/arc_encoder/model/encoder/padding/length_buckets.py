"""Encoding contexts in buckets of similar length, so that little is padded.

Shape legend: C contexts, L tokens of the longest, M vectors of the longest, D width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

WASTE = 0.1  # padding that is not worth another bucket, as a part of all slots

Encode = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def encode_in_buckets(encode: Encode, ids: Tensor, lengths: Tensor, max_buckets: int) -> tuple[Tensor, Tensor]:
    """Contexts (C, L) of `lengths` (C,) → vectors (C, M, D) and counts (C,), as `encode` gives them.

    Args:
        encode: (ids, lengths) → (vectors, counts), each context by itself.
        ids, lengths: padded on the right.
        max_buckets: largest number of buckets; 1 encodes all at once.
    """
    count = bucket_count(lengths.tolist(), max_buckets)
    if count == 1:
        return encode(ids, lengths)
    order = lengths.argsort(stable=True)
    parts = [encode(ids[part], lengths[part]) for part in order.tensor_split(count)]
    widest = max(vectors.shape[1] for vectors, _ in parts)
    padded = [nn.functional.pad(vectors, (0, 0, 0, widest - vectors.shape[1])) for vectors, _ in parts]
    back = order.argsort()
    return torch.cat(padded)[back], torch.cat([counts for _, counts in parts])[back]


def bucket_count(lengths: list[int], max_buckets: int) -> int:
    """The smallest number of buckets, up to `max_buckets`, in which at most a tenth is padding."""
    for count in range(1, min(max_buckets, len(lengths))):
        if sum(lengths) >= (1 - WASTE) * padded_tokens(lengths, count):
            return count
    return max(1, min(max_buckets, len(lengths)))


def padded_tokens(lengths: list[int], count: int) -> int:
    """Tokens that are computed for contexts of `lengths` in `count` buckets, padding included."""
    size, ordered = len(lengths), sorted(lengths)
    sizes = [size // count + (group < size % count) for group in range(count)]  # as `tensor_split` cuts
    ends = [sum(sizes[: group + 1]) for group in range(count)]
    return sum(width * ordered[end - 1] for width, end in zip(sizes, ends, strict=True) if width)
