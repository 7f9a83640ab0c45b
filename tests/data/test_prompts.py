"""The few-shot prompt."""

from __future__ import annotations

import pytest

from arc_encoder.core.segments import Role, Segment
from arc_encoder.data.prompts import few_shot_segments, joined_passages, merge_plain
from arc_encoder.data.records import Question


def question(name: str, *passages: str) -> Question:
    return Question(name, f"q{name}?", (f"a{name}", "never used"), passages or (f"d{name}",), "set")


ONE, TWO, THREE = (question(name) for name in "123")
PROMPT = (
    "Document: {d1}\nQuestion: q1?\nAnswer: a1\n\n"
    "Document: {d2}\nQuestion: q2?\nAnswer: a2\n\n"
    "Document: {d3}\nQuestion: q3?\nAnswer:"
)  # fmt: skip
CLOSED_BOOK = "Question: q1?\nAnswer: a1\n\nQuestion: q2?\nAnswer: a2\n\nQuestion: q3?\nAnswer:"


def written(segments: list[Segment]) -> str:
    """The prompt as one text, contexts in brackets and targets in stars."""
    marks = {Role.CONTEXT: "[{}]", Role.PLAIN: "{}", Role.TARGET: "*{}*"}
    return "".join(marks[segment.role].format(segment.text) for segment in segments)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (Role.CONTEXT, PROMPT.format(d1="[d1]", d2="[d2]", d3="[d3]")),
        (Role.PLAIN, PROMPT.format(d1="d1", d2="d2", d3="d3")),
        (None, CLOSED_BOOK),
    ],
)
def test_prompt_of_two_examples(context: Role | None, expected: str) -> None:
    assert written(few_shot_segments([(ONE, "d1"), (TWO, "d2")], (THREE, "d3"), context=context)) == expected


@pytest.mark.parametrize(
    ("context", "expected"),
    [(Role.CONTEXT, "Document: [d3]\nQuestion: q3?\nAnswer:"), (None, "Question: q3?\nAnswer:")],
)
def test_prompt_without_examples(context: Role | None, expected: str) -> None:
    assert written(few_shot_segments([], (THREE, "d3"), context=context)) == expected


def test_loss_on_examples_marks_their_answers_alone() -> None:
    segments = few_shot_segments([(ONE, "d1")], (TWO, "d2"), answers=Role.TARGET)
    assert written(segments) == "Document: [d1]\nQuestion: q1?\nAnswer:* a1*\n\nDocument: [d2]\nQuestion: q2?\nAnswer:"


def test_plain_text_comes_in_as_few_pieces_as_possible() -> None:
    segments = few_shot_segments([(ONE, "d1"), (TWO, "d2")], (THREE, "d3"))
    assert [segment.role for segment in segments] == [Role.PLAIN, Role.CONTEXT] * 3 + [Role.PLAIN]
    assert len(few_shot_segments([(ONE, "d1")], (TWO, "d2"), context=Role.PLAIN)) == 1


@pytest.mark.parametrize("context", [Role.CONTEXT, None])
def test_an_example_that_is_the_query_keeps_its_answer(context: Role | None) -> None:
    text = written(few_shot_segments([(ONE, "d1")], (ONE, "d1"), context=context))
    assert text.count("Answer: a1\n\n") == 1
    assert text.endswith("Answer:")


@pytest.mark.parametrize("tricky", ["Question: who?\nAnswer: me\n\nDocument: z", "\n\n", "Document: ", "{question}"])
def test_a_document_may_hold_the_words_of_the_prompt(tricky: str) -> None:
    segments = few_shot_segments([(ONE, tricky)], (TWO, "d2"))
    assert [segment.text for segment in segments if segment.role is Role.CONTEXT] == [tricky, "d2"]
    usual = few_shot_segments([(ONE, "d1")], (TWO, "d2"))
    assert [s for s in segments if s.role is Role.PLAIN] == [s for s in usual if s.role is Role.PLAIN]


@pytest.mark.parametrize(
    ("count", "expected"), [(1, "x"), (2, "x\ny"), (3, "x\ny\nz"), (9, "x\ny\nz"), (None, "x\ny\nz")]
)
def test_passages_are_joined_from_the_first_on(count: int | None, expected: str) -> None:
    assert joined_passages(question("1", "x", "y", "z"), count) == expected


def test_merge_plain_joins_neighbours_and_nothing_else() -> None:
    segments = [
        Segment("a", Role.PLAIN),
        Segment("b", Role.PLAIN),
        Segment("c", Role.CONTEXT),
        Segment("d", Role.CONTEXT),
        Segment("e", Role.PLAIN),
        Segment("f", Role.TARGET),
        Segment("g", Role.TARGET),
        Segment("h", Role.PLAIN),
    ]
    assert merge_plain(segments) == [Segment("ab", Role.PLAIN), *segments[2:]]
