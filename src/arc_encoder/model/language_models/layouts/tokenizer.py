"""Tokenizers of folders that are not in Hugging Face layout."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import TikTokenConverter

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.downloads.library import local_path

LLAMA_3_VOCABULARY, LLAMA_3_TOKENIZER = 128256, "meta-llama/Llama-3.2-3B"
LLAMA_3_SPECIAL = ("<|begin_of_text|>", "<|end_of_text|>")


class _Ranks(TikTokenConverter):
    """The library's converter, reading the ranks itself: one line a token, base64 and rank."""

    @staticmethod
    def load_tiktoken_bpe(tiktoken_url: str) -> dict[bytes, int]:
        lines = (line.split() for line in Path(tiktoken_url).read_text().splitlines() if line.strip())
        return {base64.b64decode(token, validate=True): int(rank) for token, rank in lines}


def load_tokenizer(
    folder: str | Path,
    *,
    tokenizer: str | Path | None = None,
    vocabulary: int | None = None,
    revision: str | None = None,
) -> PreTrainedTokenizerBase:
    """The tokenizer of a model.

    It is looked for in this order: `tokenizer`, Hugging Face files in `folder` or a GGUF file's own, a `tokenizer.model` of
    Llama 3's kind there, and for a vocabulary of 128,256 the hub's Llama 3.2, which every released
    ARC-Encoder uses.

    Raises:
        CheckpointError: none there, or one with more tokens than the model.
    """
    source = folder if tokenizer is None else tokenizer
    try:
        found = _load(source, revision if tokenizer is None else None)
    except CheckpointError:
        if tokenizer is not None or vocabulary != LLAMA_3_VOCABULARY:
            raise
        source, found = LLAMA_3_TOKENIZER, _load(LLAMA_3_TOKENIZER, None)
    if vocabulary is not None and len(found) > vocabulary:
        raise CheckpointError(
            f"the tokenizer of {str(source)!r} has {len(found)} tokens, but the model only {vocabulary}: they do not belong "
            "together; give the right one as `tokenizer`"
        )
    return found


def _load(source: str | Path, revision: str | None) -> PreTrainedTokenizerBase:
    source = local_path(source)
    file = Path(source) / "tokenizer.model"
    if file.is_file() and not (Path(source) / "tokenizer.json").is_file():
        ranks = _from_ranks(file)
        if ranks is not None:
            return ranks
    try:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(source, revision=revision)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise CheckpointError(
            f"no tokenizer could be loaded from {str(source)!r} ({str(error).splitlines()[0]}); give one as `tokenizer`. For a gated hub model accept its licence there and log in with `hf auth login`"
        ) from error
    return found


def _from_ranks(file: Path) -> PreTrainedTokenizerBase | None:
    """A tokenizer of Llama 3's kind; None if the file is of another kind."""
    try:
        converter = _Ranks(str(file), extra_special_tokens=list(LLAMA_3_SPECIAL))
        converted = converter.converted()
    except (ValueError, binascii.Error, UnicodeDecodeError):
        return None
    begin, end = LLAMA_3_SPECIAL
    return PreTrainedTokenizerFast(tokenizer_object=converted, bos_token=begin, eos_token=end)
