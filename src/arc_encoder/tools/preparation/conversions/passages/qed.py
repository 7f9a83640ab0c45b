"""QED: questions of Natural Questions with the paragraph that answers them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, has, pick, question


class Qed(Conversion):
    """Lines of the authors' JSON files (Lamm et al., 2021).

    A row has a paragraph, a question, and the short answers that the annotators of Natural Questions marked. Where
    QED's own annotators found that the paragraph does not answer the question, it is left out.
    """

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        if has(row, "annotation") and row["annotation"].get("explanation_type") == "none":
            yield LeftOut("the paragraph does not answer the question")
            return
        answers = [span["string"] for span in _spans(pick(row, "original_nq_answers"))]
        yield question(pick(row, "question_text", "question"), answers, [pick(row, "paragraph_text")])


def _spans(value: Any) -> Iterator[Mapping[str, Any]]:
    """The spans of a list, or of a list of lists: an answer may have several."""
    for each in value:
        if isinstance(each, Mapping):
            yield each
        else:
            yield from _spans(each)
