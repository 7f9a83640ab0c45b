"""Prompts that wait for a place among those that are being answered."""

from __future__ import annotations

from collections.abc import Sequence


class Waiting:
    """Which prompts are read next; they are taken in their order, so put the longest first.

    Args:
        lengths: positions that each prompt takes with its answer.
        rows: most prompts at once.
        positions: most positions at once, padding included; one prompt always goes. None is no limit.
    """

    def __init__(self, lengths: Sequence[int], *, rows: int, positions: int | None = None) -> None:
        self.lengths, self.rows, self.positions = lengths, rows, positions
        self._next = 0
        self._width: dict[int, int] = {}  # of each prompt that was taken: the longest that was taken with it

    def take(self, running: Sequence[int]) -> range:
        """The places of the prompts that fit beside those `running`; none may, unless nothing is running."""
        widest = max((self._width[place] for place in running), default=0)
        first = last = self._next
        while last < len(self.lengths) and last - first + len(running) < self.rows:
            width = max(widest, self.lengths[last])
            count = last - first + len(running) + 1
            if self.positions is not None and count > 1 and count * width > self.positions:
                break
            widest, last = width, last + 1
        taken = range(first, last)
        longest = max((self.lengths[place] for place in taken), default=0)
        self._width.update(dict.fromkeys(taken, longest))
        self._next = last
        return taken
