"""The toy world as sources: documents to pretrain on, and questions of three kinds."""

from __future__ import annotations

import random
from typing import Literal

from arc_encoder.data.records import Document, Question
from arc_encoder.data.toy_world import ToyWorld
from arc_encoder.data.toy_world.world import Split
from arc_encoder.errors import ConfigError

ToyKind = Literal["qa", "summary", "translation"]


def _positive(size: int) -> int:
    if size < 1:
        raise ConfigError(f"toy world: size={size} must be at least 1")
    return size


class ToyDocuments:
    """Articles of the toy world: half of them tell one document twice in other words, half tell two.

    Args:
        seed: which world.
        split: train, held_out or new_names.
        size: number of documents.
    """

    def __init__(self, *, seed: int = 0, split: Split = "train", size: int = 1_000_000) -> None:
        self.world, self.size = ToyWorld(seed, split), _positive(size)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Document:
        first = self.world[2 * index]
        if index % 2:
            return Document(first.id, f"{first.text} {first.retelling}")
        second = self.world[2 * index + 1]
        return Document(first.id, f"{first.text} {second.text} {first.retelling} {second.retelling}")


class ToyQuestions:
    """Questions about documents of the toy world.

    Args:
        kind: ``qa`` asks for one fact, ``summary`` for the entities with their first facts,
            ``translation`` for the document in the invented language.
        seed: which world.
        split: train, held_out or new_names.
        size: number of questions.
    """

    def __init__(self, *, kind: ToyKind = "qa", seed: int = 0, split: Split = "train", size: int = 1_000_000) -> None:
        if kind not in ("qa", "summary", "translation"):
            raise ConfigError(f"toy questions: unknown kind {kind!r}; choose qa, summary or translation")
        self.world, self.kind, self.size = ToyWorld(seed, split), kind, _positive(size)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Question:
        subset = f"toy_{self.kind}"
        if self.kind == "translation":
            text, translated = self.world.translation(index)
            asked = "Translate the previous document into Skoosh."
            return Question(f"{subset}-{index}", asked, (translated,), (text,), subset)
        document = self.world[index]
        if self.kind == "summary":
            asked = "Summarise the previous document."
            return Question(f"{subset}-{document.id}", asked, (document.summary,), (document.text,), subset)
        question = random.Random(f"toy-question-{document.id}").choice(document.questions)
        return Question(f"{subset}-{document.id}", question.question, (question.answer,), (document.text,), subset)
