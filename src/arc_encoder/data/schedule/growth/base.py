"""What a growth of the pooling factor is: a pure function of the optimizer step.

At factor 1 a vector stands for one token, which a frozen decoder can read at once if it starts as that token's
embedding. From there the factor rises, in steps so small that what was learnt still holds: balanced groups allow
every number of vectors between n and n/x. A fixed factor has to find the same place from nowhere, and at 8 often
does not (docs/results/learning.md).

To add one: subclass `FactorGrowth`, implement `between`, and name the class in a YAML file of `configs/growth`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from arc_encoder.core.errors import ConfigError


class FactorGrowth(ABC):
    """The pooling factor of each optimizer step, on the way to its goal.

    Args:
        start: factor of the first step.
        until: share of the run after which the goal is reached; it is trained for the rest.

    Raises:
        ConfigError: a start below 1, or a share outside 0 … 1.
    """

    def __init__(self, start: float = 1.0, until: float = 0.5) -> None:
        if start < 1:
            raise ConfigError(f"growth: start={start} must be a pooling factor from 1 on")
        if not 0 < until <= 1:
            raise ConfigError(f"growth: until={until} must be a share of the run, above 0 and at most 1")
        self.start, self.until = start, until

    @property
    def grows(self) -> bool:
        """Whether factors between start and goal are trained at all."""
        return True

    def factor(self, goal: float, *, step: int, steps: int) -> float:
        """The factor at optimizer step `step` of `steps`, on the way to `goal`; a goal below the start is kept."""
        progress = step / (self.until * steps)
        if progress >= 1 or goal <= self.start:
            return goal
        return self.between(goal, progress)

    @abstractmethod
    def between(self, goal: float, progress: float) -> float:
        """The factor when `progress` (0 … 1) of the way is done."""

    def check(self, goals: Sequence[float]) -> None:
        """Refuse goals that are below the start.

        Raises:
            ConfigError: naming both.
        """
        beyond = [goal for goal in goals if goal < self.start]
        if self.grows and beyond:
            raise ConfigError(
                f"start={self.start:g} is above the pooling factor {', '.join(f'{goal:g}' for goal in beyond)} that is "
                "trained; lower it, 1 is usual"
            )
