"""What each system shows to the decoder, letter by letter."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerBase

from arc_encoder.errors import ConfigError
from arc_encoder.evaluation.session import Session
from arc_encoder.evaluation.systems import Arc, ClosedBook, OpenBook, System, Truncate
from arc_encoder.segments import Role, Sample, Segment, TaskToken
from tests.evaluation.conftest import question
from tests.tiny_models import tiny_tokenizer

EXAMPLE = question("one", ["First passage.", "Second: Question: passage?"], ["yes", "yeah"])
QUERY = question("two", ["A long document about two."])
DOCUMENTS = ["First passage.\nSecond: Question: passage?", "A long document about two."]


def shown(system: System, budgets: dict[str, int] | None = None, examples: int = 1) -> list[tuple[str, str]]:
    """(role, text) of each segment of the prompt."""
    sample = system.few_shot([EXAMPLE] * examples, QUERY, budgets or {}, tiny_tokenizer())
    assert sample.id == "two"
    assert sample.task_token is TaskToken.CONTINUE
    assert not sample.end_of_text
    return [(str(segment.role), segment.text) for segment in sample.segments]


def test_open_book_shows_the_documents_as_text() -> None:
    assert shown(OpenBook()) == [
        (
            "plain",
            "Document: First passage.\nSecond: Question: passage?\nQuestion: What is one?\nAnswer: yes\n\n"
            "Document: A long document about two.\nQuestion: What is two?\nAnswer:",
        )
    ]


def test_closed_book_leaves_out_the_documents_and_their_headings() -> None:
    assert shown(ClosedBook()) == [("plain", "Question: What is one?\nAnswer: yes\n\nQuestion: What is two?\nAnswer:")]


def test_arc_compresses_every_document_the_examples_too() -> None:
    assert shown(Arc()) == [
        ("plain", "Document: "),
        ("context", DOCUMENTS[0]),
        ("plain", "\nQuestion: What is one?\nAnswer: yes\n\nDocument: "),
        ("context", DOCUMENTS[1]),
        ("plain", "\nQuestion: What is two?\nAnswer:"),
    ]


def test_without_examples_only_the_query_is_asked() -> None:
    assert shown(ClosedBook(), examples=0) == [("plain", "Question: What is two?\nAnswer:")]
    assert [role for role, _ in shown(Arc(), examples=0)] == ["plain", "context", "plain"]


def test_truncate_keeps_as_many_tokens_as_compression_would_cost_vectors(session: Session) -> None:
    budgets = session.budgets(DOCUMENTS)
    # one token a byte, one vector for every four, and the task token
    assert budgets == {text: -(-len(text.encode()) // 4) + 1 for text in DOCUMENTS}
    first, second = (text[: budgets[text]] for text in DOCUMENTS)
    assert shown(Truncate(), budgets) == [
        (
            "plain",
            f"Document: {first}\nQuestion: What is one?\nAnswer: yes\n\nDocument: {second}\nQuestion: What is two?\nAnswer:",
        )
    ]


def test_truncate_to_a_fixed_length_needs_no_arc_encoder() -> None:
    system = Truncate(tokens=6)
    assert not system.needs_compressor
    assert not system.needs_budget
    assert f"Document: {DOCUMENTS[1][:6]}\nQuestion: What is two?" in shown(system)[0][1]
    with pytest.raises(ConfigError, match="tokens=0 must be at least 1"):
        Truncate(tokens=0)


def test_budgets_follow_the_factor_and_the_chunks(session: Session) -> None:
    session.factor = 8
    assert session.budgets(["x" * 17])["x" * 17] == 3 + 1
    session.model.compressor.chunking.size = 10
    assert session.budgets(["x" * 17])["x" * 17] == 2 + 1 + 1  # chunks of 10 and 7 tokens


def test_what_needs_an_arc_encoder() -> None:
    assert [system.needs_compressor for system in (Arc(), Truncate(), OpenBook(), ClosedBook())] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("system", "wanted"),
    [
        (Arc(), [("plain", "before "), ("context", "middle "), ("target", "after")]),
        (OpenBook(), [("plain", "before middle "), ("target", "after")]),
        (ClosedBook(), [("plain", "before "), ("target", "after")]),
        (Truncate(), [("plain", "before mid"), ("target", "after")]),
    ],
)
def test_continuation_samples_keep_prefix_and_target(system: System, wanted: list[tuple[str, str]]) -> None:
    segments = (Segment("before ", Role.PLAIN), Segment("middle ", Role.CONTEXT), Segment("after", Role.TARGET))
    sample = system.continuation(Sample("d", segments, TaskToken.CONTINUE, True), {"middle ": 3}, tiny_tokenizer())
    assert [(str(segment.role), segment.text) for segment in sample.segments] == wanted
    assert (sample.id, sample.task_token, sample.end_of_text) == ("d", TaskToken.CONTINUE, True)


def test_a_system_may_leave_out_some_documents() -> None:
    class Choosy(System):
        def present(self, document: str, budget: int, tokenizer: PreTrainedTokenizerBase) -> Segment | None:
            return None if document.startswith("First") else Segment(document, Role.CONTEXT)

    assert [text for role, text in shown(Choosy()) if role == "context"] == [DOCUMENTS[1]]
