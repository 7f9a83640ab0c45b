"""A floor without any training: the decoder's own token embeddings, averaged in groups."""

from __future__ import annotations

from dataclasses import replace

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.segments import Role, Segment
from arc_encoder.data.batching.collator import ArcCollator
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems.base import System
from arc_encoder.evaluation.systems.baselines.averaging import EmbeddingAverage


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
