"""Throughput: tokens per second, compression ratio and memory, in the logs and beside the progress bar."""

from __future__ import annotations

import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.compute import peak_memory_gib


class Throughput(Callback):
    """Logs every `every_n_steps` batches: encoder and all tokens per second on all processes, peak memory of this one.

    Args:
        every_n_steps: batches between two figures.
    """

    def __init__(self, every_n_steps: int = 10) -> None:
        self.every_n_steps = every_n_steps
        self._reset()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._reset()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._reset()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: ArcBatch, batch_idx: int
    ) -> None:
        self._encoder += batch.encoder_tokens
        self._all += batch.tokens
        self._batches += 1
        if self._batches < self.every_n_steps:
            return
        seconds = time.perf_counter() - self._start
        for name, tokens in (("tokens_per_second", self._all), ("encoder_tokens_per_second", self._encoder)):
            pl_module.log(f"throughput/{name}", tokens / seconds, sync_dist=True, reduce_fx="sum")
        pl_module.log("throughput/peak_memory_gib", peak_memory_gib(pl_module.device))
        self._reset()

    def _reset(self) -> None:
        self._start, self._encoder, self._all, self._batches = time.perf_counter(), 0, 0, 0
