"""ModelFlops: floating-point operations a second while a training runs, and the share of what the GPUs could do.

Counted is what the model needs (as `arc-plan` counts it), not what is computed: padding and the second
forward pass of activation checkpointing are left out (Chowdhery et al., "PaLM", 2022, App. B).
"""

from __future__ import annotations

import time
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.throughput import get_available_flops
from lightning.pytorch.callbacks import Callback

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.compute import COMPUTE
from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.tools.planning.costs.work import work
from arc_encoder.tools.planning.costs.workload import Workload
from arc_encoder.tools.planning.parts import Parts


class ModelFlops(Callback):
    """Logs every `every_n_steps` batches the model's operations a second, and their share of the peak.

    Args:
        every_n_steps: batches between two figures.
        peak_tflops: most that one device computes, 10¹² operations a second; None takes what Lightning knows of
            the GPU. Where that is not known (a CPU), no share is logged.

    Raises:
        ConfigError: an interval below 1, or a peak that is not above 0.
    """

    def __init__(self, every_n_steps: int = 10, peak_tflops: float | None = None) -> None:
        at_least(1, every_n_steps=every_n_steps)
        if peak_tflops is not None and peak_tflops <= 0:
            raise ConfigError(f"peak_tflops={peak_tflops} must be above 0, or null for what is known of the GPU")
        self.every_n_steps, self.peak_tflops = every_n_steps, peak_tflops
        self._reset()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.peak_tflops is None and pl_module.device.type == "cuda":
            known = get_available_flops(pl_module.device, COMPUTE.get(str(trainer.precision), torch.float32))
            self.peak_tflops = None if known is None else known / 1e12
        self._reset()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._reset()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: ArcBatch, batch_idx: int
    ) -> None:
        model: Any = pl_module.model
        self._work += batch_work(model, batch)
        self._batches += 1
        if self._batches < self.every_n_steps:
            return
        rate = self._work / (time.perf_counter() - self._start) / 1e12
        pl_module.log("throughput/model_tflops", rate, sync_dist=True, reduce_fx="sum")
        if self.peak_tflops is not None:
            pl_module.log("throughput/model_flops_utilisation", rate / self.peak_tflops, sync_dist=True)
        self._reset()

    def _reset(self) -> None:
        self._start, self._work, self._batches = time.perf_counter(), 0, 0


def batch_work(model: ArcForCausalLM, batch: ArcBatch) -> int:
    """Operations of one training batch, forward and backward, from the mean lengths of its samples."""
    samples = len(batch.sample_ids)
    contexts = max(1, round(len(batch.context_lengths) / samples))
    targets = batch.target_tokens
    shape = Workload(
        samples=samples,
        contexts=contexts,
        context_tokens=max(1, round(batch.encoder_tokens / (samples * contexts))),
        plain_tokens=round((batch.text_tokens - targets) / samples),
        targets=round(targets / samples),
        factor=batch.factor,
    )
    parts = Parts(model.compressor, {batch.decoder: model.decoder(batch.decoder).model})
    return work(parts, batch.decoder, shape).total(checkpointing=False)
