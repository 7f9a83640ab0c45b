"""A floor without any training: the decoder's own token embeddings, averaged in groups.

Shape legend: C contexts, L tokens, M vectors, E decoder width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role, Segment, TaskToken
from arc_encoder.data.batching.collator import ArcCollator
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems.base import System
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.model.encoder.pooling.grouping import balanced_groups, gather_groups, group_counts


class AveragedEmbeddings(System):
    """Every document becomes ⌈n/x⌉ means of x neighbouring token embeddings of the decoder.

    Args:
        factor: x, where the command names none.
    """

    needs_compressor = True
    uses_query = False

    def __init__(self, factor: int = 4) -> None:
        self.factor = factor

    def open(self, session: Session) -> Session:
        texts = session.collator.decoders
        average = EmbeddingAverage(session.decoder, self.factor)
        collator = ArcCollator(texts[session.decoder_name].tokenizer, texts)
        return replace(session.with_compressor(average), collator=collator)

    def own_factor(self, session: Session) -> int | None:
        return self.factor

    def present(
        self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
    ) -> Segment | None:
        return Segment(document, Role.CONTEXT)


@dataclass(frozen=True)
class PlainHead:
    """A head that adds and changes nothing, and its own projector: vectors have the decoder's width already."""

    out_dim: int
    adapter: None = None

    @property
    def projector(self) -> PlainHead:
        """Itself."""
        return self

    def extra_vectors(self) -> int:
        """No task token."""
        return 0


@dataclass
class AnyDecoder:
    """Embeddings are averaged of whatever decoder there is."""

    rotary_scaling: bool = True
    heads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class EmbeddingAverage(nn.Module):
    """A `ContextCompressor` without any weight; contexts are ids of the decoder itself.

    Raises:
        ConfigError: a factor below 1.
    """

    def __init__(self, decoder: FrozenDecoder, factor: int) -> None:
        super().__init__()
        if factor < 1:
            raise ConfigError(f"pooling factor {factor} is not possible: give a whole number from 1 on")
        self._decoder = (decoder,)  # in a tuple, so that it is no part of this module
        self.factor = factor
        self.config = AnyDecoder()
        self.overall_factor = factor

    def head(self, decoder: str) -> PlainHead:
        """The same for every decoder."""
        return PlainHead(self._decoder[0].width)

    def compressed_length(self, tokens: int, factor: float | None = None) -> int:
        """Vectors of a context of `tokens` tokens."""
        return int(group_counts(torch.tensor(tokens), factor or self.factor))

    @torch.no_grad()
    def forward(
        self,
        context_ids: Tensor,
        context_lengths: Tensor,
        decoder: str,
        task_token: TaskToken = TaskToken.CONTINUE,
        factor: float | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Contexts (C, L) → means (C, M, E) and counts (C,)."""
        counts = group_counts(context_lengths, factor or self.factor)
        groups = balanced_groups(context_lengths, counts)
        members = gather_groups(self._decoder[0].embed(context_ids), groups)
        sizes = groups.mask.sum(2, keepdim=True).clamp(min=1)
        return members.sum(2) / sizes, counts
