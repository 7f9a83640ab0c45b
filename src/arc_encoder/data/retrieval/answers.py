"""Whether an answer occurs in a text, word for word, case and punctuation aside."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w+")


def words_of(text: str) -> str:
    """The words of a text in lower case, with one space around each, so that words are found as substrings."""
    return f" {' '.join(_WORD.findall(text.lower()))} "


def contains_answer(answers: Iterable[str], texts: Iterable[str]) -> bool:
    """Whether one of `answers` occurs in one of `texts`; an answer without any word never does."""
    sought = [words for answer in answers if (words := words_of(answer)).strip()]
    return any(words in text for text in map(words_of, texts) for words in sought)
