"""Mean pooling, the method's default (Pilchen et al., 2025, §3.2)."""

from __future__ import annotations

from torch import Tensor

from arc_encoder.model.encoder.pooling.base import Pooling


class MeanPooling(Pooling):
    """Each vector starts from the average of its group."""

    def reduce(self, grouped: Tensor, mask: Tensor) -> Tensor:
        return grouped.sum(2) / mask.sum(2, keepdim=True).clamp(min=1)
