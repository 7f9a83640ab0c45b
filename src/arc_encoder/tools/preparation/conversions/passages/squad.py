"""SQuAD and sets in its format: question, context, and all answers, not the first alone."""

from __future__ import annotations

from collections.abc import Iterator

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, has, pick, question


class Squad(Conversion):
    """Rows of the hub's table, or articles of the original JSON file."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        if not has(row, "paragraphs"):
            title = row.get("title")
            yield question(pick(row, "question"), pick(row, "answers.text"), [pick(row, "context")], document=title)
            return
        for paragraph in row["paragraphs"]:
            for asked in pick(paragraph, "qas"):
                answers = [pick(answer, "text") for answer in pick(asked, "answers")]
                passages = [pick(paragraph, "context")]
                yield question(pick(asked, "question"), answers, passages, document=row.get("title"))
