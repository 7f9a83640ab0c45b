"""Sets with a field each for question, answers and passages: BoolQ, MuSiQue, FairytaleQA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from arc_encoder.core.errors import DataError
from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, pick, question


class Reading(Conversion):
    """Question, answers and passages by the names of their fields; true and false become yes and no.

    Args:
        question: names that the field may have; a dot goes one level down.
        answers: fields that are put together where they are there.
        passages: names that the field may have; a text or a list.
        passage_text: of a passage that is an object, the field that holds its text.
    """

    def __init__(
        self,
        question: Sequence[str] = ("question",),
        answers: Sequence[str] = ("answers", "answer"),
        passages: Sequence[str] = ("passages", "passage"),
        passage_text: str | None = None,
    ) -> None:
        self.question, self.answers, self.passages = tuple(question), tuple(answers), tuple(passages)
        self.passage_text = passage_text

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        pick(row, *self.answers)  # at least one is there
        answers: list[Any] = []
        for name in self.answers:
            try:
                found = pick(row, name)
            except DataError:
                continue
            answers += found if isinstance(found, list) else [found]
        passages = pick(row, *self.passages)
        texts = [self._text(each) for each in (passages if isinstance(passages, list) else [passages])]
        yield question(pick(row, *self.question), [_word(answer) for answer in answers], texts)

    def _text(self, passage: Any) -> str:
        if self.passage_text is not None and isinstance(passage, Mapping):
            return str(pick(passage, self.passage_text))
        return str(passage)


def _word(answer: Any) -> str:
    return ("yes" if answer else "no") if isinstance(answer, bool) else str(answer)
