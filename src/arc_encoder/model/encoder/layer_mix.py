"""A learned mixture of the backbone's layers, in front of the first pooling block.

Shape legend: C contexts, L tokens, D width.

The last layers of a language model tell what comes next; earlier ones tell what is there. Mixing them
before pooling was worth up to 18 points of F1 on a frozen backbone (ComprExIT, arXiv 2602.03784). The weights begin
as the plain encoder: one for the last layer before pooling, zero for all others.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from arc_encoder.core.errors import ConfigError


class LayerMix(nn.Module):
    """Σ wᵢ·hᵢ over the embeddings (h₀) and the outputs of the layers before the first pooling block.

    The states of a forward pass are collected in a list of that pass's own, so passes may follow each other before
    any gradient is computed.

    Args:
        layers: blocks of the backbone, of which the last `pooled` pool.
        pooled: number of pooling blocks, at least 1.

    Raises:
        ConfigError: no block pools, or none comes before those that do.
    """

    def __init__(self, layers: nn.ModuleList, pooled: int) -> None:
        super().__init__()
        before = len(layers) - pooled
        if pooled < 1 or before < 1:
            raise ConfigError(
                f"layer_mix needs a layer before the pooling blocks; this encoder has {len(layers)} layers, of which "
                f"{pooled} pool"
            )
        self.weights = Parameter(torch.zeros(before + 1))
        nn.init.ones_(self.weights.data[-1:])
        layers[0].register_forward_pre_hook(_collect_input, with_kwargs=True)
        for layer in layers[:before]:
            layer.register_forward_hook(_collect_output, with_kwargs=True)
        layers[before].register_forward_pre_hook(self._mix_input, with_kwargs=True)

    def forward(self, states: list[Tensor]) -> Tensor:
        """Mix states (C, L, D), one for each weight."""
        mixed: Tensor = torch.einsum("s,scld->cld", self.weights.to(states[0].dtype), torch.stack(states))
        return mixed

    def _mix_input(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Activation checkpointing computes layers again in the backward pass and collects them again, behind these.
        return (self(kwargs["layer_states"][: len(self.weights)]), *args[1:]), kwargs


def _collect_input(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    kwargs["layer_states"].append(args[0])


def _collect_output(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
    kwargs["layer_states"].append(output if isinstance(output, Tensor) else output[0])
