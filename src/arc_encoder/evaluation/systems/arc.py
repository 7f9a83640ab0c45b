"""The ARC-Encoder: documents as compressed vectors."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from arc_encoder.evaluation.systems.base import System
from arc_encoder.segments import Role, Segment


class Arc(System):
    """Every document, those of the examples too, is compressed."""

    needs_compressor = True

    def present(self, document: str, budget: int, tokenizer: PreTrainedTokenizerBase) -> Segment | None:
        return Segment(document, Role.CONTEXT)
