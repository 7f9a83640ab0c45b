"""K-means pooling: a vector for each cluster of similar states, wherever its members are.

Shape legend: C contexts, L tokens, M clusters, D width.

One of the compared variants (Pilchen et al., 2025, §3.2). Its groups are not made of
neighbours, so no place in the text belongs to a vector, and a causal mask has no meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from arc_encoder.core.errors import at_least
from arc_encoder.model.encoder.pooling.base import Pooling, Where
from arc_encoder.model.encoder.pooling.grouping import balanced_groups


class KMeansPooling(Pooling):
    """Each vector starts from the average of a cluster that Lloyd's steps find; nothing is drawn at random.

    The clusters start from the means of the balanced groups of neighbours, and come in the order
    of their first members. One that loses all its members becomes its group of neighbours again.
    Who belongs to which cluster is a constant for the gradient, which goes to the members.

    Args:
        factor: see `Pooling`.
        schedule: see `Pooling`.
        where: see `Pooling`.
        iterations: Lloyd's steps at most; it ends earlier when no token changes its cluster.

    Raises:
        ConfigError: fewer than one step.
    """

    contiguous: ClassVar[bool] = False

    def __init__(
        self, factor: int = 4, schedule: Sequence[int] | None = None, where: Where = "queries", iterations: int = 10
    ) -> None:
        super().__init__(factor, schedule, where)
        at_least(1, "k-means pooling", "; for groups of neighbours choose mean pooling", iterations=iterations)
        self.iterations = iterations

    def forward(self, hidden: Tensor, lengths: Tensor, counts: Tensor) -> Tensor:
        """Pool `hidden` (C, L, D) with `lengths` (C,) rows into (C, max counts, D)."""
        if torch.equal(lengths, counts):  # every token is a cluster of its own
            return hidden[:, : int(counts.max())]
        real = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
        hidden = hidden.masked_fill(~real[..., None], 0)
        with torch.autocast(hidden.device.type, enabled=False):
            members = in_order(self._clusters(hidden.detach().float(), lengths, counts))
            return average(members, hidden)

    def _clusters(self, states: Tensor, lengths: Tensor, counts: Tensor) -> Tensor:
        """The members (C, M, L) of each cluster of `states` (C, L, D); none where there is no cluster."""
        start = neighbours(lengths, counts, states.shape[1])
        exists, real = start.any(2), start.any(1)
        number = torch.arange(start.shape[1], device=states.device)[:, None]
        members, before = start, None
        for _ in range(self.iterations):
            centres = average(members, states)
            far = torch.cdist(states, centres, compute_mode="donot_use_mm_for_euclid_dist")  # (C, L, M)
            nearest = far.masked_fill(~exists[:, None], torch.inf).argmin(2)
            found = (nearest[:, None] == number) & real[:, None]
            members = torch.where(found.any(2, keepdim=True), found, start)
            if before is not None and torch.equal(nearest, before):
                break
            before = nearest
        return members


def neighbours(lengths: Tensor, counts: Tensor, width: int) -> Tensor:
    """The balanced groups as members (C, M, L), with L = `width`."""
    groups = balanced_groups(lengths, counts)
    ends = groups.ends[..., None]
    place = torch.arange(width, device=lengths.device)
    return (place < ends) & (place >= ends - groups.mask.sum(2, keepdim=True))


def in_order(members: Tensor) -> Tensor:
    """Clusters (C, M, L) sorted by their first members; those without members come last."""
    width = members.shape[2]
    place = torch.arange(width, device=members.device)
    first = torch.where(members, place, width).amin(2)
    return members.take_along_dim(first.argsort(dim=1, stable=True)[..., None], dim=1)


def average(members: Tensor, rows: Tensor) -> Tensor:
    """Mean (C, M, D) of the members (C, M, L) among `rows` (C, L, D), in the dtype of `rows`; zero without members."""
    dtype = torch.promote_types(rows.dtype, torch.float32)  # sums of half precision are taken in float32
    sums = members.to(dtype) @ rows.to(dtype)
    return (sums / members.sum(2, keepdim=True).clamp(min=1)).to(rows.dtype)
