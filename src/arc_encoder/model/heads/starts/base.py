"""What a start is: what a compressed vector begins as, before anything is learned.

Shape legend: C contexts, L tokens, M vectors, D encoder width, E decoder width, W width of what is averaged.

The projector's output is added to it, and begins at zero. So a frozen decoder sees something that it can read
from the first step on, and the encoder learns what to change, rather than everything at once.

To add one: subclass `Start`, and name the class in a YAML file of `configs/model/start`. Constructor arguments
must be stored under their own names.
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from arc_encoder.core.registry import Registered
from arc_encoder.model.heads.starts.vocabulary import SharedVocabulary


class Start(Registered, nn.Module, kind="start"):
    """Base class: the mean of something over each group of neighbouring tokens (C, M, W) → (C, M, out_dim).

    Args:
        in_dim: width D of the encoder's token embeddings.
        out_dim: width E of the decoder's.
        vocabulary: rows V of the encoder's token embeddings.
    """

    def __init__(self, in_dim: int, out_dim: int, vocabulary: int = 0) -> None:
        super().__init__()
        self.in_dim, self.out_dim, self.vocabulary = in_dim, out_dim, vocabulary

    @abstractmethod
    def fit(self, shared: SharedVocabulary) -> None:
        """Set the starting weights from the embeddings of what both models know."""

    def embed(self, ids: Tensor, embeddings: nn.Module) -> Tensor:
        """What is averaged: token ids (C, L) → (C, L, W). By default the encoder's own `embeddings`, W = D."""
        found: Tensor = embeddings(ids)
        return found

    @abstractmethod
    def forward(self, means: Tensor) -> Tensor:
        """Means (C, M, W) → what the vectors begin as, (C, M, E)."""
