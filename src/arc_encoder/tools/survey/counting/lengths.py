"""Lengths of many texts: exact median and percentiles from a count of each length, never from the texts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable


class Lengths:
    """A distribution of whole numbers; memory grows with the number of different ones alone."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def add(self, lengths: Iterable[int]) -> None:
        """Count more lengths."""
        self.counts.update(lengths)

    def summary(self) -> dict[str, float] | None:
        """Number, min, median, mean, p95 and max; None if nothing was counted. A percentile is a length that occurs."""
        number = self.counts.total()
        if not number:
            return None
        total = sum(length * count for length, count in self.counts.items())
        return {
            "number": number,
            "min": min(self.counts),
            "median": self.percentile(0.5),
            "mean": total / number,
            "p95": self.percentile(0.95),
            "max": max(self.counts),
            "total": total,
        }

    def percentile(self, share: float) -> int:
        """The smallest length that at least `share` of all do not exceed."""
        needed, seen = math.ceil(share * self.counts.total()), 0
        for length in sorted(self.counts):
            seen += self.counts[length]
            if seen >= needed:
                return length
        raise ValueError("nothing was counted")
