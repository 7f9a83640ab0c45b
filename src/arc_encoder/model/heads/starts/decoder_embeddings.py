"""Vectors begin as the mean of the decoder's own embeddings of the tokens that they stand for, looked up in a table.

Shape legend: C contexts, L tokens, M vectors, V tokens of the encoder, E decoder width.

A linear map between two embedding spaces (`mean_embeddings`) is only as good as the smaller width allows; where it
tells half of the tokens apart, a decoder that reads through it guesses the others. A table is exact for every token
that both tokenizers know, and costs V · E numbers for each decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from arc_encoder.core.errors import at_least
from arc_encoder.model.heads.starts.base import Start
from arc_encoder.model.heads.starts.vocabulary import SharedVocabulary


class DecoderEmbeddings(Start):
    """A table V → out_dim, trained with the projector (`optim.start_lr`).

    Args:
        in_dim: width D of the encoder's token embeddings.
        out_dim: width E of the decoder's.
        vocabulary: rows V of the encoder's token embeddings.

    Raises:
        ConfigError: no vocabulary.
    """

    def __init__(self, in_dim: int, out_dim: int, vocabulary: int = 0) -> None:
        super().__init__(in_dim, out_dim, vocabulary)
        at_least(1, "DecoderEmbeddings", ", the encoder's tokens", vocabulary=vocabulary)
        self.table = nn.Embedding(vocabulary, out_dim)

    @torch.no_grad()
    def fit(self, shared: SharedVocabulary) -> None:
        self.table.weight.copy_(shared.decoder_for_each)

    def embed(self, ids: Tensor, embeddings: nn.Module) -> Tensor:
        found: Tensor = self.table(ids)
        return found

    def forward(self, means: Tensor) -> Tensor:
        return means
