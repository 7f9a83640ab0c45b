"""DROP: questions that need counting and comparing; the first span is the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, has, pick, question


class Drop(Conversion):
    """Rows of the hub's table, or passages of the original JSON file with their questions.

    Args:
        all_spans: take every annotated span as an accepted answer, not the first alone.
    """

    def __init__(self, all_spans: bool = False) -> None:
        self.all_spans = all_spans

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        passage = pick(row, "passage")
        for asked in row["qa_pairs"] if has(row, "qa_pairs") else [row]:
            spans = pick(asked, "answers_spans.spans", "answer")
            spans = _original(spans) if isinstance(spans, Mapping) else list(spans)
            yield question(pick(asked, "question"), spans if self.all_spans else spans[:1], [passage])


def _original(answer: Mapping[str, Any]) -> list[str]:
    """Spans, number or date of an answer of the original file."""
    if answer.get("spans"):
        return list(answer["spans"])
    if answer.get("number"):
        return [str(answer["number"])]
    date = answer.get("date") or {}
    return [" ".join(str(date[part]) for part in ("day", "month", "year") if date.get(part))]
