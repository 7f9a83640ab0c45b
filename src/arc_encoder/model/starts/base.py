"""What a start is: what a compressed vector begins as, before anything is learned.

Shape legend: C contexts, L tokens, M vectors, D encoder width, E decoder width, W width of what is averaged.

The projector's output is added to it, and begins at zero. So a frozen decoder sees something that it can read
from the first step on, and the encoder learns what to change, rather than everything at once.

To add one: subclass `Start`, and name the class in a YAML file of `configs/model/start`. Constructor arguments
must be stored under their own names.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from arc_encoder.errors import CheckpointError
from arc_encoder.model.starts.vocabulary import SharedVocabulary


class Start(nn.Module):
    """Base class: the mean of something over each group of neighbouring tokens (C, M, W) → (C, M, out_dim).

    Args:
        in_dim: width D of the encoder's token embeddings.
        out_dim: width E of the decoder's.
        vocabulary: rows V of the encoder's token embeddings.
    """

    registry: ClassVar[dict[str, type[Start]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Start.registry[cls.__name__] = cls

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

    def settings(self) -> dict[str, Any]:
        """Constructor arguments, widths included, as plain values that JSON can hold."""
        return {
            name: getattr(self, name) for name in inspect.signature(type(self).__init__).parameters if name != "self"
        }

    @classmethod
    def from_settings(cls, name: str, settings: dict[str, Any]) -> Start:
        """Build the start called `name`; only classes that are already imported are considered.

        Raises:
            CheckpointError: no such start is known.
        """
        if name not in cls.registry:
            known = ", ".join(sorted(cls.registry))
            raise CheckpointError(
                f"start {name!r} is unknown here; import the module that defines it first. Known: {known}"
            )
        return cls.registry[name](**settings)
