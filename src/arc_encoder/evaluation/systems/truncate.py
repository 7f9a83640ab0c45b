"""Truncation: as many tokens of the document as the ARC-Encoder would use vectors, or as fit the window."""

from __future__ import annotations

from typing import Literal

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.core.segments import Role, Segment
from arc_encoder.data.batching.tokens import text_ids
from arc_encoder.evaluation.systems.base import System

SIDES = ("head", "tail", "both")
GAP = " "  # between the two ends

HALF = "\ufffd"  # what a tokenizer makes of a part of a character


class Truncate(System):
    """Keeps the document's first tokens, its last ones, or half of each.

    Args:
        tokens: how many, for each document; None takes the budget of the compressed vectors (task token counted).
        keep: ``head``, ``tail``, or ``both`` with a space between them.

    Raises:
        ConfigError: fewer than one token, or an unknown side.
    """

    uses_query = False

    def __init__(self, tokens: int | None = None, keep: Literal["head", "tail", "both"] = "head") -> None:
        at_least(1, "truncate", ", or null for the ARC-Encoder's budget", tokens=tokens)
        if keep not in SIDES:
            raise ConfigError(f"truncate: keep={keep!r} is unknown; choose one of {', '.join(SIDES)}")
        self.tokens, self.keep = tokens, keep
        self.needs_budget = tokens is None

    def present(
        self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
    ) -> Segment | None:
        ids = text_ids(document, tokenizer)
        max_tokens = self.tokens or budget
        if len(ids) <= max_tokens:
            return Segment(document, Role.PLAIN)
        for count in range(max_tokens, 0, -1):  # where a text is cut, it may have more tokens than were kept
            kept = self._kept(ids, count, tokenizer)
            if len(text_ids(kept, tokenizer)) <= max_tokens:
                return Segment(kept, Role.PLAIN)
        return Segment("", Role.PLAIN)

    def _kept(self, ids: list[int], count: int, tokenizer: PreTrainedTokenizerBase) -> str:
        """The text of `count` tokens of a document, the gap between two ends included; no half characters."""
        gap = len(text_ids(GAP, tokenizer)) if self.keep == "both" else 0
        left = max(0, count - gap)
        tail = {"head": 0, "tail": left, "both": left // 2}[self.keep]
        begun = str(tokenizer.decode(ids[: left - tail])).rstrip(HALF)
        ended = str(tokenizer.decode(ids[len(ids) - tail :])).lstrip(HALF)
        return f"{begun}{GAP}{ended}" if begun and ended else begun or ended
