"""Questions with answers and no passage: NQ-open, TriviaQA without context. Passages are retrieved for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arc_encoder.core.errors import DataError
from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, pick, question


class OpenQuestions(Conversion):
    """Question and answers.

    Args:
        question: names that the field may have; a dot goes one level down.
        answers: likewise; the fields that are there are put together, so that aliases join the main answer.
    """

    needs_passages = True

    def __init__(self, question: Sequence[str] = ("question",), answers: Sequence[str] = ("answers", "answer")) -> None:
        self.question, self.answers = tuple(question), tuple(answers)

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        answers: list[str] = []
        pick(row, *self.answers)  # at least one is there
        for name in self.answers:
            try:
                found = pick(row, name)
            except DataError:
                continue
            answers += found if isinstance(found, list) else [found]
        yield question(pick(row, *self.question), answers)
