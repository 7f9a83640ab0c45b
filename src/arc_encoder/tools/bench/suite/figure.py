"""One measured figure beside its limit, and what measures it."""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        name: what was measured; the same in every run, so that two runs can be compared.
        value: its median.
        unit: of the value; ``×`` for a ratio of two measurements of this run.
        limit: what the machine or arithmetic allows, or what the project promises; None where there is none.
        limit_of: where the limit comes from.
        more_is_better: whether a larger value is a better one.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    limit_of: str = ""
    more_is_better: bool = True

    @property
    def kept(self) -> bool | None:
        """Whether the limit is kept; None without one."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.more_is_better else self.value <= self.limit


class Measurement(ABC):
    """Something that is measured. A subclass is one file, and one entry of `parts` in a YAML file."""

    @abstractmethod
    def figures(self) -> list[Figure]:
        """Measure now."""


def in_turns(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each call; all take turns, so that what else the machine does falls on all alike.

    Args:
        calls: by name; each is called once before, to warm up.
        rounds: how often each is timed.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - begun)
    return {name: statistics.median(each) for name, each in seconds.items()}
