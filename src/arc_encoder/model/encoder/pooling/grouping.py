"""Balanced groups of consecutive tokens, for a whole batch at once.

Shape legend: C contexts, L tokens, M groups, G tokens of the largest group, D width.

n tokens pooled by x form m = ceil(n/x) groups whose sizes differ by at most one, the
larger ones first: n=10, x=4 → [4, 3, 3] (Pilchen et al., 2025, §3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDING = 1e-9  # 7 / 1.4 is 5 groups, though its quotient is a little more


@dataclass(frozen=True)
class Groups:
    """Which tokens form which group.

    Attributes:
        index: (C, M, G) token index; padding repeats a valid index.
        mask: (C, M, G) True where `index` is a member of the group.
        ends: (C, M) index after the group's last token (0 for a group that does not exist).
    """

    index: Tensor
    mask: Tensor
    ends: Tensor


def group_counts(lengths: Tensor, factor: float) -> Tensor:
    """Number of groups, ceil(n / factor), for each length in `lengths` (any shape).

    A factor need not be whole: while it grows, 10 tokens pooled by 2.5 form 4 groups.
    """
    if factor == int(factor):
        return (lengths + int(factor) - 1) // int(factor)
    counts = torch.ceil(lengths.double() / factor - ROUNDING).long()
    return torch.where(lengths > 0, counts.clamp(min=1), 0)


def balanced_groups(lengths: Tensor, counts: Tensor) -> Groups:
    """Split n tokens into m balanced groups, for each context.

    Args:
        lengths: (C,) number of tokens n.
        counts: (C,) number of groups m, with 1 ≤ m ≤ n.
    """
    widest = int(counts.max())
    number = torch.arange(widest, device=lengths.device)[None]  # (1, M)
    size, larger = (lengths // counts)[:, None], (lengths % counts)[:, None]
    starts = number * size + torch.minimum(number, larger)
    sizes = (size + (number < larger)) * (number < counts[:, None])
    member = torch.arange(int(sizes.max()), device=lengths.device)
    mask = member < sizes[..., None]
    index = torch.where(mask, starts[..., None] + member, 0)
    return Groups(index, mask, (starts + sizes) * (sizes > 0))


def gather_groups(hidden: Tensor, groups: Groups) -> Tensor:
    """Rows of `hidden` (C, L, D) arranged by group: (C, M, G, D), zero where there is no member."""
    contexts = torch.arange(hidden.shape[0], device=hidden.device)[:, None, None]
    return hidden[contexts, groups.index] * groups.mask[..., None]
