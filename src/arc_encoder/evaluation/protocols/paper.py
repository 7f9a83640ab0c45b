"""The public implementation's protocol, slips included, to compare with published figures.

Source: Pilchen et al. (2025), §4.2 and App. D, and the behaviour of their public code. What it does
otherwise than `Strict` is listed in docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.core.errors import DataError
from arc_encoder.core.segments import Role, Segment
from arc_encoder.data.prompts import DOCUMENT, SEPARATOR, asked, joined_passages
from arc_encoder.data.records import Question, Source
from arc_encoder.evaluation.protocols.base import Chosen, Protocol, Shown


class Paper(Protocol):
    """The same examples for all questions, taken from the source that is asked; no seed changes them.

    Args:
        first_answer: benchmarks of which only the first accepted answer counts.
    """

    name = "paper"
    draws = False

    def __init__(self, first_answer: Sequence[str] = ("squad",)) -> None:
        self.first_answer = frozenset(first_answer)

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
        if len(source) <= shots:
            raise DataError(
                f"benchmark {benchmark}: {shots} examples were asked for, but there are only {len(source)} questions"
                " to draw from, and the paper's protocol takes them from the questions themselves"
            )
        order = shuffled(len(source))
        examples = [source[i] for i in order[:shots]]
        chosen = order[shots:][::-1][:limit]  # the public code takes them from the end
        return Chosen([source[i] for i in chosen], lambda number: examples)

    def accepted(self, benchmark: str, question: Question) -> tuple[str, ...]:
        return question.answers[:1] if benchmark in self.first_answer else question.answers

    def documents(self, question: Question, *, asked: bool) -> list[str]:
        """Passages of the query one by one, those of an example joined."""
        return list(question.passages) if asked else [joined_passages(question)]

    def segments(self, examples: Sequence[Shown], query: Shown) -> list[Segment]:
        shown = [segment for _, documents in [*examples, query] for segment in documents if segment is not None]
        if any(segment.role is Role.CONTEXT for segment in shown):
            return _compressed(examples, query)
        parts = ["".join(_block(example) + SEPARATOR for example in examples), _block(query, asked_now=True)]
        return [Segment(part, Role.PLAIN) for part in parts if part]


def shuffled(count: int) -> list[int]:
    """The order of `random.shuffle` with a generator that always says 0.42, as the public code shuffles."""
    order = list(range(count))
    for i in range(count - 1, 0, -1):
        j = int(0.42 * (i + 1))
        order[i], order[j] = order[j], order[i]
    return order


def _compressed(examples: Sequence[Shown], query: Shown) -> list[Segment]:
    segments: list[Segment] = []
    text = DOCUMENT
    for number, (question, documents) in enumerate([*examples, query]):
        if number == len(examples) == 1:
            text += DOCUMENT  # a single example repeats the word
        segments += [Segment(text, Role.PLAIN), *(each for each in documents if each is not None)]
        text = asked(question.question)
        if number < len(examples):
            text += f" {question.answers[0]}{SEPARATOR}{DOCUMENT}"
    return [*segments, Segment(text, Role.PLAIN)]


def _block(shown: Shown, *, asked_now: bool = False) -> str:
    """An example, or the query, with its documents as text."""
    question, documents = shown
    texts = [segment.text for segment in documents if segment is not None]
    words = asked(question.question)
    if asked_now:  # the query's question keeps its line break even where no document comes before it
        return (DOCUMENT + "\n".join(texts) if texts else "") + words
    head = DOCUMENT + "\n".join(texts) + words if texts else words.lstrip("\n")
    return f"{head} {question.answers[0]}"
