"""Building the batch that a `BatchSpec` describes, with samples of similar length together.

Each rank looks ahead over a pool of its next batches of the same task, sorts their samples by
length and cuts the sorted row into batches again. The batches of a pool then come in an order that
the seed draws, the same on all ranks, so that ranks have long batches at the same time. A pool is
a pure function of (seed, task, place), so nothing need be stored to resume.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Mapping

from torch.utils.data import Dataset

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.segments import Role, Sample
from arc_encoder.data.batching.collator import ArcCollator
from arc_encoder.data.schedule.batch_schedule import BatchSpec
from arc_encoder.data.tasks import Task

CONTEXT_WEIGHT = 0.25  # what a character of a context weighs beside one of text, which the decoder reads whole
KEPT_POOLS = 2  # of a task: its batches come in order, so that one pool is used up before the next begins


class BatchDataset(Dataset[ArcBatch]):
    """Batches by their specification.

    Args:
        collator: samples → batch.
        pool: batches among which samples are sorted by length; 1 leaves them as they come.
    """

    def __init__(self, tasks: Mapping[str, Task], collator: ArcCollator, seed: int, *, pool: int = 1) -> None:
        self.tasks, self.collator, self.seed, self.pool = dict(tasks), collator, seed, pool
        self._pools: OrderedDict[tuple[str, int], list[list[Sample]]] = OrderedDict()

    def __getitem__(self, spec: BatchSpec) -> ArcBatch:
        return self.collator(self.samples(spec), decoder=spec.decoder, task=spec.task, factor=spec.factor)

    def samples(self, spec: BatchSpec) -> list[Sample]:
        """The samples of a batch."""
        if self.pool == 1 or not self.tasks[spec.task].lengths_vary:
            return self._drawn(spec.task, range(spec.first, spec.first + spec.size))
        number, place = divmod(spec.turn, self.pool)
        key = (spec.task, number)
        if key not in self._pools:
            self._pools[key] = self._sorted_pool(spec, number)
            if len(self._pools) > KEPT_POOLS * len(self.tasks):
                self._pools.popitem(last=False)
        return self._pools[key][place]

    def _drawn(self, task: str, places: range) -> list[Sample]:
        tokenizer = self.collator.encoder_tokenizer
        return [self.tasks[task].sample(place, self.seed, tokenizer) for place in places]

    def _sorted_pool(self, spec: BatchSpec, number: int) -> list[list[Sample]]:
        """The batches of pool `number`, in the order in which they come."""
        rank_offset = spec.first % spec.stride
        firsts = [(number * self.pool + turn) * spec.stride + rank_offset for turn in range(self.pool)]
        samples = [sample for first in firsts for sample in self._drawn(spec.task, range(first, first + spec.size))]
        samples.sort(key=weight)  # stable: equal lengths keep their order
        batches = [samples[turn * spec.size : (turn + 1) * spec.size] for turn in range(self.pool)]
        random.Random(f"pool-{self.seed}-{spec.task}-{number}").shuffle(batches)
        return batches


def weight(sample: Sample) -> float:
    """How long a sample is for the decoder, in characters of text."""
    return sum(
        len(segment.text) * (CONTEXT_WEIGHT if segment.role is Role.CONTEXT else 1.0) for segment in sample.segments
    )
