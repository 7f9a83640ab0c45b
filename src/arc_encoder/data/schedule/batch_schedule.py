"""Which batch comes when: task, decoder and records of every batch, from the seed alone.

The schedule of a run is a pure function of (shares, seed, world size), so a resumed run starts
it at the batch it had reached, with any number of workers, and gets the same batches.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch.utils.data import Sampler

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.data.schedule.growth import FactorGrowth, NoGrowth
from arc_encoder.data.schedule.task_warmup import TaskWarmup

Choice = TypeVar("Choice", str, int)


@dataclass(frozen=True)
class BatchSpec:
    """One batch: `first` … `first + size − 1` of the task's endless samples, for one decoder.

    Attributes:
        number: of the batch in the run.
        task: name of the task.
        decoder: name of the decoder.
        first: number of its first sample.
        size: samples.
        stride: from the first sample of a batch to that of the task's next one on this rank.
        factor: pooling factor of this batch, not always whole while it grows; None for the model's own.
    """

    number: int
    task: str
    decoder: str
    first: int
    size: int
    stride: int
    factor: float | None = None

    @property
    def turn(self) -> int:
        """Batches of the same task before this one."""
        return self.first // self.stride


class BatchSchedule(Sampler[BatchSpec]):
    """The batches of a run, as one rank sees them.

    Tasks follow each other so that after every batch each task has had its share to within
    about one batch. The decoder is drawn once for each optimizer step, the same on all ranks.

    Args:
        shares: relative share of each task.
        decoders: relative weight of each decoder.
        batch_size: samples of a batch on one rank.
        batches: number of batches of the whole run.
        seed: chooses the decoders.
        accumulate: batches of one optimizer step.
        rank, world_size: this process among all.
        start: first batch to yield (batches before it were consumed before).
        factors: relative weight of each pooling factor; empty uses the model's own throughout.
        growth: how the factor grows to each of them.
        own_factor: the model's own factor, to which it grows where `factors` is empty.
        warmup: other shares of the tasks at the beginning.
    """

    def __init__(
        self,
        shares: Mapping[str, float],
        decoders: Mapping[str, float],
        *,
        batch_size: int,
        batches: int,
        seed: int,
        accumulate: int = 1,
        rank: int = 0,
        world_size: int = 1,
        start: int = 0,
        factors: Mapping[int, float] | None = None,
        growth: FactorGrowth | None = None,
        own_factor: int | None = None,
        warmup: TaskWarmup | None = None,
    ) -> None:
        early = {} if warmup is None else warmup.shares
        self.shares = {name: share for name, share in shares.items() if share > 0 or early.get(name, 0) > 0}
        self.warmup = warmup
        self.decoders = {name: weight for name, weight in decoders.items() if weight > 0}
        if not sum(self.shares.values()) > 0:
            raise ConfigError(f"no task has a positive share: {dict(shares)}")
        if not self.decoders:
            raise ConfigError(f"no decoder has a positive weight: {dict(decoders)}")
        at_least(1, batch_size=batch_size)
        self.batch_size, self.batches, self.seed, self.accumulate = batch_size, batches, seed, accumulate
        self.rank, self.world_size, self.start = rank, world_size, start
        self.factors = {int(factor): weight for factor, weight in (factors or {}).items() if weight > 0}
        self.growth, self.own_factor = growth or NoGrowth(), own_factor

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[BatchSpec]:
        done = dict.fromkeys(self.shares, 0)
        for number in range(self.batches):
            # the task that is furthest behind its share
            task = max(self.shares, key=lambda name: self._due(name, number + 1) - done[name])
            stride = self.world_size * self.batch_size
            first = done[task] * stride + self.rank * self.batch_size
            done[task] += 1
            if number >= self.start:
                step = number // self.accumulate
                decoder = self._draw("decoder", self.decoders, step)
                assert decoder is not None
                yield BatchSpec(number, task, decoder, first, self.batch_size, stride, self._factor(step))

    def _due(self, task: str, number: int) -> float:
        """How many of the first `number` batches a task should have had."""
        early = 0 if self.warmup is None else min(number, self.warmup.steps * self.accumulate)
        later = self.shares[task] / sum(self.shares.values()) * (number - early)
        return later if self.warmup is None else later + self.warmup.share(task) * early

    def _factor(self, step: int) -> float | None:
        goal = self._draw("factor", self.factors, step)
        if not self.growth.grows:
            return goal
        goal = self.own_factor if goal is None else goal
        assert goal is not None  # `ArcDataModule.connect` asks for it
        return self.growth.factor(goal, step=step, steps=self.batches // self.accumulate)

    def _draw(self, what: str, weights: Mapping[Choice, float], step: int) -> Choice | None:
        """A choice for one optimizer step, the same on all ranks."""
        if len(weights) <= 1:
            return next(iter(weights), None)
        rng = random.Random(f"{what}-{self.seed}-{step}")
        return rng.choices(list(weights), weights=list(weights.values()))[0]
