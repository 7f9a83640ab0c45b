"""A trained ARC-Encoder → another layout or dtype: released checkpoints into Hugging Face folders and back, smaller copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from arc_encoder.core.atomic import atomic_directory
from arc_encoder.core.errors import CheckpointError, ConfigError, writing
from arc_encoder.model.checkpoint.averaging import average_into
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.published.folder import DTYPES, stored_dtype
from arc_encoder.model.checkpoint.published.tokenizer import comes_with, encoder_tokenizer
from arc_encoder.model.checkpoint.released.export import export_checkpoint
from arc_encoder.model.checkpoint.released.source import check_folder_exists, released_checkpoint

LAYOUTS = ("huggingface", "released")


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
        note: what a user should know besides; empty if nothing.
    """

    folder: Path
    parameters: int
    decoders: list[str]
    note: str


def convert(
    source: str | Path,
    output: str | Path,
    *,
    layout: str = "huggingface",
    dtype: str | None = None,
    decoders: Sequence[str] | None = None,
    backbone: str | None = None,
    tokenizer: str | None = None,
    whole: bool = False,
    overwrite: bool = False,
    average_with: Sequence[str | Path] = (),
) -> Converted:
    """Write an ARC-Encoder in another layout or dtype, or the mean of several.

    Args:
        layout: ``huggingface``, or ``released``, that of the method's authors.
        dtype: float32, bfloat16, float16 or int8; as it is stored by default.
        whole: write the backbone's untrained weights too, which are otherwise taken from the backbone.
        average_with: others of the same architecture, with which the weights of `source` are averaged.

    Raises:
        ConfigError: settings that cannot work, or an output that exists.
        CheckpointError: a source that cannot be loaded, or that the layout cannot hold.
    """
    if layout not in LAYOUTS:
        raise ConfigError(f"layout={layout} is unknown; choose one of {', '.join(LAYOUTS)}")
    if dtype is not None and dtype not in DTYPES:
        raise ConfigError(f"dtype={dtype} is unknown; choose one of {', '.join(DTYPES)}, or leave it as it is stored")
    if dtype == "int8" and layout != "huggingface":
        raise ConfigError("int8 has no place in the layout released; choose the layout huggingface, or another dtype")
    target = Path(output)
    if target.exists() and not overwrite:
        raise ConfigError(
            f"{target} exists already; choose another folder, or let it be overwritten", advice="overwrite"
        )
    model, written = _load(source, dtype, decoders, backbone)
    average_into(model, {str(each): _load(each, "float32", decoders, backbone)[0] for each in average_with})
    with writing(target), atomic_directory(target) as fresh:
        if layout == "released":
            kept: Any = model if written in (None, "int8") else model.to(getattr(torch, str(written)))
            export_checkpoint(kept, fresh)
        note = "" if layout == "released" else _write(model, fresh, source, tokenizer, written, whole=whole)
    return Converted(target, sum(parameter.numel() for parameter in model.parameters()), list(model.heads), note)


def _load(
    source: str | Path, wanted: str | None, decoders: Sequence[str] | None, backbone: str | None
) -> tuple[ArcEncoderModel, str | None]:
    """The ARC-Encoder at `source`, and the dtype to write: the one that is wanted, or else the stored one.

    One of ours is loaded in float32, so that what was not trained is known again.
    """
    check_folder_exists(source, "no ARC-Encoder at")
    ours = released_checkpoint(source) is None
    try:
        dtype = "float32" if ours else (wanted or "").replace("int8", "float32")
        model: ArcEncoderModel = ArcEncoderModel.from_pretrained(
            source, decoders=decoders, backbone=backbone, dtype=getattr(torch, dtype) if dtype else None
        )
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"no ARC-Encoder could be loaded from {source}: {error}. Expected a folder with config.json and "
            "model.safetensors, a released checkpoint, or a hub name"
        ) from error
    return model, stored_dtype(source) if ours and wanted is None else wanted


def _write(
    model: ArcEncoderModel, folder: Path, source: str | Path, tokenizer: str | None, dtype: str | None, *, whole: bool
) -> str:
    model.save_pretrained(folder, dtype=dtype, whole=whole)
    try:
        found = encoder_tokenizer(source, model.config.origin, tokenizer=tokenizer, vocabulary=model.vocabulary)
    except CheckpointError as error:
        if tokenizer is not None:
            raise
        return f"without tokenizer: {error}"
    if whole or not comes_with(model.config.origin, found):
        found.save_pretrained(folder)
    return ""
