"""SQuALITY: questions about a whole story, each answered with several summaries."""

from __future__ import annotations

from collections.abc import Iterator

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, pick, question


class Squality(Conversion):
    """Stories of the original JSONL, with their questions."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        for asked in pick(row, "questions"):
            answers = [pick(each, "response_text") for each in pick(asked, "responses")]
            yield question(pick(asked, "question_text"), answers, [pick(row, "document")])
