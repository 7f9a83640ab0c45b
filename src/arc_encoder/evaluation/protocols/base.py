"""What a protocol decides: which questions are asked, after which examples, in which words, against which answers.

Systems differ in how they show a document, and in nothing that is decided here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from arc_encoder.core.segments import Segment
from arc_encoder.data.records import Question, Source

# A question, and its documents as a system shows them; None where it leaves one out.
Shown = tuple[Question, Sequence[Segment | None]]


@dataclass(frozen=True)
class Chosen:
    """What is asked.

    Attributes:
        questions: those that are asked, in order.
        examples_of: number of a question → the answered examples in front of it.
    """

    questions: Sequence[Question]
    examples_of: Callable[[int], list[Question]]


class Layout(ABC):
    """The words around documents and questions."""

    @abstractmethod
    def documents(self, question: Question, *, asked: bool) -> list[str]:
        """The texts that a question's passages are shown as; `asked` is the query, else it is an example."""

    @abstractmethod
    def segments(self, examples: Sequence[Shown], query: Shown) -> list[Segment]:
        """The prompt, up to (not with) the answer to the query."""


class Protocol(Layout):
    """A layout, with a choice of questions, examples and accepted answers.

    Attributes:
        name: how results call it; results of two protocols are not comparable.
        draws: whether its choice of examples depends on the seed.
        max_shots: of the whole evaluation: what is asked should be the same at every number of shots up to it.
    """

    name: str
    draws: bool = True
    max_shots: int = 0

    @abstractmethod
    def choose(
        self,
        benchmark: str,
        source: Source[Question],
        pool: Source[Question] | None,
        *,
        shots: int,
        limit: int | None,
        seed: int,
        spread: bool = False,
    ) -> Chosen:
        """Questions and examples.

        Args:
            benchmark: its name, for errors.
            source: what can be asked.
            pool: what examples are drawn from; None draws them from `source`.
            shots: examples in front of a question.
            limit: how many questions are asked; None asks all.
            seed: of what is drawn.
            spread: of a file, whose neighbours are often about the same article, `limit` takes questions from all over.

        Raises:
            DataError: not enough questions for the shots.
        """

    @abstractmethod
    def accepted(self, benchmark: str, question: Question) -> tuple[str, ...]:
        """The answers that count as right."""
