"""Truncation: as many tokens of the document as the ARC-Encoder would use vectors."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from arc_encoder.evaluation.systems.base import System
from arc_encoder.segments import Role, Segment


class Truncate(System):
    """Keeps the document's first tokens, within the budget of the compressed vectors (task token counted)."""

    needs_compressor = True
    needs_budget = True

    def present(self, document: str, budget: int, tokenizer: PreTrainedTokenizerBase) -> Segment | None:
        ids = tokenizer(document, add_special_tokens=False)["input_ids"]
        return Segment(str(tokenizer.decode(ids[:budget])), Role.PLAIN)
