"""Generated recall tests: one fact in much filler, and one of many keys, by length and depth.

After the usual needle-in-a-haystack test and the key-value retrieval of Liu et al. (2024, "Lost in the
middle"); words, filler and keys are made here, from a seed.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.records import Question

PLACES = ("harbour", "library", "orchard", "railway station", "quarry", "observatory", "market hall", "mill", "school")
THINGS = ("ledger", "lantern", "ladder", "carpet", "bell", "barrel", "painting", "clock", "bench", "map", "kettle")
DEEDS = (
    "was repaired",
    "was cleaned",
    "was counted twice",
    "was moved to the back",
    "was lent to a neighbour",
    "was sold",
)
TIMES = (
    "in early spring",
    "on a rainy morning",
    "after the harvest",
    "before noon",
    "late in the evening",
    "that winter",
)
COLOURS = ("amber", "crimson", "ivory", "olive", "scarlet", "silver", "teal", "violet", "copper", "indigo")
ANIMALS = ("badger", "falcon", "heron", "lynx", "otter", "raven", "salmon", "stag", "weasel", "wren")


class Recall(ABC):
    """Questions in a grid of lengths and depths, so many in each cell; a source of `Question`.

    Args:
        lengths: of the document: words of filler, or pairs.
        depths: where the answer is, from 0 (start) to 1 (end).
        each: questions of a cell.
        seed: of everything.

    Raises:
        ConfigError: an empty grid, or a depth outside 0 to 1.
    """

    subset: str

    def __init__(
        self, lengths: Sequence[int], depths: Sequence[float] = (0, 0.25, 0.5, 0.75, 1), each: int = 10, seed: int = 0
    ) -> None:
        self.lengths, self.depths, self.each, self.seed = list(lengths), [float(d) for d in depths], each, seed
        if not self.lengths or not self.depths or each < 1 or min(self.lengths) < 1:
            raise ConfigError(
                f"{self.subset}: lengths={self.lengths} depths={self.depths} each={each} must all be filled and positive"
            )
        if not all(0 <= depth <= 1 for depth in self.depths):
            raise ConfigError(f"{self.subset}: depths={self.depths} must be between 0 (start) and 1 (end)")

    def __len__(self) -> int:
        return len(self.lengths) * len(self.depths) * self.each

    def __getitem__(self, index: int) -> Question:
        if not 0 <= index < len(self):
            raise IndexError(index)
        # Cells vary fastest, so that the first questions are spread over all of them.
        cell, number = index % (len(self) // self.each), index // (len(self) // self.each)
        length, depth = self.lengths[cell // len(self.depths)], self.depths[cell % len(self.depths)]
        rng = random.Random(f"{self.subset}-{self.seed}-{length}-{depth}-{number}")
        asked, answer, text = self.made(rng, length, depth)
        conditions = (("length", float(length)), ("depth", depth))
        return Question(
            f"{self.subset}-{length}-{depth}-{number}", asked, (answer,), (text,), self.subset, "", conditions
        )

    @abstractmethod
    def made(self, rng: random.Random, length: int, depth: float) -> tuple[str, str, str]:
        """Question, answer and document."""


class Needles(Recall):
    """One sentence with a number, among sentences about other things; `lengths` are words of filler."""

    subset = "needle"

    def made(self, rng: random.Random, length: int, depth: float) -> tuple[str, str, str]:
        sentences, words = [], 0
        while words < length:
            sentence = f"The {rng.choice(THINGS)} of the {rng.choice(PLACES)} {rng.choice(DEEDS)} {rng.choice(TIMES)}."
            sentences.append(sentence)
            words += len(sentence.split())
        name, number = f"{rng.choice(COLOURS)} {rng.choice(ANIMALS)}", str(rng.randrange(10000, 100000))
        sentences.insert(round(depth * len(sentences)), f"The secret number of the {name} is {number}.")
        return f"What is the secret number of the {name}?", number, " ".join(sentences)


class KeyValues(Recall):
    """Lines of keys and values, one of which is asked for; `lengths` are pairs."""

    subset = "key_value"

    def made(self, rng: random.Random, length: int, depth: float) -> tuple[str, str, str]:
        keys = rng.sample(range(16**6), length)
        pairs = [(f"{key:06x}", f"{rng.randrange(16**6):06x}") for key in keys]
        key, value = pairs[round(depth * (length - 1))]
        return f"Which value has the key {key}?", value, "\n".join(f"{k}: {v}" for k, v in pairs)
