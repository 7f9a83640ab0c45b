"""How much of a training step is spent outside the model and the optimizer: batches, logging, callbacks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning as L
from hydra import compose
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf, open_dict
from torch import Tensor
from torch.optim import Optimizer

from arc_encoder.config.building.compressors import build_decoders
from arc_encoder.config.building.training import build_trainer
from arc_encoder.config.compose import composing
from arc_encoder.config.paths import register_resolvers
from arc_encoder.tools.bench.suite.figure import Figure, Measurement
from arc_encoder.training.fit import fit


class StepClock(Callback):
    """Seconds in the model and the optimizer, and of whole steps, once `warmup` steps are done."""

    def __init__(self, warmup: int) -> None:
        self.warmup, self.inside, self.steps = warmup, 0.0, 0
        self.first = self.last = 0.0
        self._begun = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        module: Any = pl_module
        objective = module.objective

        def timed(*arguments: Any) -> Any:
            begun = time.perf_counter()
            found = objective(*arguments)
            self._add(time.perf_counter() - begun)
            return found

        module.objective = timed
        for optimizer in trainer.optimizers:
            optimizer.register_step_post_hook(self._stepped)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == self.warmup:
            self.first = time.perf_counter()
        self.last, self.steps = time.perf_counter(), batch_idx - self.warmup

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        self._begun = time.perf_counter()

    def on_after_backward(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._add(time.perf_counter() - self._begun)

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        self._begun = time.perf_counter()

    def _stepped(self, optimizer: Optimizer, arguments: Any, options: Any) -> None:
        self._add(time.perf_counter() - self._begun)

    def _add(self, seconds: float) -> None:
        if self.first:
            self.inside += seconds

    @property
    def share_outside(self) -> float:
        """Of the time from the first counted step to the beginning of the last."""
        whole = self.last - self.first
        return max(0.0, 1.0 - self.inside * self.steps / (self.steps + 1) / whole)


@dataclass
class TrainingLoop(Measurement):
    """A training as `arc-train` does it, its callbacks and logs included.

    Attributes:
        words: its overrides.
        steps: of the training.
        warmup: steps before those that count.
    """

    words: Sequence[str] = ("experiment=toy/pretrain",)
    steps: int = 60
    warmup: int = 10

    def figures(self) -> list[Figure]:
        register_resolvers()
        clock = StepClock(self.warmup)
        with tempfile.TemporaryDirectory() as folder, composing():
            words = [*self.words, f"trainer.max_steps={self.steps}", f"trainer.val_check_interval={self.steps}"]
            config = compose("train", [*words, "optim.warmup_steps=1", f"paths.run={folder}"], return_hydra_config=True)
            with open_dict(config), open_dict(config.callbacks):
                config.pop("hydra")
                config.callbacks.pop("take_off", None)  # it measures now and then, which is no part of a step
            decoders = build_decoders(config.decoders)
            model, tokenizer = instantiate(config.model)(decoders=decoders)
            callbacks = [instantiate(node) for node in config.callbacks.values() if node]
            loggers = [instantiate(node) for node in config.logger.values() if node]
            settings: Any = OmegaConf.to_container(config, resolve=True)
            fit(
                model,
                tokenizer,
                instantiate(config.data),
                instantiate(config.optim),
                trainer=build_trainer(config.trainer, [*callbacks, clock], loggers),
                objective=instantiate(config.objective),
                folder=folder,
                hyperparameters=settings,
            )
        return [
            Figure("loop: share of a step outside model and optimizer", 100 * clock.share_outside, "%", 5.0, "promised",
                   more_is_better=False),
        ]  # fmt: skip
