"""Activation checkpointing: a layer's activations are computed again in the backward pass instead of being kept.

Hugging Face's own switch acts only on layers in training mode, and a frozen decoder never leaves
evaluation mode. Here the layers' forward itself is wrapped, whatever the family and the mode.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from arc_encoder.core.errors import ConfigError


def layers_of(model: nn.Module) -> nn.ModuleList:
    """The row of layers of a language model: its longest list of modules of one kind.

    Raises:
        ConfigError: there is none.
    """
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module)]
    if not lists:
        raise ConfigError(
            f"{type(model).__name__} has no list of layers, so its activations cannot be computed again "
            "(switch activation_checkpointing off), nor can it be planned"
        )
    return max(lists, key=lambda found: (sum(p.numel() for p in found.parameters()), len(found)))


def checkpoint_layers(model: nn.Module) -> None:
    """Let every layer of `model` keep only its input while gradients are wanted.

    Weights, names and results stay as they are; dropout is drawn again as it was.
    """
    for layer in layers_of(model):
        layer.forward = _recomputed(layer.forward)


def _recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return wrapped
