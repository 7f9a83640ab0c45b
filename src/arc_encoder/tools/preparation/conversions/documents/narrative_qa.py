"""NarrativeQA: questions about whole books and scripts, with every answer."""

from __future__ import annotations

from collections.abc import Iterator

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, pick, question


class NarrativeQa(Conversion):
    """Rows of the hub's table; the document is the full text, not the summary."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        answers = pick(row, "answers")
        answers = [pick(answer, "text") if isinstance(answer, dict) else answer for answer in answers]
        yield question(pick(row, "question.text", "question"), answers, [pick(row, "document.text", "text")])
