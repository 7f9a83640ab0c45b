"""Last-token pooling: the group's last token asks for the whole group."""

from __future__ import annotations

import torch
from torch import Tensor

from arc_encoder.model.encoder.pooling.base import Pooling


class LastPooling(Pooling):
    """Each vector starts from the last token of its group."""

    def reduce(self, grouped: Tensor, mask: Tensor) -> Tensor:
        last = (mask.sum(2) - 1).clamp(min=0)[..., None, None]
        return torch.take_along_dim(grouped, last, dim=2).squeeze(2)
