"""The pooling factor doubles in equal times: as long from 1 to 2 as from 4 to 8."""

from __future__ import annotations

from arc_encoder.data.schedule.growth.base import FactorGrowth


class GeometricGrowth(FactorGrowth):
    """From start to goal, by the same ratio each step."""

    def between(self, goal: float, progress: float) -> float:
        return float(self.start * (goal / self.start) ** progress)
