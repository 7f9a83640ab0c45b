"""The endless, reshuffled order of records."""

from __future__ import annotations

import pytest

from arc_encoder.data.order import shuffled


@pytest.mark.parametrize("size", [1, 2, 17, 1000])
@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_every_record_comes_once_an_epoch(size: int, epoch: int) -> None:
    seen = [shuffled(epoch * size + place, size, seed=3) for place in range(size)]
    assert sorted(seen) == list(range(size))


def order(seed: int, epoch: int, size: int = 50) -> list[int]:
    return [shuffled(epoch * size + place, size, seed) for place in range(size)]


def test_each_epoch_and_each_seed_has_its_own_order() -> None:
    orders = [order(seed, epoch) for seed in (0, 1, 2) for epoch in (0, 1, 10, 1000)]
    assert len({tuple(each) for each in orders}) == 12
    assert list(range(50)) not in orders


def test_the_order_does_not_depend_on_what_was_asked_before() -> None:
    forwards = [shuffled(index, 7, seed=1) for index in range(200)]
    # many other permutations in between push these out of the cache
    for seed in range(20):
        shuffled(0, 7, seed + 10)
    backwards = [shuffled(index, 7, seed=1) for index in reversed(range(200))]
    assert forwards == backwards[::-1]


def test_far_indices_and_large_seeds_work() -> None:
    assert 0 <= shuffled(10**12, 10, seed=2**40) < 10
