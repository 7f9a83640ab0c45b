"""The few-shot prompt of training and evaluation (Pilchen et al., 2025, App. C.3 and D).

    Document: <context>
    Question: {question}
    Answer: {answer}

    Document: …

The parts are separate segments from the start, so nothing has to be split again and a
document may hold any text, even the word "Question:".
"""

from __future__ import annotations

from collections.abc import Sequence

from arc_encoder.core.segments import Role, Segment
from arc_encoder.data.records import Question

DOCUMENT = "Document: "
SEPARATOR = "\n\n"


def joined_passages(question: Question, count: int | None = None) -> str:
    """The first `count` passages (all by default) as one context."""
    return "\n".join(question.passages[:count])


def asked(question: str) -> str:
    """The question as it is written between document and answer."""
    return f"\nQuestion: {question}\nAnswer:"


def few_shot_segments(
    examples: Sequence[tuple[Question, str]],
    query: tuple[Question, str],
    *,
    context: Role | None = Role.CONTEXT,
    answers: Role = Role.PLAIN,
) -> list[Segment]:
    """Segments of a prompt up to (not with) the answer to the query.

    Args:
        context: role of the documents: compressed (CONTEXT), text (PLAIN), or None for no document.
        answers: role of the examples' answers: no loss (PLAIN, the method's way) or loss (TARGET).
    """
    segments: list[Segment] = []
    for number, (question, document) in enumerate([*examples, query]):
        words = asked(question.question)
        if context is None:  # without documents each block starts with its question
            segments.append(Segment(words.lstrip("\n"), Role.PLAIN))
        else:
            segments += [Segment(DOCUMENT, Role.PLAIN), Segment(document, context), Segment(words, Role.PLAIN)]
        if number < len(examples):
            segments += [Segment(" " + question.answers[0], answers), Segment(SEPARATOR, Role.PLAIN)]
    return merge_plain(segments)


def merge_plain(segments: Sequence[Segment]) -> list[Segment]:
    """Join neighbouring plain segments, so that text is tokenized as it would be in one piece."""
    merged: list[Segment] = []
    for segment in segments:
        if merged and segment.role is Role.PLAIN and merged[-1].role is Role.PLAIN:
            merged[-1] = Segment(merged[-1].text + segment.text, Role.PLAIN)
        else:
            merged.append(segment)
    return merged
