"""Putting compressed vectors between text embeddings.

Shape legend: B samples, S text tokens, T merged positions, C contexts, M vectors, E width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from arc_encoder.core.errors import DataError


@dataclass(frozen=True)
class Layout:
    """The place of everything in the merged sequences.

    Attributes:
        text_positions: (B, S) merged position of each text token.
        text_valid: (B, S) True for real text tokens.
        vector_positions: (C, M) merged position of each compressed vector.
        vector_valid: (C, M) True for real vectors.
        vector_rows: (C,) sample of each context.
        mask: (B, T) True where the merged sequence holds something.
    """

    text_positions: Tensor
    text_valid: Tensor
    vector_positions: Tensor
    vector_valid: Tensor
    vector_rows: Tensor
    mask: Tensor


def lay_out(text_lengths: Tensor, counts: Tensor, rows: Tensor, positions: Tensor, *, pad_left: bool = False) -> Layout:
    """Compute the merged layout of a batch.

    Args:
        text_lengths: (B,) text tokens of each sample.
        counts: (C,) vectors of each context.
        rows: (C,) sample of each context, not decreasing.
        positions: (C,) text tokens of that sample before the context.
        pad_left: pad sequences on the left (for generation) instead of the right.

    Raises:
        DataError: a context that is outside its sample's text.
    """
    if bool((positions > text_lengths[rows]).any()):
        raise DataError(
            f"contexts come after {positions.tolist()} text tokens, but their samples have {text_lengths[rows].tolist()}"
        )
    samples, width = len(text_lengths), int(text_lengths.max()) if len(text_lengths) else 0
    inserted = torch.zeros(samples, width + 1, dtype=torch.long, device=counts.device)
    inserted = inserted.index_put((rows, positions), counts, accumulate=True).cumsum(1)
    totals = text_lengths + inserted[:, -1]
    length = int(totals.max())
    offset = (length - totals if pad_left else torch.zeros_like(totals))[:, None]
    place = torch.arange(width, device=counts.device)
    before = counts.cumsum(0) - counts  # vectors of all contexts before this one
    row_base = (inserted[:, -1].cumsum(0) - inserted[:, -1])[rows]
    start = positions + before - row_base
    vector = torch.arange(int(counts.max()) if len(counts) else 0, device=counts.device)
    merged = torch.arange(length, device=counts.device)
    return Layout(
        text_positions=place + inserted[:, :width] + offset,
        text_valid=place < text_lengths[:, None],
        vector_positions=start[:, None] + vector + offset[rows],
        vector_valid=vector < counts[:, None],
        vector_rows=rows,
        mask=(merged >= offset) & (merged < offset + totals[:, None]),
    )


def splice(text: Tensor, vectors: Tensor, layout: Layout) -> Tensor:
    """Merge text embeddings (B, S, E) and vectors (C, M, E) into (B, T, E).

    Raises:
        DataError: the number of vectors is not the number that the layout expects.
    """
    if vectors.shape[:2] != layout.vector_valid.shape:
        raise DataError(
            f"the layout has room for {tuple(layout.vector_valid.shape)} (contexts, vectors), "
            f"but {tuple(vectors.shape[:2])} were given"
        )
    samples, length = layout.mask.shape
    rows = torch.arange(samples, device=text.device)[:, None].expand_as(layout.text_positions)
    merged = text.new_zeros(samples, length, text.shape[-1])
    text_valid = layout.text_valid
    merged = merged.index_put(
        (rows[text_valid], layout.text_positions[text_valid]), text[:, : text_valid.shape[1]][text_valid]
    )
    if vectors.numel() == 0:
        return merged
    valid = layout.vector_valid
    vector_rows = layout.vector_rows[:, None].expand_as(valid)
    return merged.index_put((vector_rows[valid], layout.vector_positions[valid]), vectors[valid].to(merged.dtype))


def text_mask(layout: Layout) -> Tensor:
    """(B, T) True at text positions."""
    mask = torch.zeros_like(layout.mask)
    rows = torch.arange(len(layout.mask), device=layout.mask.device)[:, None].expand_as(layout.text_positions)
    mask[rows[layout.text_valid], layout.text_positions[layout.text_valid]] = True
    return mask


def prediction_mask(layout: Layout, target_mask: Tensor) -> Tensor:
    """(B, T) True at the positions whose logits predict the targets: the one before each target.

    A target right after a context is predicted from the context's last vector, as at
    inference when a prompt ends in a context.

    Raises:
        DataError: a target at the very start of a sequence, which nothing predicts.
    """
    target_mask = target_mask[:, : layout.text_positions.shape[1]]  # beyond is padding
    positions = layout.text_positions[target_mask] - 1
    rows = target_mask.nonzero()[:, 0]
    if bool((positions < 0).any()) or not bool(layout.mask[rows, positions].all()):
        raise DataError(
            "a target is at the start of its sequence, where nothing predicts it; put BOS or text before it"
        )
    mask = torch.zeros_like(layout.mask)
    return mask.index_put((rows, positions), torch.ones_like(rows, dtype=torch.bool))
