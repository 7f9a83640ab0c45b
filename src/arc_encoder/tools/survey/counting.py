"""What a survey counts in constant memory: lengths, duplicates, and findings with a few places to look at."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from transformers import PreTrainedTokenizerBase

from arc_encoder.data.batching.collator import ArcCollator, DecoderText
from arc_encoder.data.batching.tokens import token_ids

SHOWN = 3  # places of each kind


@dataclass(frozen=True)
class Kind:
    """A kind of finding."""

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


@dataclass(frozen=True)
class Measure:
    """The tokenizers and limits of a training.

    Attributes:
        vectors: encoder tokens of a context → compressed vectors, task token not counted.
        windows: positions that each decoder was made for; None if it does not say.
    """

    encoder: PreTrainedTokenizerBase
    decoders: Mapping[str, DecoderText]
    vectors: Callable[[int], int]
    budget: int
    windows: Mapping[str, int | None]
    task_tokens: Mapping[str, bool]

    def encoder_tokens(self, texts: Sequence[str]) -> list[int]:
        """Encoder tokens of each text, as a context."""
        return [len(ids) for ids in token_ids(texts, self.encoder)]

    def decoder_tokens(self, texts: Sequence[str], decoder: str) -> list[int]:
        """Tokens of each text for one decoder, without special tokens."""
        return [len(ids) for ids in token_ids(texts, self.decoders[decoder].tokenizer)]

    def positions(self, tokens: int, decoder: str) -> int:
        """Decoder positions that a context of so many encoder tokens takes, task token counted."""
        return self.vectors(tokens) + int(self.task_tokens[decoder])

    def collator(self) -> ArcCollator:
        """What turns samples into batches."""
        return ArcCollator(self.encoder, self.decoders)


def digest(*texts: str) -> int:
    """Eight bytes that stand for texts; case and white space do not matter.

    Two different texts of a source of ten million share them with a chance of about 3 in a million.
    """
    key = "\0".join(" ".join(text.lower().split()) for text in texts)
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class Seen:
    """Counts repetitions; about 70 bytes for each different text."""

    def __init__(self) -> None:
        self.digests: set[int] = set()

    def again(self, *texts: str) -> bool:
        """Whether these texts came before; from now on they did."""
        key = digest(*texts)
        known = key in self.digests
        self.digests.add(key)
        return known
