"""Progress: how far the run is, how long it will take, how fast it goes, and the loss of each task and decoder."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm
from torch import Tensor

from arc_encoder.core.batch import ArcBatch

SMOOTHING = 0.1  # share of the newest batch in the losses that are shown


class Progress(TQDMProgressBar):
    """A bar on a terminal; elsewhere, such as in a job's log, a plain line now and then.

    Losses are running means over batches. They stay on the device until they are shown.

    Args:
        refresh_rate: batches between two updates of the bar.
        every_seconds: time between two lines where there is no terminal.
    """

    def __init__(self, refresh_rate: int = 5, every_seconds: float = 30.0) -> None:
        super().__init__(refresh_rate=refresh_rate)
        self.every_seconds = every_seconds
        self._losses: dict[str, Tensor] = {}
        self._shown_at = self._began = 0.0
        self._first = 0

    @property
    def on_terminal(self) -> bool:
        """Whether a bar can be drawn."""
        return sys.stderr.isatty()

    def init_train_tqdm(self) -> Tqdm:
        bar = super().init_train_tqdm()
        bar.disable = bar.disable or not self.on_terminal
        return bar

    def init_validation_tqdm(self) -> Tqdm:
        bar = super().init_validation_tqdm()
        bar.disable = bar.disable or not self.on_terminal
        return bar

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._losses, self._began, self._first = {}, time.perf_counter(), trainer.global_step
        self._shown_at = self._began

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: ArcBatch, batch_idx: int
    ) -> None:
        loss = outputs["loss"].detach() * trainer.accumulate_grad_batches
        several = len(getattr(getattr(pl_module, "model", None), "decoders", ())) > 1
        for name in (batch.task, *([batch.decoder] if several else [])):
            before = self._losses.get(name)
            self._losses[name] = loss if before is None else torch.lerp(before, loss, SMOOTHING)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if not self.on_terminal and not self.is_disabled and trainer.is_global_zero:
            self._tell(trainer)

    def get_metrics(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """What follows the bar: losses by task and decoder, validation loss, tokens a second."""
        shown: dict[str, int | str | float | dict[str, float]] = {
            name: f"{float(loss):.3f}" for name, loss in self._losses.items()
        }
        metrics = trainer.callback_metrics
        if "val/loss" in metrics:
            shown["val"] = f"{float(metrics['val/loss']):.3f}"
        if "throughput/tokens_per_second" in metrics:
            shown["tokens/s"] = f"{float(metrics['throughput/tokens_per_second']):.0f}"
        return shown

    def _tell(self, trainer: L.Trainer) -> None:
        now, step = time.perf_counter(), trainer.global_step
        last = step >= trainer.max_steps
        if now - self._shown_at < self.every_seconds and not last:
            return
        self._shown_at = now
        done = max(1, step - self._first)
        left = (now - self._began) / done * max(0, trainer.max_steps - step)
        words = ", ".join(
            f"{name} {value}" for name, value in self.get_metrics(trainer, trainer.lightning_module).items()
        )
        print(f"step {step}/{trainer.max_steps}, {_clock(left)} left: {words}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
