"""GradientNorms: how large the gradient of each part is, before it is clipped."""

from __future__ import annotations

from collections.abc import Iterable

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from arc_encoder.model.heads.head import DecoderHead
from arc_encoder.training.module import ArcLightningModule, log_interval
from arc_encoder.training.sharding import whole


class GradientNorms(Callback):
    """Logs the gradient norm of the encoder, and of each decoder's projector, start and task tokens that the step trained."""

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        # Only where the logger writes: norms cost a pass over all gradients.
        every = log_interval(trainer)
        if not every or (trainer.global_step + 1) % every:
            return
        assert isinstance(pl_module, ArcLightningModule)
        compressor = pl_module.model.compressor
        parts: dict[str, Iterable[nn.Parameter]] = {"encoder": compressor.encoder.parameters()}
        for name, head in compressor.heads.items():
            assert isinstance(head, DecoderHead)
            parts[f"projector/{name}"] = head.projector.parameters()
            if head.start is not None:
                parts[f"start/{name}"] = head.start.parameters()
            if head.adapter is not None:
                parts[f"decoder_adapter/{name}"] = head.adapter.parameters()
            parts[f"task_tokens/{name}"] = head.task_tokens.parameters()
        for name, parameters in parts.items():
            norm = norm_of(parameters)
            if norm is not None:
                pl_module.log(f"gradient_norm/{name}", norm)


def norm_of(parameters: Iterable[nn.Parameter]) -> Tensor | None:
    """Euclidean norm of the gradients of `parameters`, None if there are none."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return whole(torch.nn.utils.get_total_norm(gradients)) if gradients else None
