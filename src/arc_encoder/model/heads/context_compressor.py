"""What is asked of whatever turns contexts into vectors in front of a decoder: a trained ARC-Encoder, or a baseline."""

from __future__ import annotations

from typing import Any, Protocol


class Projecting(Protocol):
    """The last step to a decoder's embeddings."""

    @property
    def out_dim(self) -> int:
        """Width E of the vectors."""


class ReadingHead(Protocol):
    """What belongs to one decoder."""

    @property
    def projector(self) -> Projecting:
        """Gives vectors of the decoder's width."""

    @property
    def adapter(self) -> Any:
        """Changes to the decoder that a baseline trains; None for none."""

    def extra_vectors(self) -> int:
        """Vectors that are added to each context, such as a task token."""


class ContextCompressor(Protocol):
    """Contexts (C, L) → vectors (C, M, E) and counts (C,) when it is called."""

    config: Any  # with `rotary_scaling` and `heads`

    @property
    def overall_factor(self) -> int | None:
        """Its own pooling factor; None if it has none."""

    def head(self, decoder: str) -> ReadingHead:
        """What belongs to the decoder called `decoder`."""

    def compressed_length(self, tokens: int, factor: float | None = None) -> int:
        """Vectors of a context of `tokens` tokens, without what a head adds."""
