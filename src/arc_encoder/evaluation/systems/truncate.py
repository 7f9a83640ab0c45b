"""Truncation: as many tokens of the document as the ARC-Encoder would use vectors, or as fit the window."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from arc_encoder.errors import ConfigError
from arc_encoder.evaluation.systems.base import System
from arc_encoder.segments import Role, Segment


class Truncate(System):
    """Keeps the document's first tokens.

    Args:
        tokens: how many, for each document; None takes the budget of the compressed vectors (task token counted).

    Raises:
        ConfigError: fewer than one token.
    """

    def __init__(self, tokens: int | None = None) -> None:
        if tokens is not None and tokens < 1:
            raise ConfigError(f"truncate: tokens={tokens} must be at least 1, or null for the ARC-Encoder's budget")
        self.tokens = tokens
        self.needs_compressor = self.needs_budget = tokens is None

    def present(self, document: str, budget: int, tokenizer: PreTrainedTokenizerBase) -> Segment | None:
        ids = tokenizer(document, add_special_tokens=False)["input_ids"]
        return Segment(str(tokenizer.decode(ids[: self.tokens or budget])), Role.PLAIN)
