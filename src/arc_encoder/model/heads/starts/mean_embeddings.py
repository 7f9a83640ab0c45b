"""Vectors begin as the mean of the token embeddings that they stand for, in the decoder's embedding space.

Shape legend: N tokens, C contexts, M vectors, D encoder width, E decoder width.

Where encoder and decoder are the same model the map is the identity, and a vector begins as the mean of the
decoder's own embeddings. Otherwise it is the linear map that carries the encoder's embeddings of the common
vocabulary nearest to the decoder's: ridge regression in closed form, its strength chosen by generalised
cross-validation (Golub, Heath and Wahba, 1979), so that few common tokens are not learnt by heart.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arc_encoder.model.heads.starts.base import Start
from arc_encoder.model.heads.starts.vocabulary import SharedVocabulary

STRENGTHS = torch.logspace(-9, 1, 41, dtype=torch.float64)  # of the ridge, in mean eigenvalues


class MeanEmbeddings(Start):
    """A linear map in_dim → out_dim of the mean embedding, trained with the projector.

    Args:
        in_dim: width D of the encoder's token embeddings.
        out_dim: width E of the decoder's.
        vocabulary: rows V of the encoder's token embeddings.
    """

    def __init__(self, in_dim: int, out_dim: int, vocabulary: int = 0) -> None:
        super().__init__(in_dim, out_dim, vocabulary)
        self.map = nn.Linear(in_dim, out_dim, bias=False)

    @torch.no_grad()
    def fit(self, shared: SharedVocabulary) -> None:
        self.map.weight.copy_(ridge(shared.encoder.double(), shared.decoder.double()).T)

    def forward(self, means: Tensor) -> Tensor:
        return self.map(means)


def ridge(inputs: Tensor, outputs: Tensor) -> Tensor:
    """The (D, E) matrix W that brings `inputs` (N, D) · W near to `outputs` (N, E)."""
    rows = len(inputs)
    values, vectors = torch.linalg.eigh(inputs.T @ inputs)
    values = values.clamp(min=0)
    rotated = vectors.T @ (inputs.T @ outputs)
    energy = rotated.square().sum(1)
    shift = STRENGTHS.to(values)[:, None] * values.mean()  # (strengths, 1)
    kept = values / (values + shift)
    explained = (energy * (2 - kept) / (values + shift)).sum(1)
    residual = (outputs.square().sum() - explained).clamp(min=0)
    freedom = (1 - kept.sum(1) / rows).clamp(min=1e-6)
    best = int((residual / freedom.square()).argmin())
    return vectors @ (rotated / (values + shift[best])[:, None])
