"""Sum pooling."""

from __future__ import annotations

from torch import Tensor

from arc_encoder.model.encoder.pooling.base import Pooling


class SumPooling(Pooling):
    """Each vector starts from the sum of its group."""

    def reduce(self, grouped: Tensor, mask: Tensor) -> Tensor:
        return grouped.sum(2)
