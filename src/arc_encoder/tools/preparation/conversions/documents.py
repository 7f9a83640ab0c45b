"""Questions about long documents, and summaries of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, pick, question


class NarrativeQa(Conversion):
    """NarrativeQA, questions about whole books and scripts: rows of the hub's table; the document is the full text, not the summary."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        answers = pick(row, "answers")
        answers = [pick(answer, "text") if isinstance(answer, dict) else answer for answer in answers]
        yield question(pick(row, "question.text", "question"), answers, [pick(row, "document.text", "text")])


class Scrolls(Conversion):
    """QASPER and QMSum as SCROLLS gives them: the input is the question, a blank line, and the document."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        asked, blank, document = str(pick(row, "input")).partition("\n\n")
        if not blank:
            yield LeftOut("no blank line between question and document")
        else:
            answers = pick(row, "outputs", "output")
            yield question(asked, answers, [document])


class Squality(Conversion):
    """SQuALITY: stories of the original JSONL, with their questions, each answered with several summaries."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        for asked in pick(row, "questions"):
            answers = [pick(each, "response_text") for each in pick(asked, "responses")]
            yield question(pick(asked, "question_text"), answers, [pick(row, "document")])


class Summaries(Conversion):
    """A document, a fixed question, and the summary as answer: CNN/DailyMail, GovReport, DialogSum, SAMSum, WikiSum.

    Args:
        document: names that the document's field may have.
        summary: names that the summary's field may have.
        request: the question.
        max_characters: documents from this length on are left out; null keeps all.
    """

    def __init__(
        self,
        document: Sequence[str],
        summary: Sequence[str],
        request: str = "Summarize the previous document.",
        max_characters: int | None = None,
    ) -> None:
        self.document, self.summary = tuple(document), tuple(summary)
        self.request, self.max_characters = request, max_characters

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        text = str(pick(row, *self.document))
        if self.max_characters is not None and len(text) >= self.max_characters:
            yield LeftOut(f"document of {self.max_characters} characters or more")
        else:
            yield question(self.request, pick(row, *self.summary), [text])
