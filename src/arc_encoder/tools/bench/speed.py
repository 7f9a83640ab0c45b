"""How fast batches are made, and how fast the model works on them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from tqdm import tqdm

from arc_encoder.core.batch import ArcBatch
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.optim.optimizer import make_optimizer


@dataclass(frozen=True)
class Speed:
    """Work done and the time that it took.

    Attributes:
        batches: number of batches.
        tokens: text tokens of encoder and decoder.
        seconds: wall-clock time.
    """

    batches: int
    tokens: int
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Text tokens of encoder and decoder, a second."""
        return self.tokens / self.seconds


def loader_speed(loader: Iterable[ArcBatch], *, batches: int, warmup: int) -> tuple[Speed, list[ArcBatch]]:
    """How fast `loader` gives batches, after `warmup` of them that start its workers; and the batches."""
    iterator = iter(loader)
    for _ in itertools.islice(iterator, warmup):
        pass
    start = time.perf_counter()
    found = list(itertools.islice(iterator, batches))
    seconds = time.perf_counter() - start
    return Speed(len(found), sum(batch.tokens for batch in found), seconds), found


def step_speed(
    module: ArcLightningModule, batches: list[ArcBatch], device: torch.device, *, warmup: int, precision: torch.dtype
) -> Speed:
    """How fast `module` trains on `batches`, after the first `warmup` of them: forward, backward, optimizer.

    Args:
        precision: dtype of the computation; weights stay as they are.
    """
    module.model.to(device)
    optimizer = make_optimizer(module.model.compressor, module.optim, len(batches))["optimizer"]
    counted, start = batches[warmup:], 0.0
    for number, batch in enumerate(tqdm(batches, desc="steps", unit="step", leave=False)):
        if number == warmup:
            _wait(device)
            start = time.perf_counter()
        with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
            loss = module.model(batch.to(device)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    _wait(device)
    return Speed(len(counted), sum(batch.tokens for batch in counted), time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
