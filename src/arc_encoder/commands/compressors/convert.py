"""`arc-convert`: released ARC-Encoders into Hugging Face-style folders, and back; and smaller copies of any.

Run command: ``arc-convert input=kyutai/ARC8_Encoder_Llama output=models/arc8_llama``
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from arc_encoder.config.app.run import run_app
from arc_encoder.core.atomic import atomic_directory
from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.published.folder import DTYPES, stored_dtype
from arc_encoder.model.checkpoint.published.tokenizer import comes_with, encoder_tokenizer
from arc_encoder.model.checkpoint.released.export import export_checkpoint
from arc_encoder.model.checkpoint.released.source import released_checkpoint

KEYS = {"input", "output", "layout", "decoders", "backbone", "tokenizer", "dtype", "whole", "imports", "overwrite"}
LAYOUTS = ("huggingface", "released")


def convert(config: DictConfig) -> Path:
    """Convert as `config` says; returns the folder that was written.

    Raises:
        ConfigError: settings that cannot work, or an output that exists.
        CheckpointError: an input that cannot be loaded, or that the layout cannot hold.
    """
    for name in ("input", "output"):
        if config[name] is None:
            raise ConfigError(f"{name} is missing: arc-convert input=<folder or hub name> output=<folder>")
    if config.layout not in LAYOUTS:
        raise ConfigError(f"layout={config.layout} is unknown; choose one of {', '.join(LAYOUTS)}")
    if config.dtype is not None and config.dtype not in DTYPES:
        raise ConfigError(
            f"dtype={config.dtype} is unknown; choose one of {', '.join(DTYPES)}, or leave it as it is stored"
        )
    if config.dtype == "int8" and config.layout != "huggingface":
        raise ConfigError("dtype=int8 has no place in layout=released; choose layout=huggingface, or another dtype")
    output = Path(config.output)
    if output.exists() and not config.overwrite:
        raise ConfigError(f"{output} exists already; choose another folder, or set overwrite=true")
    ours = released_checkpoint(config.input) is None
    model, dtype = load(config, ours=ours)
    try:
        with atomic_directory(output) as fresh:
            note = write(model, fresh, config, dtype)
    except OSError as error:
        raise ConfigError(f"{output} cannot be written ({error}); choose another output=<folder>") from error
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{config.input} → {output}: {parameters:,} parameters, decoders {', '.join(model.heads)}{note}")
    return output


def load(config: DictConfig, *, ours: bool) -> tuple[ArcEncoderModel, str | None]:
    """The ARC-Encoder at `config.input`, and the dtype to write: the one that is asked for, or else the stored one.

    One of ours is loaded in float32, so that what was not trained is known again.
    """
    wanted = config.dtype
    try:
        dtype = "float32" if ours else (wanted or "").replace("int8", "float32")
        model: ArcEncoderModel = ArcEncoderModel.from_pretrained(
            config.input,
            decoders=None if config.decoders is None else list(config.decoders),
            backbone=config.backbone,
            dtype=getattr(torch, dtype) if dtype else None,
        )
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"no ARC-Encoder could be loaded from {config.input}: {error}. Expected a folder with config.json and "
            "model.safetensors, a released checkpoint, or a hub name"
        ) from error
    return model, stored_dtype(config.input) if ours and wanted is None else wanted


def write(model: ArcEncoderModel, folder: Path, config: DictConfig, dtype: str | None) -> str:
    """Write one layout; returns what a user should know besides."""
    if config.layout == "released":
        kept: Any = model if dtype in (None, "int8") else model.to(getattr(torch, str(dtype)))
        export_checkpoint(kept, folder)
        return ""
    model.save_pretrained(folder, dtype=dtype, whole=config.whole)
    try:
        found = encoder_tokenizer(
            config.input, model.config.origin, tokenizer=config.tokenizer, vocabulary=model.vocabulary
        )
    except CheckpointError as error:
        if config.tokenizer is not None:
            raise
        return f"\nwithout tokenizer: {error}"
    if config.whole or not comes_with(model.config.origin, found):
        found.save_pretrained(folder)
    return ""


def main() -> None:
    """Console entry point."""
    run_app("convert", lambda config: convert(config) and None, keys=KEYS)


if __name__ == "__main__":
    main()
