"""QuAC: questions of a dialogue about a passage, each taken by itself, those without an answer left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, has, pick, question

UNANSWERABLE = "CANNOTANSWER"


class Quac(Conversion):
    """Dialogues of the hub's table (lists side by side), or articles of the original JSON file."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        if not has(row, "paragraphs"):
            turns = zip(pick(row, "questions"), pick(row, "answers.texts"), strict=True)
            passage = pick(row, "context").removesuffix(UNANSWERABLE)
            yield from (_turn(asked, answers, passage) for asked, answers in turns)
            return
        for paragraph in row["paragraphs"]:
            passage = pick(paragraph, "context").removesuffix(UNANSWERABLE)
            for asked in pick(paragraph, "qas"):
                answers = [pick(each, "text") if isinstance(each, Mapping) else each for each in pick(asked, "answers")]
                yield _turn(pick(asked, "question"), answers, passage)


def _turn(asked: str, answers: list[str], passage: str) -> Record | LeftOut:
    known = [answer for answer in answers if answer.strip() != UNANSWERABLE]
    return question(asked, known, [passage]) if known else LeftOut("unanswerable")
