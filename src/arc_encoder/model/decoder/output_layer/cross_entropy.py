"""Cross-entropy over a vocabulary, some rows at a time, which keeps one logit where PyTorch keeps three float32 numbers.

PyTorch's own makes a float32 copy of half-precision logits, keeps their log-probabilities for the backward pass, and
makes their gradient from these in float32 again. Here the logits and one float32 number a row are kept, and blocks of
rows are computed in float32 while they go by; sums are the same up to rounding in float32.

Shape legend: N targets, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 2**21  # logits that are computed in float32 at once


def cross_entropies(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each target, in nats.

    Args:
        logits: (N, V), of any floating dtype.
        targets: (N,) token ids.

    Returns:
        (N,) float32; float64 of float64 logits.
    """
    losses: Tensor = _CrossEntropies.apply(logits, targets)
    return losses


class _CrossEntropies(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        exact = torch.promote_types(logits.dtype, torch.float32)
        norms = torch.empty(len(logits), dtype=exact, device=logits.device)
        for rows in _blocks(logits):
            norms[rows] = logits[rows].to(exact).logsumexp(-1)
        ctx.save_for_backward(logits, targets, norms)
        return norms - logits.gather(1, targets[:, None])[:, 0].to(exact)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor) -> tuple[Tensor, None]:
        logits, targets, norms = ctx.saved_tensors
        found = torch.empty_like(logits)
        for rows in _blocks(logits):
            block = (logits[rows].to(norms.dtype) - norms[rows, None]).exp_()
            block.scatter_add_(1, targets[rows, None], block.new_full((1, 1), -1).expand(len(block), 1))
            found[rows] = block.mul_(gradients[rows, None])
        return found, None


def _blocks(logits: Tensor) -> Iterator[slice]:
    size = max(1, BLOCK // max(1, logits.shape[-1]))
    return (slice(start, start + size) for start in range(0, len(logits), size))
