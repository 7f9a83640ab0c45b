"""All weights of a saved ARC-Encoder: what its folder holds, and what it refers to."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from arc_encoder.model.checkpoint.config import ArcEncoderConfig
from arc_encoder.model.checkpoint.published.folder import read_weights
from arc_encoder.model.checkpoint.published.origin import weights_left_out


def load_all_weights(
    folder: str | Path, config: ArcEncoderConfig, *, backbone: str | Path | None, revision: str | None
) -> tuple[dict[str, Tensor], torch.dtype]:
    """Weights by name, and the dtype of those that are stored (float32 for int8).

    Raises:
        CheckpointError: a file that is missing or damaged, or another backbone.
    """
    state = read_weights(folder, revision=revision)
    dtype = next(iter(state.values())).dtype
    if config.left_out and config.origin:
        layers = int(config.backbone["num_hidden_layers"])
        state |= weights_left_out(config.origin, config.left_out, layers, backbone)
    return state, dtype
