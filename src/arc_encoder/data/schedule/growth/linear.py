"""The pooling factor rises evenly: 1, 1.1, 1.2, …."""

from __future__ import annotations

from arc_encoder.data.schedule.growth.base import FactorGrowth


class LinearGrowth(FactorGrowth):
    """From start to goal, by the same amount each step."""

    def between(self, goal: float, progress: float) -> float:
        return self.start + (goal - self.start) * progress
