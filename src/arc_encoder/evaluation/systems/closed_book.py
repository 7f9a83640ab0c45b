"""Closed-book: no documents."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.segments import Segment
from arc_encoder.evaluation.systems.base import System


class ClosedBook(System):
    """The decoder sees questions and answers alone."""

    uses_query = False

    def present(
        self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
    ) -> Segment | None:
        return None
