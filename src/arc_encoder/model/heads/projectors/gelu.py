"""Two linear maps with an activation between them, as in xRAG's bridge (Cheng et al., 2024)."""

from __future__ import annotations

from torch import Tensor, nn

from arc_encoder.model.heads.projectors.mlp import MLPProjector


class GeluProjector(MLPProjector):
    """in_dim → bottleneck → GELU → out_dim; see `MLPProjector`."""

    def forward(self, vectors: Tensor) -> Tensor:
        return self.layer2(nn.functional.gelu(self.layer1(vectors)))
