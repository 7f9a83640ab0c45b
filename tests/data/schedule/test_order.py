"""The endless, reshuffled order of records."""

from __future__ import annotations

from itertools import pairwise

import pytest

from arc_encoder.data.schedule import order as order_module
from arc_encoder.data.schedule.order import shuffled


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


@pytest.mark.parametrize("size", [1, 2, 3, 17, 64, 65, 1000])
@pytest.mark.parametrize("epoch", [0, 3])
def test_large_sources_are_walked_through_once_an_epoch(size: int, epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_module, "LISTED", 0)
    assert sorted(order(5, epoch, size)) == list(range(size))


def test_walks_differ_by_seed_and_epoch_and_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_module, "LISTED", 0)
    orders = [order(seed, epoch, 1000) for seed in (0, 1, 2) for epoch in (0, 1, 2)]
    assert len({tuple(each) for each in orders}) == 9
    for each in orders:
        steps = [abs(one - other) for one, other in pairwise(each)]
        assert 300 < sum(steps) / len(steps) < 370  # a random order has a third of the size
        assert abs(sum(each[:500]) / 500 - 499.5) < 50


def test_a_source_of_a_billion_records_needs_no_list() -> None:
    size = 10**9
    seen = [shuffled(index, size, seed=1) for index in range(2000)]
    assert len(set(seen)) == 2000
    assert all(0 <= each < size for each in seen)
    assert seen == [shuffled(index, size, seed=1) for index in range(2000)]
    assert order_module._permutation.cache_info().currsize <= 8
