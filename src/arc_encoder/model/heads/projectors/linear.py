"""A projector of one matrix."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from arc_encoder.model.heads.projectors.base import Projector


class LinearProjector(Projector):
    """in_dim → out_dim, one linear map without bias."""

    last_matrix: ClassVar[str | None] = "layer1"

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__(in_dim, out_dim)
        self.layer1 = nn.Linear(in_dim, out_dim, bias=False)
        self.reset_parameters()

    def forward(self, vectors: Tensor) -> Tensor:
        return self.layer1(vectors)
