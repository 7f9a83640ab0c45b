"""Rotary layouts: interleaved pairs (Meta, Mistral, released encoders) and half-split (Hugging Face).

Shape legend: H heads, P rows of a head, D input width.
"""

from __future__ import annotations

from torch import Tensor


def half_split(weight: Tensor, heads: int) -> Tensor:
    """Rows of a query or key projection (H · P, D) from interleaved pairs to two halves a head."""
    rows, width = weight.shape
    return weight.view(heads, rows // heads // 2, 2, width).transpose(1, 2).reshape(rows, width)


def interleaved(weight: Tensor, heads: int) -> Tensor:
    """The inverse of `half_split`."""
    rows, width = weight.shape
    return weight.view(heads, 2, rows // heads // 2, width).transpose(1, 2).reshape(rows, width)
