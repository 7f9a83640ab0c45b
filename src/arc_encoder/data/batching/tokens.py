"""Texts → token ids, and where they stand in a text."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import ConfigError

# No special token is added, one that is written in a text stays plain text, and nothing is made that nobody asks for.
PLAIN = {
    "add_special_tokens": False,
    "split_special_tokens": True,
    "return_attention_mask": False,
    "return_token_type_ids": False,
}


def token_ids(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """Ids of each text by itself: no special token is added, and one that is written in a text stays plain text."""
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(list(texts), **PLAIN)["input_ids"]
    return ids


def text_ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The same of one text."""
    return token_ids([text], tokenizer)[0]


def token_spans(text: str, tokenizer: PreTrainedTokenizerBase) -> list[tuple[int, int]]:
    """Character span of each token of `text`.

    Raises:
        ConfigError: the tokenizer is a slow one and cannot say.
    """
    if not tokenizer.is_fast:
        raise ConfigError(f"the tokenizer {type(tokenizer).__name__} gives no offsets; use its fast version")
    encoded = tokenizer(text, return_offsets_mapping=True, **PLAIN)
    spans: list[tuple[int, int]] = encoded["offset_mapping"]
    return spans
