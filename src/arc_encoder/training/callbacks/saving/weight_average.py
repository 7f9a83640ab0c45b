"""WeightAverage: an exponential moving average of what is trained, validated and published in its place."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.training.module import ArcLightningModule


class WeightAverage(Callback):
    """average ← d · average + (1 − d) · weight after every optimizer step.

    Keeps one more copy of the trained weights and none of a decoder (Lightning's
    `EMAWeightAveraging` copies the whole module, decoders included). Training itself continues
    with the plain weights; validation, text samples and the published folder use the averages.

    Args:
        decay: d, the share that stays; about 1 / (1 − d) steps are averaged.
        warmup: lowers d at the beginning to (1 + t) / (10 + t) at step t, so that the random start is forgotten.

    Raises:
        ConfigError: a decay outside of (0, 1).
    """

    def __init__(self, decay: float = 0.999, *, warmup: bool = True) -> None:
        if not 0 < decay < 1:
            raise ConfigError(f"weight average: decay={decay} must be between 0 and 1, such as 0.999")
        self.decay, self.warmup = decay, warmup
        self.averages: dict[str, Tensor] = {}
        self._swapped = False
        self._step = 0

    def decay_at(self, step: int) -> float:
        """The share of the average that stays at optimizer step `step`, from 1 on."""
        return min(self.decay, (1 + step) / (10 + step)) if self.warmup else self.decay

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trained = _trained(pl_module)
        if any(hasattr(p, "full_tensor") for p in trained.values()):
            raise ConfigError("an average of the weights cannot be kept when they are sharded; leave WeightAverage out")
        if not self.averages:
            if trainer.global_step > 0:
                raise CheckpointError(
                    "the checkpoint holds no average of the weights, as it was written without one; continue without it, "
                    "or start a new run from the published folder with model.init_from"
                )
            self.averages = {name: p.detach().clone() for name, p in trained.items()}
        elif self.averages.keys() != trained.keys():
            raise CheckpointError(
                "the checkpoint's average is of other weights; resume with the settings of the first start"
            )
        else:
            self.averages = {name: self.averages[name].to(p) for name, p in trained.items()}
        self._step, self._swapped = trainer.global_step, False

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self._step:  # gradients are still accumulated
            return
        self._step = trainer.global_step
        trained = _trained(pl_module)
        torch._foreach_lerp_(
            [self.averages[name] for name in trained],
            [p.detach() for p in trained.values()],
            1 - self.decay_at(self._step),
        )

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._swap(pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._swapped:
            self._swap(pl_module)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if self._swapped:  # within a validation: a checkpoint must hold the plain weights
            self._swap(pl_module)

    @torch.no_grad()
    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """What follows, such as the export, sees the averages."""
        for name, parameter in _trained(pl_module).items():
            parameter.copy_(self.averages[name])

    def state_dict(self) -> dict[str, Any]:
        return {"averages": dict(self.averages)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.averages = dict(state_dict["averages"])

    @torch.no_grad()
    def _swap(self, pl_module: L.LightningModule) -> None:
        for name, parameter in _trained(pl_module).items():
            plain = parameter.clone()
            parameter.copy_(self.averages[name])
            self.averages[name].copy_(plain)
        self._swapped = not self._swapped


def _trained(pl_module: L.LightningModule) -> dict[str, nn.Parameter]:
    assert isinstance(pl_module, ArcLightningModule)
    return {name: p for name, p in pl_module.model.compressor.named_parameters() if p.requires_grad}
