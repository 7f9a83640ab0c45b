"""A beginning that many prompts share: the decoder reads it once and keeps its keys and values.

Shape legend: B prompts, T positions, P positions of the shared beginning, E decoder width.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SHORTEST = 16  # positions; reading fewer once is not worth copying them


@dataclass(frozen=True)
class Prefix:
    """A beginning that was read.

    Attributes:
        length: its positions P.
    """

    cache: Any
    length: int

    def for_rows(self, rows: int) -> Any:
        """A copy of the cache for so many rows, which generation may add to."""
        repeated = copy.deepcopy(self.cache)
        repeated.batch_repeat_interleave(rows)
        return repeated


def left_padded(embeddings: Tensor, mask: Tensor, prefix: int) -> tuple[Tensor, Tensor]:
    """Move the padding from the end of every row to right behind the shared beginning.

    Args:
        embeddings: (B, T, E), padded on the right.
        mask: (B, T) True at real positions.
        prefix: P, real in every row.

    Returns:
        embeddings and mask of the same shapes.
    """
    place = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    shift = (mask.shape[1] - mask.sum(1))[:, None]
    source = torch.where(place < prefix, place, place - shift)
    real = (place < prefix) | (source >= prefix)
    source = torch.where(real, source, 0)
    moved = embeddings.gather(1, source[..., None].expand_as(embeddings)) * real[..., None]
    return moved, real


def shared_beginning(embeddings: Tensor, mask: Tensor) -> int:
    """Positions that open every row alike, bit for bit, such as few-shot examples that all prompts share.

    Args:
        embeddings: (B, T, E), padded on the right.
        mask: (B, T) True at real positions.

    Returns:
        P, at least one less than the shortest row has, so that each keeps something to read; 0 below `SHORTEST`, and for
        a single row.
    """
    if len(embeddings) < 2:
        return 0
    limit = int(mask.sum(1).min()) - 1
    alike = (embeddings[:, :limit] == embeddings[:1, :limit]).all(-1).all(0)
    length = int(alike.long().cumprod(0).sum())
    return length if length >= SHORTEST else 0


def counts_slots(config: Any) -> bool:
    """Whether a model's attention counts places instead of positions, so that padding in a prompt's middle changes it.

    So do sliding windows, and MPT's biases.
    """
    text = config.get_text_config()
    return getattr(text, "sliding_window", None) is not None or text.model_type == "mpt"
