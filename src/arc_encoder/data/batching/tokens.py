"""Texts → token ids."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase


def token_ids(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Ids of each text by itself: no special token is added, and one that is written in a text stays plain text."""
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


def text_ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The same of one text."""
    return token_ids([text], tokenizer)[0]
