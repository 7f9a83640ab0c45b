"""Documents with summaries: CNN/DailyMail, GovReport, DialogSum, SAMSum, WikiSum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, pick, question


class Summaries(Conversion):
    """A document, a fixed question, and the summary as answer.

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
