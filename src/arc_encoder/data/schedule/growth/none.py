"""The pooling factor is the same from the first step to the last, as in the method."""

from __future__ import annotations

from arc_encoder.data.schedule.growth.base import FactorGrowth


class NoGrowth(FactorGrowth):
    """The goal from the first step on."""

    def __init__(self) -> None:
        super().__init__()

    @property
    def grows(self) -> bool:
        return False

    def between(self, goal: float, progress: float) -> float:
        return goal
