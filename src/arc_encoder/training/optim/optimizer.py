"""Optimizer and schedule: AdamW with a learning rate of its own for each part, one cycle.

The method's table (Pilchen et al., 2025, App. C): cosine rise from (almost) zero during
warm-up, cosine fall to the final rate. AdamW's momentum is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel


@dataclass(frozen=True)
class OptimSettings:
    """Learning rates and what goes with them.

    Attributes:
        encoder_lr: highest rate of the encoder (and of memory tokens).
        projector_lr: highest rate of the projectors (and of changes to a decoder).
        task_token_lr: highest rate of the task tokens.
        final_lr: rate at the end of the run, for every part.
        warmup_steps: optimizer steps until the highest rate.
        weight_decay: for matrices; vectors (norms, task tokens) have none.
        betas: AdamW's.
        eps: AdamW's.
        train_encoder: False freezes the encoder, as for a decoder that is added afterwards.
        train_layers: numbers of the encoder's layers that are trained, from 0 on or negative from the
            end; None trains all of them.
        train_embeddings: False freezes the encoder's token embeddings.
        start_lr: highest rate of what vectors begin as (`model/start`); None takes the projectors'.

    Raises:
        ConfigError: a negative number, or layers chosen of an encoder that is not trained.
    """

    encoder_lr: float = 1e-5
    projector_lr: float = 5e-5
    task_token_lr: float = 1e-5
    final_lr: float = 1e-10
    warmup_steps: int = 1000
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    train_encoder: bool = True
    train_layers: list[int] | None = None
    train_embeddings: bool = True
    start_lr: float | None = None

    def __post_init__(self) -> None:
        rates = {
            "encoder_lr": self.encoder_lr,
            "projector_lr": self.projector_lr,
            "task_token_lr": self.task_token_lr,
            "start_lr": self.start_lr or 0.0,
        }
        at_least(0, "optim.", **rates)
        at_least(0, warmup_steps=self.warmup_steps)
        if self.train_layers is not None and not self.train_encoder:
            raise ConfigError(
                f"train_layers={list(self.train_layers)} has no effect without train_encoder; switch it on to train these layers, or leave train_layers out to train none"
            )


def one_cycle(step: int, *, steps: int, warmup_steps: int, final_share: float) -> float:
    """Share of the highest rate at optimizer step `step` of `steps`."""
    warmup = min(warmup_steps, max(steps - 1, 0))
    if step < warmup:
        return 0.5 * (1 - math.cos(math.pi * (step + 1) / (warmup + 1)))
    progress = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return final_share + (1 - final_share) * 0.5 * (1 + math.cos(math.pi * progress))


def make_optimizer(compressor: ArcEncoderModel, settings: OptimSettings, steps: int) -> dict[str, Any]:
    """AdamW and its schedule, in the form that Lightning expects.

    PyTorch chooses how it steps: on a GPU many tensors in one kernel (`foreach`), on a CPU one after the other. Not `fused`:
    Lightning refuses to clip the gradients of a fused optimizer under 16-mixed, and the step is a small part of a batch.
    """
    heads = compressor.decoder_heads()
    parts: dict[str, tuple[float, list[nn.Parameter]]] = {
        "encoder": (settings.encoder_lr, _trained(compressor.encoder.parameters())),
        "projector": (settings.projector_lr, _trained(p for head in heads for p in head.projector.parameters())),
        "gain": (settings.projector_lr, _trained(head.gain for head in heads if head.gain is not None)),
        "start": (
            settings.projector_lr if settings.start_lr is None else settings.start_lr,
            _trained(p for head in heads if head.start is not None for p in head.start.parameters()),
        ),
        "decoder_adapter": (
            settings.projector_lr,
            _trained(p for head in heads if head.adapter is not None for p in head.adapter.parameters()),
        ),
        "task_tokens": (settings.task_token_lr, _trained(p for head in heads for p in head.task_tokens.parameters())),
    }
    groups: list[dict[str, Any]] = []
    for name, (rate, parameters) in parts.items():
        for decays in (True, False):
            chosen = [p for p in parameters if (p.ndim >= 2) == decays]
            if chosen:
                decay = settings.weight_decay if decays else 0.0
                groups.append(
                    {
                        "params": chosen,
                        "lr": rate,
                        "weight_decay": decay,
                        "name": f"{name}{'' if decays else '_vectors'}",
                    }
                )
    optimizer = torch.optim.AdamW(groups, betas=settings.betas, eps=settings.eps, foreach=None, fused=None)

    def schedule(rate: float) -> Any:
        final = min(1.0, settings.final_lr / rate) if rate > 0 else 1.0
        return lambda step: one_cycle(step, steps=steps, warmup_steps=settings.warmup_steps, final_share=final)

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, [schedule(float(group["lr"])) for group in groups])
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step", "frequency": 1}}


def _trained(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return [p for p in parameters if p.requires_grad]
