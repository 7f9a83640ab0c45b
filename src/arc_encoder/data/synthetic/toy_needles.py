"""Needles of the toy world: a question about one of many documents, by number of documents and depth."""

from __future__ import annotations

import random
from collections.abc import Sequence

from arc_encoder.data.synthetic.needles import Recall
from arc_encoder.data.synthetic.toy_world import ToyWorld
from arc_encoder.data.synthetic.toy_world.world import Split


class ToyNeedles(Recall):
    """Like `ToyQuestions` with several documents, at chosen depths; `lengths` are numbers of documents.

    Args:
        lengths: documents joined to one.
        depths: place of the asked one, from 0 (start) to 1 (end).
        each: questions for each length and depth.
        seed: which world, and which questions.
        split: train, held_out or new_names.
    """

    subset = "toy_needle"

    def __init__(
        self,
        lengths: Sequence[int] = (1, 4, 16),
        depths: Sequence[float] = (0, 0.5, 1),
        each: int = 10,
        seed: int = 0,
        split: Split = "held_out",
    ) -> None:
        super().__init__(lengths, depths, each, seed)
        self.world = ToyWorld(seed, split)

    def made(self, rng: random.Random, length: int, depth: float) -> tuple[str, str, str]:
        document = self.world[rng.randrange(1_000_000)]
        question = rng.choice(document.questions)
        texts: list[str] = []
        while len(texts) < length - 1:
            other = self.world[rng.randrange(1_000_000)].text
            if question.entity not in other:
                texts.append(other)
        texts.insert(round(depth * len(texts)), document.text)
        return question.question, question.answer, " ".join(texts)
