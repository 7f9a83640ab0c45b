"""The ARC-Encoder, and everything else that a training of this project makes: documents as compressed vectors."""

from __future__ import annotations

from dataclasses import replace

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.segments import Role, Segment
from arc_encoder.data.batching.collator import ArcCollator
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems.base import System
from arc_encoder.model.checkpoint.loading import load_arc_encoder
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel


class Arc(System):
    """Every document, those of the examples too, is compressed.

    Args:
        checkpoint: folder of a trained compressor of its own, so that several can be compared at once;
            None takes the one that the command was given.
        encoder_tokenizer: folder or hub name of its tokenizer, if it is not there.
    """

    needs_compressor = True
    uses_query = False
    own_models = ("_loaded",)

    def __init__(self, checkpoint: str | None = None, encoder_tokenizer: str | None = None) -> None:
        self.checkpoint, self.encoder_tokenizer = checkpoint, encoder_tokenizer
        self.needs_checkpoint = checkpoint is None
        self._loaded: tuple[ArcEncoderModel, PreTrainedTokenizerBase] | None = None

    def open(self, session: Session) -> Session:
        if self.checkpoint is None:
            return session
        if self._loaded is None:
            self._loaded = load_arc_encoder(self.checkpoint, tokenizer=self.encoder_tokenizer)
        model, tokenizer = self._loaded
        return replace(session.with_compressor(model), collator=ArcCollator(tokenizer, session.collator.decoders))

    def own_factor(self, session: Session) -> int | None:
        return self.open(session).trained_factor

    def present(
        self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
    ) -> Segment | None:
        return Segment(document, Role.CONTEXT)
