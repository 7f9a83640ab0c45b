"""Retrieval inside the document: the sentences that are most like the question, up to a budget of tokens."""

from __future__ import annotations

import logging
import re
from typing import Any

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import at_least
from arc_encoder.core.segments import Role, Segment
from arc_encoder.data.batching.tokens import text_ids, token_ids
from arc_encoder.evaluation.systems.base import System

_ENDS = re.compile(r"(?<=[.!?…])\s+|\n+")
_WORDS = re.compile(r"\w+")


class BestSentences(System):
    """Keeps the best sentences by BM25 (Lucene's weighting), in reading order.

    Sentences are taken in the order of their scores as long as they fit; one that is too long is passed
    over. Tokens that are left are filled with the beginning of the best sentence that was not taken. Where
    no word of the question occurs in the document, its first sentences are kept.

    Args:
        tokens: how many, for each document; None takes the budget of the compressed vectors (task token counted).

    Raises:
        ConfigError: fewer than one token.
    """

    def __init__(self, tokens: int | None = None) -> None:
        at_least(1, "best_sentences", ", or null for the ARC-Encoder's budget", tokens=tokens)
        self.tokens = tokens
        self.needs_budget = tokens is None

    def present(
        self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
    ) -> Segment | None:
        sentences = [sentence for sentence in _ENDS.split(document) if sentence.strip()]
        if not sentences:
            return Segment(document, Role.PLAIN)
        # With the space that will precede each, as it will be tokenized.
        ids = token_ids([f" {s}" for s in sentences], tokenizer)
        order, max_tokens, taken = best_first(sentences, query), self.tokens or budget, dict[int, str]()
        left = max_tokens
        for place in order:
            if len(ids[place]) <= left:
                taken[place] = sentences[place]
                left -= len(ids[place])
        # No space precedes the first one: it may have more tokens than were counted.
        while len(text_ids(_in_order(taken), tokenizer)) > max_tokens:
            taken.popitem()
        best = next((place for place in order if place not in taken), None)
        if best is None:
            return Segment(_in_order(taken), Role.PLAIN)
        rest = text_ids(" " * (min(taken, default=best) < best) + sentences[best], tokenizer)
        for count in range(max_tokens - len(text_ids(_in_order(taken), tokenizer)), 0, -1):
            begun = str(tokenizer.decode(rest[:count])).strip().rstrip("\ufffd")  # no half characters
            text = _in_order({**taken, best: begun} if begun else taken)
            if len(text_ids(text, tokenizer)) <= max_tokens:
                return Segment(text, Role.PLAIN)
        return Segment(_in_order(taken), Role.PLAIN)


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


def _in_order(texts: dict[int, str]) -> str:
    return " ".join(texts[place] for place in sorted(texts))
