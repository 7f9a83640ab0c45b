"""The toy world as sources: documents to pretrain on, and questions of three kinds."""

from __future__ import annotations

import random
from typing import Literal

from arc_encoder.core.errors import ConfigError, at_least
from arc_encoder.data.records import Document, Question
from arc_encoder.data.synthetic.toy_world import ToyWorld
from arc_encoder.data.synthetic.toy_world.world import Split, ToyDocument, ToyQuestion

ToyKind = Literal["qa", "summary", "translation"]


class ToyDocuments:
    """Articles of the toy world: half of them tell one document twice in other words, half tell two.

    Args:
        seed: which world.
        split: train, held_out or new_names.
        size: number of documents.
    """

    def __init__(self, *, seed: int = 0, split: Split = "train", size: int = 1_000_000) -> None:
        at_least(1, "toy world", size=size)
        self.world, self.size = ToyWorld(seed, split), size

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
        documents: smallest and largest number of documents that one long document is made of, for ``qa``.
            The one that is asked about is at a random place, and no other names whom the question is about.

    Raises:
        ConfigError: unknown kind, or a range that is empty.
    """

    def __init__(
        self,
        *,
        kind: ToyKind = "qa",
        seed: int = 0,
        split: Split = "train",
        size: int = 1_000_000,
        documents: tuple[int, int] = (1, 1),
    ) -> None:
        if kind not in ("qa", "summary", "translation"):
            raise ConfigError(f"toy questions: unknown kind {kind!r}; choose qa, summary or translation")
        low, high = documents
        if not 1 <= low <= high:
            raise ConfigError(f"toy questions: documents=({low}, {high}) must be an increasing range from 1 on")
        if kind != "qa" and high > 1:
            raise ConfigError(f"toy questions: documents=({low}, {high}) is for the kind qa, not for {kind}")
        at_least(1, "toy world", size=size)
        self.world, self.kind, self.size = ToyWorld(seed, split), kind, size
        self.documents = (low, high)

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
        text = document.text if self.documents == (1, 1) else self._among_others(document, question)
        return Question(f"{subset}-{document.id}", question.question, (question.answer,), (text,), subset)

    def _among_others(self, document: ToyDocument, question: ToyQuestion) -> str:
        """The document's text at a random place among others that do not name whom the question is about."""
        rng = random.Random(f"toy-long-{document.id}")
        count = rng.randint(*self.documents)
        texts: list[str] = []
        while len(texts) < count - 1:
            other = self.world[rng.randrange(self.size)].text
            if question.entity not in other:
                texts.append(other)
        texts.insert(rng.randint(0, len(texts)), document.text)
        return " ".join(texts)
