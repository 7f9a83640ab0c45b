"""One question about one document, answered by the same frozen decoder in several ways of reading it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from arc_encoder.core.errors import DataError
from arc_encoder.data.prompts import SEPARATOR
from arc_encoder.data.records import Question
from arc_encoder.evaluation.reporting.tables.markdown import table
from arc_encoder.evaluation.session.meter import Meter
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Arc, ClosedBook, OpenBook, System, Truncate


@dataclass(frozen=True)
class Reading:
    """What one way of reading gave.

    Attributes:
        way: such as ``vectors ×4``.
        answer: what the decoder wrote; None where the prompt does not fit its window.
        positions: of the decoder that the document takes.
        stored_bytes: that the document takes if it is kept: vectors in 16 bits a number, or UTF-8 text.
        first_token_ms: until the answer's first token, the encoder's work included; None without an answer.
    """

    way: str
    answer: str | None
    positions: int
    stored_bytes: int
    first_token_ms: float | None


def read_and_answer(
    session: Session, document: str, question: str, *, factors: Sequence[int], max_new_tokens: int = 32
) -> list[Reading]:
    """Answers from the whole text, from vectors and from the truncated text at each factor, and from nothing.

    Raises:
        DataError: an empty document or question, or a document that is longer than the ARC-Encoder reads.
    """
    for name, text in (("document", document), ("question", question)):
        if not text.strip():
            raise DataError(f"the {name} is empty; there is nothing to answer")
    ways: list[tuple[str, System, int | None]] = [("text", OpenBook(), None)]
    for factor in factors:
        ways.append((f"vectors ×{factor}", Arc(), factor))
    for factor in factors:
        ways.append((f"truncated as ×{factor}", Truncate(), factor))
    ways.append(("nothing", ClosedBook(), None))
    asked = Question("asked", question.strip(), ("",), (document,), "asked")
    return [_reading(session, way, system, factor, asked, max_new_tokens) for way, system, factor in ways]


def _reading(
    session: Session, way: str, system: System, factor: int | None, asked: Question, max_new_tokens: int
) -> Reading:
    own = replace(system.open(session), factor=factor, meter=Meter(), progress=False)
    budgets = own.budgets(asked.passages) if factor is not None else {}
    prompt = system.few_shot([], asked, budgets, own.decoder.tokenizer)
    positions = own.document_positions(prompt.sample, prompt.shown, budgets)
    stored = own.stored_bytes(prompt.sample, prompt.shown, budgets)
    window = own.decoder.window
    if window is not None and own.positions(prompt.sample, budgets) + max_new_tokens > window:
        return Reading(way, None, positions, stored, None)
    batch = own.collate([own.with_start(prompt.sample)], "asked")
    (answer,) = own.model.generate(batch, max_new_tokens=max_new_tokens, factor=factor, stop=SEPARATOR)
    answer = answer.split(SEPARATOR)[0].strip()
    return Reading(way, answer, positions, stored, own.meter.first_token_ms(own.model, factor))


def answers_table(readings: Sequence[Reading]) -> str:
    """A line for each way of reading, as Markdown."""
    rows = [
        [
            each.way,
            str(each.positions),
            str(each.stored_bytes),
            "" if each.first_token_ms is None else f"{each.first_token_ms:.0f}",
            "(longer than the decoder's window)" if each.answer is None else " ".join(each.answer.split()),
        ]
        for each in readings
    ]
    return table(["the decoder reads", "positions", "bytes", "first token (ms)", "answer"], rows)
