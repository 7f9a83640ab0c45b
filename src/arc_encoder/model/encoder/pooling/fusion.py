"""Fusion pooling: the mean, with the length of the group's longest member."""

from __future__ import annotations

from torch import Tensor

from arc_encoder.model.encoder.pooling.base import Pooling


class FusionPooling(Pooling):
    """Each vector is the group's mean rescaled to its largest L2 norm (the norm carries no gradient)."""

    def reduce(self, grouped: Tensor, mask: Tensor) -> Tensor:
        mean = grouped.sum(2) / mask.sum(2, keepdim=True).clamp(min=1)
        longest = grouped.detach().norm(dim=-1).amax(2, keepdim=True)
        return mean * (longest / mean.detach().norm(dim=-1, keepdim=True).clamp(min=1e-12))
