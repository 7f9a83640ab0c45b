"""A session for an evaluation, out of a decoder and the folder of an ARC-Encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import torch

from arc_encoder.core.compute import compute_dtype
from arc_encoder.data.batching.collator import ArcCollator, texts_of
from arc_encoder.evaluation.session.session import Session
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.checkpoint.loading import load_arc_encoder
from arc_encoder.model.decoder.frozen_decoder import FrozenDecoder


class SessionOptions(TypedDict, total=False):
    """Options of `open_session`, for functions that pass them on."""

    batch_size: int
    batch_positions: int
    device: str
    encoder_tokenizer: str | None
    backbone: str | None
    cache_gib: float
    precision: str
    progress: bool


def open_session(
    decoder: FrozenDecoder,
    name: str,
    compressor: str | Path | None = None,
    *,
    batch_size: int = 32,
    batch_positions: int = 16384,
    device: str = "cpu",
    encoder_tokenizer: str | None = None,
    backbone: str | None = None,
    cache_gib: float = 1.0,
    precision: str = "32-true",
    progress: bool = True,
) -> Session:
    """A session for one decoder, with an ARC-Encoder if a folder is given.

    Args:
        decoder: the frozen language model.
        name: what the ARC-Encoder calls it.
        compressor: folder of a trained ARC-Encoder, or the hub name of a released one.
        batch_size: most examples at once.
        batch_positions: most decoder positions at once, padding included.
        device: where everything computes.
        encoder_tokenizer: folder or hub name of the encoder's tokenizer, if it is not with the ARC-Encoder.
        backbone: folder or hub name of the encoder's backbone, if it is not found by its own name.
        cache_gib: memory for vectors of contexts that may come again.
        precision: in which the ARC-Encoder computes: 32-true, bf16-mixed or 16-mixed, as in training.
        progress: show a progress bar.

    Raises:
        CheckpointError: the ARC-Encoder cannot be loaded or does not serve this decoder.
        ConfigError: an unknown precision.
    """
    model: Any = ArcForCausalLM(None, {name: decoder}).to(device)
    texts = texts_of({name: decoder})
    session = Session(
        model,
        ArcCollator(decoder.tokenizer, texts),
        name,
        batch_size=batch_size,
        batch_positions=batch_positions,
        device=torch.device(device),
        cache_gib=cache_gib,
        precision=compute_dtype(precision),
        progress=progress,
    )
    if compressor is None:
        return session
    loaded, tokenizer = load_arc_encoder(compressor, tokenizer=encoder_tokenizer, backbone=backbone)
    session = session.with_compressor(loaded)
    session.collator = ArcCollator(tokenizer, texts)
    return session
