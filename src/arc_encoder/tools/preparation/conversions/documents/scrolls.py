"""QASPER and QMSum as SCROLLS gives them: the input is the question, a blank line, and the document."""

from __future__ import annotations

from collections.abc import Iterator

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, pick, question


class Scrolls(Conversion):
    """Splits the input at its first blank line."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        asked, blank, document = str(pick(row, "input")).partition("\n\n")
        if not blank:
            yield LeftOut("no blank line between question and document")
        else:
            answers = pick(row, "outputs", "output")
            yield question(asked, answers, [document])
