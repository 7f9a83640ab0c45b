"""Retrieval inside the document: the sentences that are most like the question, up to a budget of tokens."""

from __future__ import annotations

import logging
import re
from typing import Any

from transformers import PreTrainedTokenizerBase

from arc_encoder.errors import ConfigError
from arc_encoder.evaluation.systems.base import System
from arc_encoder.segments import Role, Segment

_ENDS = re.compile(r"(?<=[.!?…])\s+|\n+")
_WORDS = re.compile(r"\w+")


class BestSentences(System):
    """Keeps the best sentences by BM25 (Lucene's weighting), in reading order.

    Sentences are taken in the order of their scores as long as they fit; one that is too long is passed
    over. Where no word of the question stands in the document, its first sentences are kept.

    Args:
        tokens: how many, for each document; None takes the budget of the compressed vectors (task token counted).

    Raises:
        ConfigError: fewer than one token.
    """

    def __init__(self, tokens: int | None = None) -> None:
        if tokens is not None and tokens < 1:
            raise ConfigError(
                f"best_sentences: tokens={tokens} must be at least 1, or null for the ARC-Encoder's budget"
            )
        self.tokens = tokens
        self.needs_budget = tokens is None

    def present(
        self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
    ) -> Segment | None:
        sentences = [sentence for sentence in _ENDS.split(document) if sentence.strip()]
        if not sentences:
            return Segment(document, Role.PLAIN)
        # With the space that will stand before each, as it will be tokenized.
        lengths = [len(ids) for ids in tokenizer([f" {s}" for s in sentences], add_special_tokens=False)["input_ids"]]
        left, kept = self.tokens or budget, []
        for place in best_first(sentences, query):
            if lengths[place] <= left:
                kept.append(place)
                left -= lengths[place]
        return Segment(" ".join(sentences[place] for place in sorted(kept)), Role.PLAIN)


def best_first(sentences: list[str], query: str) -> list[int]:
    """Places of `sentences`, those most like `query` first; equal ones in reading order."""
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # the library logs every index that it builds

    words = [_words(sentence) for sentence in sentences]
    wanted = sorted({word for each in words for word in each} & set(_words(query)))
    if not wanted:
        return list(range(len(sentences)))
    index: Any = bm25s.BM25(method="lucene")
    index.index(words, show_progress=False)
    scores = index.get_scores(wanted).tolist()
    return sorted(range(len(sentences)), key=lambda place: -scores[place])


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(text)]
