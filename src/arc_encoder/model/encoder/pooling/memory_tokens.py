"""Memory tokens: learned vectors appended to the context, whose last states are the output.

The number of vectors is fixed, whatever the context's length (the ICAE-style baseline of
Pilchen et al., 2025, §4.3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.model.encoder.pooling.base import Pooling


class MemoryTokens(Pooling):
    """Appends `count` learned vectors to every context and returns their final states.

    Args:
        count: number of memory tokens, and so of compressed vectors.
        used: how many of them are used, the first ones; None uses all. May be lowered at inference.
    """

    def __init__(self, count: int = 16, used: int | None = None) -> None:
        super().__init__(factor=1)
        at_least(1, "memory tokens", count=count)
        if used is not None and not 1 <= used <= count:
            raise ConfigError(f"memory tokens: used={used} must be between 1 and count={count}")
        self.count, self.used = count, used

    def check_start(self) -> None:
        raise ConfigError(
            "memory tokens do not go with a start: each stands for the whole context, so no mean of embeddings belongs to it; "
            "choose no start or another pooling"
        )

    def setup(self, width: int) -> None:
        self.embeddings = nn.Parameter(torch.ones(self.count, width))

    @property
    def overall_factor(self) -> int | None:
        return None

    def factors(self, factor: float | None = None) -> list[float]:
        if factor is not None:
            raise ConfigError(f"memory tokens have no pooling factor (asked for {factor}); lower `used` instead")
        return []

    def output_lengths(self, lengths: Tensor, factor: float | None = None) -> Tensor:
        self.factors(factor)
        return torch.full_like(lengths, self.used or self.count)

    def extend(self, embeddings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        used = self.used or self.count
        contexts, _, width = embeddings.shape
        rows = torch.arange(contexts, device=lengths.device)[:, None]
        places = lengths[:, None] + torch.arange(used, device=lengths.device)
        longer = torch.cat([embeddings, embeddings.new_zeros(contexts, used, width)], dim=1)
        memory = self.embeddings[:used].to(embeddings.dtype).expand(contexts, used, width)
        return longer.index_put((rows.expand_as(places), places), memory), lengths + used

    def select(self, hidden: Tensor, lengths: Tensor, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
        used = self.used or self.count
        places = (lengths - used)[:, None] + torch.arange(used, device=lengths.device)
        return torch.take_along_dim(hidden, places[..., None], dim=1), torch.full_like(lengths, used)
