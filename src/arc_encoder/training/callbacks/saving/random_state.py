"""RandomState: the state of torch's random numbers in checkpoints, so that dropout resumes exactly too."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback


class RandomState(Callback):
    """Saves torch's CPU and CUDA generators and restores them when a run is resumed.

    What is saved is their state after the last optimizer step: a run that stops in the middle
    of one continues at its beginning.
    """

    def __init__(self) -> None:
        self._restored: dict[str, Any] = {}
        self._at_step: dict[str, Any] | None = None

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._at_step = _now()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self._at_step = None  # the step is done: the state is what it is

    def state_dict(self) -> dict[str, Any]:
        return _now() if self._at_step is None else self._at_step

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._at_step = None
        if "cpu" in self._restored:
            torch.set_rng_state(self._restored["cpu"].cpu())
        if "cuda" in self._restored and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([state.cpu() for state in self._restored["cuda"]])
        self._restored = {}


def _now() -> dict[str, Any]:
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state
