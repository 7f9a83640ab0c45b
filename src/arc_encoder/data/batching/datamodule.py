"""ArcDataModule: tasks → batches, for training and validation."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

import lightning as L
from lightning.fabric.utilities.seed import pl_worker_init_function
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.data.batching.batches import BatchDataset
from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.data.schedule.batch_schedule import BatchSchedule
from arc_encoder.data.schedule.growth import FactorGrowth, NoGrowth
from arc_encoder.data.schedule.task_warmup import TaskWarmup
from arc_encoder.data.tasks import Task


class ArcDataModule(L.LightningDataModule):
    """Batches for training and validation; one task and one decoder a batch.

    Args:
        tasks: training tasks by name, each with its share.
        validation: tasks of held-out data by name; every one is seen for every decoder.
        batch_size: samples of a batch on one process.
        validation_batches: batches of each validation task and decoder.
        seed: order of records and every random choice of the tasks.
        workers: processes that prepare batches; 0 prepares them in the training process.
        length_pool: batches of a task among which samples of varying length are sorted, so that little
            is padded; 1 leaves the samples as they come.
        decoder_weights: how often each decoder is trained, by name; equal if empty.
        factors: pooling factors to train, so that one ARC-Encoder serves several: [4, 8] trains both alike,
            [4, 4, 4, 8] or {4: 3, 8: 1} the first three times as often; empty trains the model's own factor alone.
        growth: how the factor of training batches grows to each of these; validation has the goal throughout.
        task_warmup: other shares of the tasks at the beginning of the run.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        *,
        validation: Mapping[str, Task] | None = None,
        batch_size: int = 16,
        validation_batches: int = 4,
        seed: int = 0,
        workers: int = 0,
        length_pool: int = 1,
        decoder_weights: Mapping[str, float] | None = None,
        factors: Mapping[int, float] | Sequence[int] | None = None,
        growth: FactorGrowth | None = None,
        task_warmup: TaskWarmup | None = None,
    ) -> None:
        super().__init__()
        self.tasks, self.validation = dict(tasks), dict(validation or {})
        self.task_warmup = task_warmup
        if task_warmup is not None:
            task_warmup.check(self.tasks)
        self.batch_size, self.validation_batches = batch_size, validation_batches
        at_least(1, length_pool=length_pool)
        self.seed, self.workers, self.length_pool = seed, workers, length_pool
        self.decoder_weights = dict(decoder_weights or {})
        self.factors = dict(factors or {}) if isinstance(factors, Mapping) else dict(Counter(factors or []))
        self.growth = growth or NoGrowth()
        self._collator: ArcCollator | None = None
        self._own_factor: int | None = None
        self._with_reference = False

    def connect(
        self,
        encoder_tokenizer: PreTrainedTokenizerBase,
        decoders: Mapping[str, DecoderText],
        *,
        own_factor: int | None = None,
        with_reference: bool = False,
    ) -> None:
        """Give the tokenizers of encoder and decoders; must be called before training.

        Args:
            encoder_tokenizer: the encoder's.
            decoders: how text is tokenized for each decoder, by name.
            own_factor: pooling factor of the model, to which it grows where `factors` names none.
            with_reference: put what the decoder would read without compression beside each training batch.

        Raises:
            ConfigError: a weight for a decoder that is not loaded, or a growth without a goal.
        """
        goals = [float(factor) for factor in self.factors] or ([] if own_factor is None else [float(own_factor)])
        if self.growth.grows and not goals:
            raise ConfigError("growth needs a pooling factor to grow to, and this pooling has none; leave growth out")
        self.growth.check(goals)
        self._own_factor, self._with_reference = own_factor, with_reference
        unknown = sorted(set(self.decoder_weights) - set(decoders))
        if unknown:
            raise ConfigError(f"decoder_weights names {', '.join(unknown)}; loaded decoders: {', '.join(decoders)}")
        self._collator = ArcCollator(encoder_tokenizer, decoders)

    @property
    def collator(self) -> ArcCollator:
        """The collator, once `connect` was called."""
        if self._collator is None:
            raise ConfigError(
                "ArcDataModule.connect(encoder_tokenizer, decoders) must be called before batches are made"
            )
        return self._collator

    def train_dataloader(self) -> DataLoader[ArcBatch]:
        trainer = self._trainer()
        if trainer.max_steps < 1:
            raise ConfigError("give the Trainer max_steps: the length of a run is counted in optimizer steps")
        accumulate = trainer.accumulate_grad_batches
        schedule = BatchSchedule(
            {name: task.share for name, task in self.tasks.items()},
            self._weights(),
            batch_size=self.batch_size,
            batches=trainer.max_steps * accumulate,
            seed=self.seed,
            accumulate=accumulate,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            # Gradients are not saved, so a run always resumes at an optimizer step.
            start=trainer.global_step * accumulate,
            factors=self.factors,
            growth=self.growth,
            own_factor=self._own_factor,
            warmup=self.task_warmup,
        )
        collator = ArcCollator(
            self.collator.encoder_tokenizer, self.collator.decoders, with_reference=self._with_reference
        )
        return self._loader(self.tasks, schedule, collator, pool=self.length_pool)

    def val_dataloader(self) -> list[DataLoader[ArcBatch]]:
        trainer = self._trainer()
        loaders = []
        for decoder in self._weights():
            for name in self.validation:
                schedule = BatchSchedule(
                    {name: 1.0},
                    {decoder: 1.0},
                    batch_size=self.batch_size,
                    batches=self.validation_batches,
                    seed=self.seed,
                    rank=trainer.global_rank,
                    world_size=trainer.world_size,
                )
                loaders.append(self._loader(self.validation, schedule, self.collator))
        return loaders

    def _weights(self) -> dict[str, float]:
        return self.decoder_weights or dict.fromkeys(self.collator.decoders, 1.0)

    def _trainer(self) -> L.Trainer:
        if self.trainer is None:
            raise ConfigError("ArcDataModule must be used by a Lightning Trainer: trainer.fit(module, datamodule)")
        return self.trainer

    def _loader(
        self, tasks: Mapping[str, Task], schedule: BatchSchedule, collator: ArcCollator, *, pool: int = 1
    ) -> DataLoader[ArcBatch]:
        options: dict[str, Any] = {"persistent_workers": True, "worker_init_fn": init_worker} if self.workers else {}
        return DataLoader(
            BatchDataset(tasks, collator, self.seed, pool=pool),
            sampler=schedule,  # type: ignore[arg-type]
            batch_size=None,
            num_workers=self.workers,
            pin_memory=False,
            **options,
        )


IGNORED = (signal.SIGINT, signal.SIGUSR1)


def init_worker(number: int) -> None:
    """Set up worker `number` of a data loader: its signals, and its seeds where the run asked for that.

    A terminal sends Ctrl-C to every process of a run, and so does a cluster with its signals. A worker that died of it
    would break the step that the training process still finishes and saves. The first SIGTERM passes and the second ends it, so that nothing keeps a worker that hangs. All of them end when
    the training process does.
    """
    for each in IGNORED:
        signal.signal(each, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _pass_once)
    if os.environ.get("PL_SEED_WORKERS") == "1":  # Lightning's own function, which it leaves out beside another one
        pl_worker_init_function(number)


def _pass_once(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
