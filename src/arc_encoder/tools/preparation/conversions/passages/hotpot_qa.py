"""HotpotQA, distractor setting: ten paragraphs, their sentences joined, without titles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, pick, question


class HotpotQa(Conversion):
    """Rows of the hub's table (context as lists of titles and sentences) or of the original file (pairs).

    Args:
        titles: put each paragraph's title in a line above it.
    """

    def __init__(self, titles: bool = False) -> None:
        self.titles = titles

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        context = pick(row, "context")
        if isinstance(context, Mapping):
            context = list(zip(pick(context, "title"), pick(context, "sentences"), strict=True))
        passages = []
        for title, sentences in context:
            text = " ".join(sentence.strip() for sentence in sentences)
            passages.append(f"{title}\n{text}" if self.titles else text)
        yield question(pick(row, "question"), pick(row, "answer"), passages)
