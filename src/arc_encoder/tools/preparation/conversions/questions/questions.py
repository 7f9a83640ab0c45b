"""Records that are in the project's form already, or nearly: passed on after a look at their fields."""

from __future__ import annotations

from collections.abc import Iterator

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut, Record, Row, has, pick, question


class Questions(Conversion):
    """Question, answer or answers, and passages, as in the method's released fine-tuning mix."""

    def records(self, row: Row) -> Iterator[Record | LeftOut]:
        passages = pick(row, "passages", "passage")
        passages = passages if isinstance(passages, list) else [passages]
        record = question(pick(row, "question"), pick(row, "answers", "answer"), passages)
        if isinstance(record, dict) and has(row, "instruction"):
            record["instruction"] = row["instruction"]
        yield record
