"""The encoder's tokenizer of a published folder: its own files, or those of the backbone that it came with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.checkpoint.published.origin import path_of
from arc_encoder.model.language_models.layouts.tokenizer import load_tokenizer


def comes_with(origin: Mapping[str, Any] | None, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the backbone called by `origin` brings the very same tokenizer, so that a copy can be left out."""
    if origin is None or not tokenizer.is_fast:
        return False
    try:
        other = load_tokenizer(path_of(origin["name"]))
    except CheckpointError:  # the backbone is not here
        return False
    return other.is_fast and other.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


def encoder_tokenizer(
    folder: str | Path,
    origin: Mapping[str, Any] | None,
    *,
    tokenizer: str | Path | None = None,
    backbone: str | Path | None = None,
    vocabulary: int | None = None,
) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`, or the backbone's where the folder has none.

    Raises:
        CheckpointError: there is none, or one with more tokens than the encoder knows.
    """
    place = Path(folder)
    without = place.is_dir() and not any(place.glob("tokenizer*"))
    if tokenizer is None and without and origin is not None:
        tokenizer = backbone or path_of(origin["name"])
    return load_tokenizer(folder, tokenizer=tokenizer, vocabulary=vocabulary)
