"""CompileLayers: `torch.compile` for the layers of encoder and decoders, while gradients are taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import nn

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.encoder.pooled_block import PooledBlock
from arc_encoder.model.language_models.activation_checkpointing import layers_of
from arc_encoder.training.module import ArcLightningModule

MODES = ("default", "max-autotune-no-cudagraphs")  # others keep whole steps as CUDA graphs, whose shapes may not change


class CompileLayers(Callback):
    """Compiles every layer that does not pool, and leaves it as it was when the training ends.

    Layers of one kind are compiled once. Generation and validation, whose shapes change all the time, are not compiled.
    Weights, their names and checkpoints stay as they are; results differ by rounding.

    Args:
        mode: of `torch.compile`: ``default``, or ``max-autotune-no-cudagraphs``, which takes longer to compile.

    Raises:
        ConfigError: unknown mode, or weights that are divided among processes.
    """

    def __init__(self, mode: str = "default") -> None:
        if mode not in MODES:
            raise ConfigError(f"compile: mode={mode!r} is unknown; choose {' or '.join(MODES)}")
        self.mode = mode
        self._eager: list[tuple[nn.Module, Callable[..., Any]]] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, ArcLightningModule)
        if not isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
            raise ConfigError(
                f"compile: {type(trainer.strategy).__name__} divides weights among processes, which has not been "
                "tried with compiled layers; train on one device or with ddp, or leave compile out"
            )
        model = pl_module.model
        decoders = [decoder.model for decoder in model.frozen_decoders().values()]
        for part in (model.compressor.encoder.backbone, *decoders):
            for layer in layers_of(part):
                if not isinstance(layer, PooledBlock):
                    self._eager.append((layer, layer.forward))
                    layer.forward = _while_training(layer.forward, self.mode)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        while self._eager:
            layer, forward = self._eager.pop()
            layer.forward = forward


def _while_training(forward: Callable[..., Any], mode: str) -> Callable[..., Any]:
    compiled: Callable[..., Any] = torch.compile(forward, dynamic=True, mode=mode)

    def chosen(*arguments: Any, **options: Any) -> Any:
        return (compiled if torch.is_grad_enabled() else forward)(*arguments, **options)

    return chosen
