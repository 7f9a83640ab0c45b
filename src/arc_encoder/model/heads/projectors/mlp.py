"""The method's projector: two linear maps without bias and without activation (Pilchen et al., 2025, §3.2)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from arc_encoder.core.errors import at_least
from arc_encoder.model.heads.projectors.base import Projector


class MLPProjector(Projector):
    """in_dim → bottleneck → out_dim; the bottleneck is what stored representations keep.

    Args:
        in_dim: encoder width.
        out_dim: decoder width.
        bottleneck: width between the two maps.
    """

    last_matrix: ClassVar[str | None] = "layer2"

    def __init__(self, in_dim: int, out_dim: int, bottleneck: int = 2048) -> None:
        super().__init__(in_dim, out_dim)
        at_least(1, "projector", bottleneck=bottleneck)
        self.bottleneck = bottleneck
        self.layer1 = nn.Linear(in_dim, bottleneck, bias=False)
        self.layer2 = nn.Linear(bottleneck, out_dim, bias=False)
        self.reset_parameters()

    def forward(self, vectors: Tensor) -> Tensor:
        return self.layer2(self.layer1(vectors))
