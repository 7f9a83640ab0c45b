"""A GGUF file as an ordinary folder: config.json, tokenizer files and safetensors, which every loader reads."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.language_models.downloads.catalogue import DTYPES
from arc_encoder.model.language_models.gguf.families import family_of
from arc_encoder.model.language_models.gguf.reader import GgufFile
from arc_encoder.model.language_models.gguf.vocabulary import tokenizer_of
from arc_encoder.model.language_models.gguf.weights import weights, write_weights

LOG = logging.getLogger(__name__)
ORIGIN = "origin.json"  # says what a folder was made of
BESIDE = 50_000_000  # bytes of config and tokenizer, generously


def write_folder(file: GgufFile, folder: Path, *, dtype: str | None = None, origin: dict[str, str]) -> None:
    """Convert `file` into `folder`, which exists.

    A tokenizer that cannot be converted is left out with a warning: another may be given when the model is loaded.

    Args:
        dtype: of the weights; None takes what the file holds, bfloat16 for quantised ones.

    Raises:
        CheckpointError: a family that is not known, or weights that are not those of one.
        ConfigError: an unknown dtype.
    """
    family = family_of(file)
    config = family.config(file)
    kind = pick_dtype(file, dtype)
    config.architectures, config.dtype = [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type]], kind
    write_weights(folder, weights(file, config, family), getattr(torch, kind))
    try:
        tokenizer_of(file).save_pretrained(folder)
    except CheckpointError as error:
        LOG.warning("%s; give a folder or hub name as `tokenizer`", error)
    (folder / ORIGIN).write_text(json.dumps({**origin, "dtype": kind}, indent=2) + "\n", encoding="utf-8")
    config.save_pretrained(folder)


def pick_dtype(file: GgufFile, dtype: str | None) -> str:
    """The dtype to convert to.

    Raises:
        ConfigError: an unknown one was asked for.
    """
    if dtype is not None and dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is unknown; choose {', '.join(DTYPES)}")
    return dtype or file.stored_dtype()


def room_for(file: GgufFile, dtype: str | None) -> int:
    """Bytes that the folder takes."""
    return file.elements() * getattr(torch, pick_dtype(file, dtype)).itemsize + BESIDE
