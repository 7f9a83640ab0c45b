"""Where a process computes."""

from __future__ import annotations

import os

import torch

from arc_encoder.core.errors import ConfigError


def choose_device(name: str) -> str:
    """The device called `name`; ``auto`` takes a GPU if there is one.

    Raises:
        ConfigError: it cannot be used here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {name!r} cannot be used here ({str(error).splitlines()[0]}); choose auto, cpu or cuda"
        ) from error
    return name


def own_device(name: str) -> str:
    """The device called `name` for this process; of several processes of a machine each has a GPU of its own."""
    device = choose_device(name)
    return f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" and "LOCAL_RANK" in os.environ else device
