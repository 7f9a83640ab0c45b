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
        words: what it is, as it reads after a number.
        stops: whether a training ends with it.
    """

    words: str
    stops: bool = False


SAME_RECORD = Kind("records are exact repetitions of an earlier one")
SAME_QUESTION = Kind("questions were asked before about another document or with other answers")
SAME_PASSAGE = Kind("records repeat a passage within themselves")
NOT_FOUND = Kind("answers stand in no passage of theirs (usual for summaries, translations, yes and no)")
EMPTY = Kind("records have an empty text, question, passage or answer", stops=True)
TOO_SHORT = Kind("documents of fewer than 2 tokens: nothing to compress and continue", stops=True)
TOO_LONG = Kind("contexts are longer than the chunks that the encoder reads", stops=True)
TOO_WIDE = Kind("samples do not fit a decoder's window", stops=True)
NOT_BUILT = Kind("samples cannot be built", stops=True)
BROKEN = Kind("lines are broken and stop a training (on_error=skip leaves them out)", stops=True)
SKIPPED = Kind("broken lines are left out")


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
