"""Open-book: documents as text."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.segments import Role, Segment
from arc_encoder.evaluation.systems.base import System


class OpenBook(System):
    """The decoder reads every document as it is."""

    uses_query = False

    def present(
        self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
    ) -> Segment | None:
        return Segment(document, Role.PLAIN)
