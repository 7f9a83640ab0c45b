"""The method's projector behind an RMSNorm."""

from __future__ import annotations

from torch import Tensor, nn

from arc_encoder.model.heads.projectors.mlp import MLPProjector


class RMSProjector(MLPProjector):
    """RMSNorm, then in_dim → bottleneck → out_dim.

    Args:
        in_dim: encoder width.
        out_dim: decoder width.
        bottleneck: width between the two maps.
        eps: added to the mean square inside the norm.
    """

    def __init__(self, in_dim: int, out_dim: int, bottleneck: int = 2048, eps: float = 1e-5) -> None:
        super().__init__(in_dim, out_dim, bottleneck)
        self.eps = eps
        self.norm = nn.RMSNorm(in_dim, eps=eps)

    def forward(self, vectors: Tensor) -> Tensor:
        return super().forward(self.norm(vectors))
