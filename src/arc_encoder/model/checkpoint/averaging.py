"""The mean of several trained ARC-Encoders: one of the same size, often better than each.

Trainings that began at the same weights, or one after the other, end in the same basin, and the mean of their weights
has less of each one's noise, which small batches make large (Wortsman et al., 2022, "Model soups").
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel


@torch.no_grad()
def average_into(model: ArcEncoderModel, others: Mapping[str, ArcEncoderModel]) -> None:
    """Give `model` the mean of its own weights and those of others, each counting the same.

    Args:
        others: by the name that a message gives them.

    Raises:
        CheckpointError: another architecture, or other decoders.
    """
    mine = model.state_dict()
    for name, other in others.items():
        theirs = other.state_dict()
        differing = sorted(mine.keys() ^ theirs.keys()) or [key for key in mine if mine[key].shape != theirs[key].shape]
        if differing:
            raise CheckpointError(
                f"{name} is of another architecture, or serves other decoders, and cannot be averaged: "
                f"{len(differing)} of its weights differ in name or shape, such as {differing[0]}"
            )
    for key, weight in mine.items():
        if weight.is_floating_point():
            every = [weight, *(other.state_dict()[key] for other in others.values())]
            weight.copy_(torch.stack([each.float() for each in every]).mean(0))
