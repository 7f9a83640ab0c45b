"""The weights of a saved ARC-Encoder's folder: read as they were, and what is written of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers.utils.hub import cached_file

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.checkpoint.published.blocks import block_of, unchanged_blocks
from arc_encoder.model.checkpoint.released.source import is_hub_name

DTYPES = ("float32", "bfloat16", "float16", "int8")
FILE, INDEX = "model.safetensors", "model.safetensors.index.json"


def stored_weights(
    state: Mapping[str, Tensor], origin: Mapping[str, Any] | None, dtype: str | None
) -> tuple[dict[str, Tensor], list[str]]:
    """What is written of an ARC-Encoder's weights, and the blocks that are left out.

    Args:
        origin: the backbone that it was made from (`origin_of`); None stores everything.
        dtype: one of `DTYPES`; None keeps the weights' own.

    Raises:
        ConfigError: an unknown dtype.
    """
    if dtype is not None and dtype not in DTYPES:
        raise ConfigError(f"dtype={dtype} is unknown; choose one of {', '.join(DTYPES)}")
    left_out = [] if origin is None else unchanged_blocks(state, origin["blocks"])
    kept = {name: tensor for name, tensor in state.items() if block_of(name) not in set(left_out)}
    if dtype == "int8":
        return to_int8_rows(kept), left_out
    if dtype is not None:
        kept = {name: tensor.to(getattr(torch, dtype)) for name, tensor in kept.items()}
    return kept, left_out


def read_weights(folder: str | Path, *, revision: str | None = None) -> dict[str, Tensor]:
    """The weights that a folder or a repository of the hub holds, those in int8 in float32 again.

    Raises:
        CheckpointError: a file that is missing or damaged.
    """
    try:
        return from_int8_rows(dict(_stored(folder, revision)))
    except KeyError as error:
        raise CheckpointError(f"{folder} lacks the weight {error.args[0]!r}, a row's scales; copy it again") from error


def stored_dtype(folder: str | Path, *, revision: str | None = None) -> str:
    """In which of `DTYPES` a folder or a repository of the hub keeps its matrices.

    Raises:
        CheckpointError: a file that is missing or damaged.
    """
    named = {str(tensor.dtype).removeprefix("torch.") for _, tensor in _stored(folder, revision) if tensor.ndim == 2}
    return next((dtype for dtype in ("int8", "bfloat16", "float16") if dtype in named), "float32")


def _stored(folder: str | Path, revision: str | None) -> Iterator[tuple[str, Tensor]]:
    for file in _files(folder, revision):
        try:
            yield from load_file(file).items()
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{file} is damaged or not a safetensors file: {error}") from error


def _files(folder: str | Path, revision: str | None) -> list[Path]:
    """The safetensors files of a folder, whole or in shards."""
    whole = _file(folder, FILE, revision)
    if whole is not None:
        return [whole]
    index = _file(folder, INDEX, revision)
    if index is None:
        raise CheckpointError(
            f"no trained ARC-Encoder at {str(folder)!r}: {FILE} is missing (a training writes it to the folder `compressor` of its run)"
        )
    names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    found = {name: _file(folder, name, revision) for name in names}
    missing = [name for name, file in found.items() if file is None]
    if missing:
        raise CheckpointError(f"{folder} lacks {', '.join(missing)}, which {INDEX} names; copy it again")
    return [file for file in found.values() if file is not None]


def _file(folder: str | Path, name: str, revision: str | None) -> Path | None:
    if Path(folder).is_dir():
        return Path(folder) / name if (Path(folder) / name).is_file() else None
    if not is_hub_name(str(folder)):
        return None
    found = cached_file(str(folder), name, revision=revision, _raise_exceptions_for_missing_entries=False)
    return None if found is None else Path(found)


SCALE = ".scale"
LARGEST = 127
SMALL = 4096  # a matrix of fewer numbers stays as it is


def to_int8_rows(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by name → the same with matrices in int8 and their scales, symmetric, rounded to the nearest.

    A matrix `name` becomes `name` in int8 and `name.scale` in float32, one number a row; row · scale is the matrix again,
    off by at most half a step of 1/127 of the row's largest value. Vectors and small matrices stay in float32.

    Raises:
        CheckpointError: a weight that is not a finite number.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        values = tensor.detach().float()
        if not values.isfinite().all():
            raise CheckpointError(f"the weight {name} holds numbers that are not finite; int8 cannot keep them")
        if tensor.ndim != 2 or tensor.numel() < SMALL:
            packed[name] = values
            continue
        scale = (values.abs().amax(dim=1) / LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
        packed[name] = (values / scale[:, None]).round().to(torch.int8)
        packed[name + SCALE] = scale
    return packed


def from_int8_rows(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The reverse of `to_int8_rows`, in float32."""
    return {
        name: tensor.float() * packed[name + SCALE][:, None] if tensor.dtype == torch.int8 else tensor
        for name, tensor in packed.items()
        if not (name.endswith(SCALE) and name.removesuffix(SCALE) in packed)
    }
