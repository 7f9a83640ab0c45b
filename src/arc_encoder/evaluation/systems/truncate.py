"""Truncation: as many tokens of the document as the ARC-Encoder would use vectors, or as fit the window."""

from __future__ import annotations

from typing import Literal

from transformers import PreTrainedTokenizerBase

from arc_encoder.errors import ConfigError
from arc_encoder.evaluation.systems.base import System
from arc_encoder.segments import Role, Segment

SIDES = ("head", "tail", "both")
GAP = " … "  # between the two ends


class Truncate(System):
    """Keeps the document's first tokens, its last ones, or half of each.

    Args:
        tokens: how many, for each document; None takes the budget of the compressed vectors (task token counted).
        keep: ``head``, ``tail``, or ``both`` with a mark between them.

    Raises:
        ConfigError: fewer than one token, or an unknown side.
    """

    uses_query = False

    def __init__(self, tokens: int | None = None, keep: Literal["head", "tail", "both"] = "head") -> None:
        if tokens is not None and tokens < 1:
            raise ConfigError(f"truncate: tokens={tokens} must be at least 1, or null for the ARC-Encoder's budget")
        if keep not in SIDES:
            raise ConfigError(f"truncate: keep={keep!r} is unknown; choose one of {', '.join(SIDES)}")
        self.tokens, self.keep = tokens, keep
        self.needs_budget = tokens is None

    def present(
        self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
    ) -> Segment | None:
        ids = tokenizer(document, add_special_tokens=False)["input_ids"]
        most = self.tokens or budget
        if len(ids) <= most:
            return Segment(document, Role.PLAIN)
        if self.keep == "head":
            kept = str(tokenizer.decode(ids[:most]))
        elif self.keep == "tail":
            kept = str(tokenizer.decode(ids[-most:]))
        else:
            left = max(0, most - len(tokenizer(GAP, add_special_tokens=False)["input_ids"]))
            head = left - left // 2
            kept = f"{tokenizer.decode(ids[:head])}{GAP}{tokenizer.decode(ids[len(ids) - left // 2 :])}"
        return Segment(kept, Role.PLAIN)
