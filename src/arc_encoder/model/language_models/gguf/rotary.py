"""Rotary embeddings, as a GGUF file describes them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.language_models.gguf.reader import GgufFile

FREQUENCIES = "rope_freqs.weight"  # divisors of the frequencies, of Llama 3.1 and later
LONG, SHORT = "rope_factors_long.weight", "rope_factors_short.weight"  # the same, of Phi
LLAMA_3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


def rotary(file: GgufFile) -> dict[str, Any]:
    """The `rope_parameters` of a configuration.

    Raises:
        CheckpointError: a scaling that is not known here.
    """
    base = {"rope_theta": float(file.size("rope.freq_base", 10000.0))}
    if FREQUENCIES in file.tensors:
        return base | _llama_3(file, base["rope_theta"])
    if LONG in file.tensors:
        longest = {"long_factor": file.values(LONG).tolist(), "short_factor": file.values(SHORT).tolist()}
        return base | longest | {"rope_type": "longrope", "original_max_position_embeddings": _original(file)}
    kind = str(file.size("rope.scaling.type", "none"))
    factor = {"factor": float(file.size("rope.scaling.factor", 1.0))}
    kinds: dict[str, Any] = {
        "none": lambda: {"rope_type": "default"},
        "linear": lambda: factor | {"rope_type": "linear"},
        "yarn": lambda: factor | {"rope_type": "yarn", "original_max_position_embeddings": _original(file)},
    }
    if kind not in kinds:
        raise CheckpointError(
            f"{file.path} scales its rotary embedding by {kind!r}, which is not known here; known: {', '.join(kinds)}"
        )
    return base | kinds[kind]()


def _original(file: GgufFile) -> int:
    return int(file.size("rope.scaling.original_context_length"))


def _llama_3(file: GgufFile, theta: float) -> dict[str, Any]:
    """The scaling whose divisors the file holds; its numbers are not in the file, and Llama's own are tried."""
    divisors = file.values(FREQUENCIES)
    factor = float(divisors.max())
    if torch.equal(divisors, torch.ones_like(divisors)):
        return {"rope_type": "default"}
    if not torch.allclose(llama_3_divisors(theta, 2 * len(divisors), factor), divisors, rtol=1e-3):
        raise CheckpointError(
            f"{file.path} scales its rotary embedding in a way that is not Llama 3's ({FREQUENCIES}); it cannot be converted"
        )
    return {"rope_type": "llama3", "factor": factor, **LLAMA_3}


def llama_3_divisors(theta: float, width: int, factor: float) -> Tensor:
    """By what Llama 3.1 divides each of the width/2 frequencies: 1 for short waves, `factor` for long ones."""
    lengths = 2 * math.pi * theta ** (torch.arange(0, width, 2, dtype=torch.float64) / width)
    low, high, window = (LLAMA_3[key] for key in LLAMA_3)
    share = ((window / lengths - low) / (high - low)).clamp(0, 1)
    return (1 / ((1 - share) / factor + share)).float()
