"""How the pooling factor grows, and where it reaches the batches."""

from __future__ import annotations

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.schedule.batch_schedule import BatchSchedule, BatchSpec
from arc_encoder.data.schedule.growth import FactorGrowth, GeometricGrowth, LinearGrowth, NoGrowth
from tests.training.conftest import data_module

GROWING = [LinearGrowth(until=0.6), GeometricGrowth(until=0.6)]


def factors(growth: FactorGrowth, goal: float, steps: int) -> list[float]:
    return [growth.factor(goal, step=step, steps=steps) for step in range(steps)]


@pytest.mark.parametrize("growth", GROWING, ids=lambda growth: type(growth).__name__)
def test_the_factor_rises_from_the_start_to_the_goal_and_stays(growth: FactorGrowth) -> None:
    found = factors(growth, 8, 100)
    assert found[0] == 1
    assert found == sorted(found)
    assert max(found) == 8
    assert found.index(8) == 60
    assert all(1 <= factor <= 8 for factor in found)


def test_linear_rises_by_the_same_amount_and_geometric_by_the_same_ratio() -> None:
    assert LinearGrowth(until=1.0).factor(5, step=25, steps=100) == pytest.approx(2.0)
    assert GeometricGrowth(until=1.0).factor(16, step=25, steps=100) == pytest.approx(2.0)
    assert GeometricGrowth(start=2.0, until=1.0).factor(8, step=50, steps=100) == pytest.approx(4.0)


def test_without_growth_the_goal_comes_at_once() -> None:
    assert factors(NoGrowth(), 4, 5) == [4] * 5
    assert not NoGrowth().grows


@pytest.mark.parametrize("wrong", [{"start": 0.5}, {"until": 0.0}, {"until": 1.5}])
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LinearGrowth(**wrong)


def test_a_start_above_the_goal_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"start=5 .* 4"):
        LinearGrowth(start=5.0).check([4.0, 8.0])


def specs(**options: object) -> list[BatchSpec]:
    settings = {"batch_size": 2, "batches": 40, "seed": 0, "growth": LinearGrowth(until=0.5), **options}
    return list(BatchSchedule({"task": 1.0}, {"decoder": 1.0}, **settings))  # type: ignore[arg-type]


def test_batches_grow_to_the_models_own_factor_and_to_each_of_several() -> None:
    assert [spec.factor for spec in specs(own_factor=4)][::10] == [1, 2.5, 4, 4]
    several = specs(factors={4: 1.0, 8: 1.0}, own_factor=4)
    assert {spec.factor for spec in several[20:]} == {4, 8}
    assert {spec.factor for spec in several[10:11]} <= {2.5, 4.5}


def test_batches_of_one_step_have_one_factor_and_a_resumed_run_has_the_same() -> None:
    whole = specs(own_factor=4, accumulate=2)
    assert all(whole[i].factor == whole[i + 1].factor for i in range(0, 40, 2))
    assert specs(own_factor=4, accumulate=2, start=13) == whole[13:]


def test_the_data_module_asks_for_a_goal() -> None:
    with pytest.raises(ConfigError, match="growth needs a pooling factor"):
        data_module(growth=LinearGrowth())
