"""What a survey finds: each kind counted, with a few places to look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

SHOWN = 3  # places of each kind


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        words: what it is, as it reads after a number and a times sign.
        stops: whether a training ends with it.
    """

    words: str
    stops: bool = False


SAME_RECORD = Kind("exact repetition of an earlier record")
SAME_QUESTION = Kind("question asked before, about another document or with other answers")
SAME_PASSAGE = Kind("passage repeated within its record")
NOT_FOUND = Kind("no answer occurs in the passages (usual for summaries, translations, yes and no)")
EMPTY = Kind("empty text, question, passage or answer", stops=True)
TOO_SHORT = Kind("document of fewer than 2 tokens: nothing to compress and continue", stops=True)
TOO_LONG = Kind("context longer than the chunks that the encoder reads", stops=True)
LONG = Kind("document longer than the chunks that the encoder reads; the pretraining tasks take parts of it")
TOO_WIDE = Kind("sample that does not fit a decoder's window", stops=True)
NOT_BUILT = Kind("sample that cannot be built", stops=True)
BROKEN = Kind("broken line: a training stops there (on_error=skip leaves such lines out)", stops=True)
SKIPPED = Kind("broken line, left out")


class Findings:
    """Counts of each kind, and the first places."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self.places: dict[Kind, list[str]] = {}

    def add(self, kind: Kind, place: str, count: int = 1) -> None:
        """One more of `kind`, at `place`."""
        self.counts[kind] += count
        shown = self.places.setdefault(kind, [])
        if len(shown) < SHOWN and place:
            shown.append(place)

    @property
    def stopping(self) -> bool:
        """Whether one of them ends a training."""
        return any(kind.stops for kind in self.counts)

    def rows(self) -> list[dict[str, Any]]:
        """For the report, those that stop a training first."""
        order = sorted(self.counts, key=lambda kind: (not kind.stops, -self.counts[kind]))
        return [
            {"what": kind.words, "count": self.counts[kind], "stops": kind.stops, "places": self.places.get(kind, [])}
            for kind in order
        ]
