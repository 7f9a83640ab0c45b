"""Fields of records."""

from __future__ import annotations

from typing import Any

import pytest

from arc_encoder.data.sources.fields import DocumentFields, QuestionFields, value_at

SQUAD = {
    "id": "7",
    "context": "The text.",
    "question": "What?",
    "answers": {"text": ["text", "The text"], "answer_start": [4, 0]},
}


def test_nested_fields_are_named_with_dots() -> None:
    fields = QuestionFields({"answers": "answers.text", "passages": "context"})
    assert fields.problem(SQUAD) is None
    question = fields.question(SQUAD, "here", "squad")
    assert (question.id, question.answers, question.passages) == ("7", ("text", "The text"), ("The text.",))
    assert value_at({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert value_at({"a": [1]}, "a.b") is None


def test_an_instruction_is_taken_along() -> None:
    record: dict[str, Any] = {"question": "q", "answer": "a", "passages": "p", "instruction": "Be brief."}
    assert QuestionFields().question(record, "x", "s").instruction == "Be brief."
    assert QuestionFields({"instruction": "told"}).question({**record, "told": None}, "x", "s").instruction == ""


@pytest.mark.parametrize(
    ("record", "words"),
    [({"body": "x"}, "missing or empty field 'a.b' .found: body"), ({"a": {"b": 3}}, "field 'a.b' holds int")],
)
def test_what_is_wrong_is_said(record: dict[str, Any], words: str) -> None:
    import re

    assert re.search(words, DocumentFields("a.b").problem(record) or "")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"answers": [True]}, "field 'answers' holds, at place 0 of its list, bool, expected text"),
        ({"answers": ["x", None]}, "field 'answers' holds, at place 1 of its list, null, expected text"),
        ({"answers": [float("nan")]}, "field 'answers' holds, at place 0 of its list, nan, expected text"),
        ({"answers": ["", " "]}, "field 'answers' holds no text that is not blank"),
        ({"answers": {"text": ["x"]}}, "field 'answers' holds dict"),
        ({"question": "  "}, "field 'question' holds no text that is not blank"),
        ({"question": True}, "field 'question' holds bool, expected text"),
        ({"passages": [None]}, "field 'passages' holds, at place 0 of its list, null"),
    ],
)
def test_what_is_no_text_is_named(change: dict[str, object], told: str) -> None:
    sound = {"question": "q?", "passages": ["p"], "answers": ["a", 3]}
    assert QuestionFields().problem(sound) is None
    assert told in str(QuestionFields().problem({**sound, **change}))


def test_a_blank_document_is_named() -> None:
    assert DocumentFields().problem({"text": " x"}) is None
    assert DocumentFields().problem({"text": " \n"}) == "field 'text' holds no text that is not blank"


def test_a_record_in_the_form_of_squad_says_how_it_is_read() -> None:
    record = {"question": "q?", "context": "c", "answers": {"text": ["a"], "answer_start": [0]}}
    hint = "fields={passages: context, answers: answers.text}"
    assert hint in str(QuestionFields().problem(record))
    assert QuestionFields({"passages": "context", "answers": "answers.text"}).problem(record) is None
