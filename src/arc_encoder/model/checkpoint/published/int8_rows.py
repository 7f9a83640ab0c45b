"""Weights in one byte each: rows of int8 with a scale in float32 (symmetric, rounded to the nearest).

A matrix `name` becomes `name` in int8 and `name.scale`, one number a row; row · scale is the matrix again, off by at
most half a step of 1/127 of the row's largest value. Vectors and small matrices stay in float32.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from arc_encoder.core.errors import CheckpointError

SCALE = ".scale"
LARGEST = 127
SMALL = 4096  # a matrix of fewer numbers stays as it is


def to_int8_rows(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by name → the same with matrices in int8 and their scales.

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
