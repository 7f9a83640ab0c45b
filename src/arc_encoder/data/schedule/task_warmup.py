"""Other shares of the tasks at the beginning of a run: first what teaches the decoder to read vectors, then the rest."""

from __future__ import annotations

from collections.abc import Mapping

from arc_encoder.core.errors import ConfigError, check_number


class TaskWarmup:
    """Shares of the tasks for the first steps of a run.

    Reconstruction has an answer for every vector, and takes off first; much of it at the beginning makes every seed
    take off, and less of it later leaves the continuation its share (docs/results/learning.md).

    Args:
        shares: relative share of each task during the warm-up; a task that is not named has none.
        steps: optimizer steps after which the tasks have the shares of their own.

    Raises:
        ConfigError: no positive share, a negative one, or less than one step.
    """

    def __init__(self, shares: Mapping[str, float], steps: int = 300) -> None:
        self.shares = {str(name): float(share) for name, share in shares.items()}
        if any(share < 0 for share in self.shares.values()) or not sum(self.shares.values()) > 0:
            raise ConfigError(f"task_warmup: shares={self.shares} must not be negative, and one must be above 0")
        check_number("task_warmup: steps", steps, lowest=1)
        self.steps = steps

    def check(self, tasks: Mapping[str, object]) -> None:
        """Refuse shares of tasks that are not there.

        Raises:
            ConfigError: naming them.
        """
        unknown = sorted(set(self.shares) - set(tasks))
        if unknown:
            raise ConfigError(f"task_warmup: no task is called {', '.join(unknown)}; there are: {', '.join(tasks)}")

    def share(self, task: str) -> float:
        """Of all batches of the warm-up, the share of a task."""
        return self.shares.get(task, 0.0) / sum(self.shares.values())
