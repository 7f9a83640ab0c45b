"""Which batch comes when."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.schedule.batch_schedule import BatchSchedule, BatchSpec
from arc_encoder.data.schedule.task_warmup import TaskWarmup

PRETRAINING = {"reconstruction": 0.2, "continuation": 0.8}
FINE_TUNING = dict(enumerate([6, 4, 8, 27, 1, 9, 3, 20, 12, 2.5, 2.5, 5]))  # Pilchen et al., 2025, App. C.3


def plan(
    shares: dict[Any, float] = PRETRAINING, decoders: dict[str, float] | None = None, **options: Any
) -> list[BatchSpec]:
    options = {"batch_size": 4, "batches": 200, "seed": 0, **options}
    return list(BatchSchedule(shares, decoders or {"a": 1.0, "b": 1.0}, **options))


@pytest.mark.parametrize(
    "shares", [PRETRAINING, FINE_TUNING, {"x": 1, "y": 1, "z": 1}, {"rare": 0.001, "usual": 0.999}]
)
def test_each_task_keeps_its_share_to_one_batch_at_any_time(shares: dict[Any, float]) -> None:
    total, done = sum(shares.values()), Counter()
    for number, spec in enumerate(plan(shares, batches=3000), start=1):
        done[spec.task] += 1
        for task, share in shares.items():
            assert abs(done[task] - number * share / total) < 1 + 1e-9


def test_the_shares_of_a_long_run_are_exact() -> None:
    done = Counter(spec.task for spec in plan(batches=5000))
    assert done == {"reconstruction": 1000, "continuation": 4000}


def test_a_warmup_has_shares_of_its_own() -> None:
    warmup = TaskWarmup({"reconstruction": 3, "rare": 1}, steps=50)
    shares = {**PRETRAINING, "rare": 0.0}
    specs = plan(shares, batches=400, warmup=warmup, accumulate=2)
    assert Counter(spec.task for spec in specs[:100]) == {"reconstruction": 75, "rare": 25}
    assert Counter(spec.task for spec in specs[100:]) == {"reconstruction": 60, "continuation": 240}
    assert plan(shares, batches=400, warmup=warmup, accumulate=2, start=90) == specs[90:]
    for name in shares:
        firsts = [spec.first for spec in specs if spec.task == name]
        assert firsts == [4 * number for number in range(len(firsts))]  # every record in its turn, none twice


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"shares": {"a": -1}}, "not be negative"),
        ({"shares": {}}, "one must be above 0"),
        ({"shares": {"a": 1}, "steps": 0}, "steps=0"),
        ({"shares": {"a": 1}, "steps": 1.5}, "steps=1.5"),
    ],
)
def test_bad_warmups_are_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        TaskWarmup(**options)
    with pytest.raises(ConfigError, match="no task is called other; there are: reconstruction, continuation"):
        TaskWarmup({"other": 1}).check(PRETRAINING)


def test_batches_are_numbered_and_counted() -> None:
    assert [spec.number for spec in plan(batches=9)] == list(range(9))
    assert len(BatchSchedule(PRETRAINING, {"a": 1}, batch_size=4, batches=9, seed=0, start=5)) == 9


def test_a_task_without_share_and_a_decoder_without_weight_never_come() -> None:
    specs = plan({"on": 1.0, "off": 0.0}, {"a": 1.0, "b": 0.0, "c": 1.0})
    assert {spec.task for spec in specs} == {"on"}
    assert {spec.decoder for spec in specs} == {"a", "c"}


@pytest.mark.parametrize("world_size", [1, 3])
def test_ranks_share_task_and_decoder_and_read_every_record_once(world_size: int) -> None:
    ranks = [plan(rank=rank, world_size=world_size, batches=50) for rank in range(world_size)]
    read: dict[str, list[int]] = {"reconstruction": [], "continuation": []}
    for specs in zip(*ranks, strict=True):
        assert len({(spec.number, spec.task, spec.decoder) for spec in specs}) == 1
        read[specs[0].task] += [record for spec in specs for record in range(spec.first, spec.first + spec.size)]
    assert read["reconstruction"] == list(range(10 * 4 * world_size))
    assert read["continuation"] == list(range(40 * 4 * world_size))


@pytest.mark.parametrize("start", [0, 1, 36, 199, 200])
@pytest.mark.parametrize("options", [{}, {"accumulate": 4}, {"rank": 1, "world_size": 2}, {"factors": {4: 1, 8: 1}}])
def test_a_resumed_plan_is_the_tail_of_the_whole_plan(start: int, options: dict[str, Any]) -> None:
    assert plan(start=start, **options) == plan(**options)[start:]


@pytest.mark.parametrize("accumulate", [1, 2, 5])
def test_the_decoder_changes_only_between_optimizer_steps(accumulate: int) -> None:
    decoders = [spec.decoder for spec in plan(accumulate=accumulate)]
    steps = [decoders[first : first + accumulate] for first in range(0, len(decoders), accumulate)]
    assert all(len(set(step)) == 1 for step in steps)
    firsts = [step[0] for step in steps]
    assert firsts == [spec.decoder for spec in plan(batches=len(steps))]  # one draw for a step
    changes = sum(a != b for a, b in pairwise(firsts))
    assert 0.3 < changes / len(firsts) < 0.7


@pytest.mark.parametrize(("weights", "share"), [({"a": 1, "b": 1}, 0.5), ({"a": 3, "b": 1}, 0.75)])
def test_decoders_are_drawn_by_weight(weights: dict[str, float], share: float) -> None:
    drawn = Counter(spec.decoder for spec in plan(decoders=weights, batches=2000))
    assert drawn["a"] / 2000 == pytest.approx(share, abs=0.04)


def test_without_factors_the_model_uses_its_own() -> None:
    assert {spec.factor for spec in plan()} == {None}


def test_factors_are_drawn_by_weight_once_a_step_for_all_ranks() -> None:
    factors = {4: 3.0, 8: 1.0, 16: 0.0}
    options: dict[str, Any] = {"factors": factors, "accumulate": 2, "world_size": 2, "batches": 3000}
    drawn, other = ([spec.factor for spec in plan(rank=rank, **options)] for rank in (0, 1))
    assert drawn == other
    assert drawn[::2] == drawn[1::2]
    assert set(drawn) == {4, 8}
    assert drawn.count(4) / 3000 == pytest.approx(0.75, abs=0.04)
    assert drawn != [{"a": 4, "b": 8}[spec.decoder] for spec in plan(decoders={"a": 3.0, "b": 1.0}, **options)]


def test_factors_change_nothing_else() -> None:
    plain, varied = plan(), plan(factors={4: 1.0, 8: 1.0})
    assert [replace(spec, factor=None) for spec in varied] == plain


def test_the_seed_chooses_the_decoders_and_nothing_else() -> None:
    first, same, other = plan(seed=1), plan(seed=1), plan(seed=2)
    assert first == same
    assert [spec.decoder for spec in first] != [spec.decoder for spec in other]
    assert [(spec.task, spec.first) for spec in first] == [(spec.task, spec.first) for spec in other]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shares": {}}, "no task has a positive share"),
        ({"shares": {"x": 0.0}}, "no task has a positive share"),
        ({"decoders": {"a": 0.0}}, "no decoder has a positive weight"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_plans_that_cannot_work_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(**wrong)
