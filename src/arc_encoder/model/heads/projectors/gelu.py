"""Two linear maps with an activation between them, as in xRAG's bridge (Cheng et al., 2024)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.heads.projectors.base import Projector


class GeluProjector(Projector):
    """in_dim → bottleneck → GELU → out_dim.

    Args:
        in_dim: encoder width.
        out_dim: decoder width.
        bottleneck: width between the two maps.
    """

    last_matrix: ClassVar[str | None] = "layer2"

    def __init__(self, in_dim: int, out_dim: int, bottleneck: int = 2048) -> None:
        super().__init__(in_dim, out_dim)
        if bottleneck < 1:
            raise ConfigError(f"projector: bottleneck={bottleneck} must be at least 1")
        self.bottleneck = bottleneck
        self.layer1 = nn.Linear(in_dim, bottleneck, bias=False)
        self.layer2 = nn.Linear(bottleneck, out_dim, bias=False)
        self.reset_parameters()

    def forward(self, vectors: Tensor) -> Tensor:
        return self.layer2(nn.functional.gelu(self.layer1(vectors)))
