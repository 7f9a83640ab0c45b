"""Loading a trained ARC-Encoder with its tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.published.tokenizer import encoder_tokenizer
from arc_encoder.model.checkpoint.released.source import is_hub_name

EXPECTED = (
    "Expected a folder with config.json, model.safetensors and tokenizer files, such as a run's folder `compressor`"
)


def load_arc_encoder(
    folder: str | Path, *, tokenizer: str | Path | None = None, **options: Any
) -> tuple[ArcEncoderModel, PreTrainedTokenizerBase]:
    """A trained ARC-Encoder in float32, and the encoder's tokenizer.

    Raises:
        CheckpointError: nothing loadable there.
    """
    if not Path(folder).is_dir() and not is_hub_name(str(folder)):
        raise CheckpointError(
            f"no compressor could be loaded from {str(folder)!r}: there is no such folder. {EXPECTED}"
        )
    try:
        model = ArcEncoderModel.from_pretrained(folder, **{"dtype": torch.float32, "use_safetensors": True, **options})
        found = encoder_tokenizer(
            folder,
            model.config.origin,
            tokenizer=tokenizer,
            backbone=options.get("backbone"),
            vocabulary=model.vocabulary,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"no compressor could be loaded from {str(folder)!r}: {error}. {EXPECTED}") from error
    return model, found
