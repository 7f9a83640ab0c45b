"""Writing a compressor's folder: model and tokenizer together, atomically."""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors import SafetensorError
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.atomic import atomic_directory
from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.published.tokenizer import comes_with


def save_compressor(
    model: ArcEncoderModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: str | Path,
    *,
    dtype: str | None = None,
    whole: bool = False,
) -> None:
    """Make or replace a compressor in a folder; other files in it stay.

    Args:
        model: the ARC-Encoder.
        tokenizer: the encoder's; left out where the backbone that the folder refers to brings the same.
        folder: made if it is not there.
        dtype: see `ArcEncoderModel.save_pretrained`.
        whole: likewise.

    Raises:
        CheckpointError: it cannot be written; what was there is untouched.
        ConfigError: an unknown dtype.
    """
    target = Path(folder).resolve()
    try:
        with atomic_directory(target) as fresh:
            if target.is_dir():
                shutil.copytree(target, fresh, ignore=shutil.ignore_patterns("*.safetensors*", "tokenizer*"))
            model.save_pretrained(fresh, dtype=dtype, whole=whole)
            if whole or not comes_with(model.config.origin, tokenizer):
                tokenizer.save_pretrained(fresh)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"the compressor could not be written to {folder} ({error}); what was there is untouched. Make room, or "
            "choose a folder that you may write to"
        ) from error
