"""Text to pretrain on, or passages to search: {text}."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from arc_encoder.data.prepare.conversion import Conversion, LeftOut, Record, Row, pick


class PlainText(Conversion):
    """Documents.

    Args:
        text: names that the text's field may have.
        title: field of a title that goes in a line above the text; null for none.
        min_characters: shorter texts are left out.
        score: field of a quality score; null for none.
        min_score: texts below this score are left out.
    """

    def __init__(
        self,
        text: Sequence[str] = ("text", "content"),
        title: str | None = None,
        min_characters: int = 1,
        score: str | None = None,
        min_score: float = 0.0,
    ) -> None:
        self.text, self.title, self.min_characters = tuple(text), title, min_characters
        self.score, self.min_score = score, min_score

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        if self.score is not None and float(pick(row, self.score)) < self.min_score:
            yield LeftOut(f"{self.score} below {self.min_score:g}")
            return
        text = str(pick(row, *self.text)).strip()
        if len(text) < max(1, self.min_characters):
            yield LeftOut("empty text" if not text else f"text of fewer than {self.min_characters} characters")
        else:
            yield {"text": f"{pick(row, self.title)}\n{text}" if self.title else text}
