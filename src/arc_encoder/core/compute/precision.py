"""The dtype in which a model computes, by Lightning's name of the precision; trained weights are float32 in any case."""

from __future__ import annotations

from typing import Any

import torch

from arc_encoder.core.errors import ConfigError

COMPUTE = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def compute_dtype(precision: Any, setting: str = "precision") -> torch.dtype:
    """The dtype of a precision.

    Args:
        precision: 32-true, bf16-mixed or 16-mixed.

    Raises:
        ConfigError: another one.
    """
    if str(precision) not in COMPUTE:
        raise ConfigError(
            f"{setting}={precision!r} is unknown or would not keep float32 master weights; choose one of {', '.join(COMPUTE)}"
        )
    return COMPUTE[str(precision)]
