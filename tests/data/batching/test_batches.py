"""Batches of samples of similar length."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from arc_encoder.core.segments import Role, Sample, Segment
from arc_encoder.data.batching.batches import BatchDataset, weight
from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.data.schedule.batch_schedule import BatchSchedule, BatchSpec
from arc_encoder.data.tasks import Task


class Ragged(Task):
    """Samples whose lengths are all over the place."""

    def __init__(self, lengths_vary: bool = True) -> None:
        super().__init__()
        self.lengths_vary = lengths_vary
        self.made = 0

    def sample(self, index: int, seed: int, tokenizer: PreTrainedTokenizerBase) -> Sample:
        self.made += 1
        length = 1 + (index * 7919 + seed) % 97
        return Sample(str(index), (Segment("x" * 8, Role.CONTEXT), Segment("y" * length, Role.TARGET)))


def specs(batches: int, *, size: int = 4, rank: int = 0, ranks: int = 1, start: int = 0) -> list[BatchSpec]:
    plan = BatchSchedule(
        {"ragged": 1.0}, {"d": 1.0}, batch_size=size, batches=batches, seed=3, rank=rank, world_size=ranks, start=start
    )
    return list(plan)


@pytest.fixture
def collator(letters: PreTrainedTokenizerFast) -> ArcCollator:
    return ArcCollator(letters, {"d": DecoderText(letters)})


def ids(batches: list[list[Sample]]) -> list[int]:
    return [int(sample.id) for batch in batches for sample in batch]


def drawn(collator: ArcCollator, wanted: list[BatchSpec], pool: int, seed: int = 3) -> list[list[Sample]]:
    dataset = BatchDataset({"ragged": Ragged()}, collator, seed, pool=pool)
    return [dataset.samples(spec) for spec in wanted]


def test_a_pool_holds_the_same_samples_sorted_by_length(collator: ArcCollator) -> None:
    plain, pooled = (drawn(collator, specs(16), pool) for pool in (1, 8))
    assert ids(plain) == list(range(64))
    for first in (0, 8):  # each pool of eight batches by itself
        assert sorted(ids(pooled[first : first + 8])) == list(range(first * 4, first * 4 + 32))
    spread = [max(map(weight, batch)) - min(map(weight, batch)) for batch in pooled]
    assert max(spread) < 20
    assert min(max(map(weight, batch)) - min(map(weight, batch)) for batch in plain) > 20


def test_batches_of_a_pool_come_in_a_drawn_order(collator: ArcCollator) -> None:
    means = [sum(map(weight, batch)) for batch in drawn(collator, specs(8), 8)]
    assert means != sorted(means)
    assert means != sorted(means, reverse=True)
    assert ids(drawn(collator, specs(8), 8, seed=4)) != ids(drawn(collator, specs(8), 8))


def test_every_rank_sorts_its_own_samples_and_has_long_batches_with_the_others(collator: ArcCollator) -> None:
    ranks = [drawn(collator, specs(8, rank=rank, ranks=2), 8) for rank in (0, 1)]
    assert sorted(ids(ranks[0]) + ids(ranks[1])) == list(range(64))
    for rank in (0, 1):
        assert sorted(ids(ranks[rank])) == [i for i in range(64) if i // 4 % 2 == rank]
    order = [sorted(range(8), key=lambda i, r=r: sum(map(weight, ranks[r][i]))) for r in (0, 1)]
    assert order[0] == order[1]


@pytest.mark.parametrize("start", [1, 7, 8, 13])
def test_a_resumed_run_gets_the_same_batches(collator: ArcCollator, start: int) -> None:
    assert drawn(collator, specs(16, start=start), 8) == drawn(collator, specs(16), 8)[start:]


def test_a_pool_is_made_once(letters: PreTrainedTokenizerFast) -> None:
    task = Ragged()
    dataset = BatchDataset({"ragged": task}, ArcCollator(letters, {"d": DecoderText(letters)}), 3, pool=8)
    for spec in specs(16):
        dataset.samples(spec)
    assert task.made == 64


def test_tasks_of_equal_lengths_are_left_as_they_come(letters: PreTrainedTokenizerFast) -> None:
    task = Ragged(lengths_vary=False)
    dataset = BatchDataset({"ragged": task}, ArcCollator(letters, {"d": DecoderText(letters)}), 3, pool=8)
    assert ids([dataset.samples(spec) for spec in specs(4)]) == list(range(16))
    assert task.made == 16


def test_pools_of_many_tasks_in_turn_are_made_once(letters: PreTrainedTokenizerFast) -> None:
    tasks: dict[str, Task] = {f"task_{number}": Ragged() for number in range(9)}
    plan = BatchSchedule(dict.fromkeys(tasks, 1.0), {"d": 1.0}, batch_size=4, batches=300, seed=3)
    dataset = BatchDataset(tasks, ArcCollator(letters, {"d": DecoderText(letters)}), 3, pool=8)
    turns = dict.fromkeys(tasks, 0)
    for spec in plan:
        dataset.samples(spec)
        turns[spec.task] = spec.turn + 1
    pools = {name: -(-count // 8) for name, count in turns.items()}
    made = {name: task.made for name, task in tasks.items() if isinstance(task, Ragged)}
    assert made == {name: 32 * count for name, count in pools.items()}
