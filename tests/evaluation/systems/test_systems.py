"""What each system shows to the decoder, letter by letter."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role, Sample, Segment, TaskToken
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import (
    Arc,
    AveragedEmbeddings,
    BestSentences,
    ClosedBook,
    LLMLingua2,
    OpenBook,
    System,
    Truncate,
)
from arc_encoder.evaluation.systems.truncate import GAP
from tests.evaluation.conftest import question
from tests.tiny_models import tiny_tokenizer

EXAMPLE = question("one", ["First passage.", "Second: Question: passage?"], ["yes", "yeah"])
QUERY = question("two", ["A long document about two."])
DOCUMENTS = ["First passage.\nSecond: Question: passage?", "A long document about two."]


def shown(system: System, budgets: dict[str, int] | None = None, examples: int = 1) -> list[tuple[str, str]]:
    """(role, text) of each segment of the prompt."""
    sample = system.few_shot([EXAMPLE] * examples, QUERY, budgets or {}, tiny_tokenizer()).sample
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
    systems = (Arc(), Arc(checkpoint="elsewhere"), AveragedEmbeddings(), Truncate(), OpenBook(), ClosedBook())
    assert [system.needs_checkpoint for system in systems] == [True, False, False, False, False, False]
    assert [system.needs_compressor for system in systems] == [True, True, True, False, False, False]
    assert [system.needs_budget for system in systems] == [False, False, False, True, False, False]


def test_the_tail_or_both_ends() -> None:
    text = "0123456789abcdefghij"
    assert presented(Truncate(tokens=5, keep="tail"), text) == "fghij"
    gap = len(GAP.encode())  # the mark counts
    assert presented(Truncate(tokens=gap + 5, keep="both"), text) == f"012{GAP}ij"
    assert presented(Truncate(tokens=20, keep="both"), text) == text
    with pytest.raises(ConfigError, match="keep='middle' is unknown; choose one of head, tail, both"):
        Truncate(keep="middle")  # type: ignore[arg-type]


def presented(system: System, document: str, query: str = "", budget: int = 0) -> str:
    segment = system.present(document, tiny_tokenizer(), budget=budget, query=query)
    assert segment is not None
    assert segment.role is Role.PLAIN
    return segment.text


TOLD = "Ann lives in Oslo. Bob is a baker. Carl keeps a red boat. Dora sings."


def test_the_sentences_most_like_the_question_are_kept_in_reading_order() -> None:
    query = "What does Bob do, and which boat does Carl keep?"
    assert presented(BestSentences(tokens=23), TOLD, query) == "Carl keeps a red boat."
    assert presented(BestSentences(tokens=39), TOLD, query) == "Bob is a baker. Carl keeps a red boat."
    assert presented(BestSentences(tokens=19), TOLD, "Zebra?") == "Ann lives in Oslo."  # nothing alike: the first
    assert presented(BestSentences(tokens=100), TOLD, query) == TOLD
    with pytest.raises(ConfigError, match="tokens=0"):
        BestSentences(tokens=0)


def test_tokens_that_whole_sentences_leave_are_filled_with_the_beginning_of_the_best_other_one() -> None:
    query = "What does Bob do, and which boat does Carl keep?"
    assert presented(BestSentences(tokens=9), TOLD, query) == "Carl keep"  # no sentence fits
    assert presented(BestSentences(), TOLD, query, budget=20) == "Bob is a baker. Carl"  # the best one is too long
    assert presented(BestSentences(tokens=28), TOLD, query) == "Bob i Carl keeps a red boat."  # in reading order
    assert presented(BestSentences(tokens=2), "Økologi.", "") == "Ø"
    assert presented(BestSentences(tokens=3), "aØkologi.", "") == "aØ"
    assert presented(BestSentences(tokens=2), "aØkologi.", "") == "a"  # no half character


@pytest.mark.parametrize("query", ["Which boat does Carl keep?", "Zebra?"])
def test_best_sentences_never_take_more_tokens_than_the_budget(query: str) -> None:
    tokenizer = words_tokenizer()
    for budget in range(1, 30):
        segment = BestSentences().present(TOLD, tokenizer, budget=budget, query=query)
        assert segment is not None
        used = len(tokenizer(segment.text, add_special_tokens=False)["input_ids"])
        assert used <= budget
        assert used >= min(budget / 2, 8)


def test_best_sentences_count_a_special_token_written_in_a_document_as_plain_text() -> None:
    tokenizer = words_tokenizer()
    tokenizer.add_special_tokens({"eos_token": "</s>"})
    told = "The boat </s> </s> is red. The sea is blue."
    segment = BestSentences().present(told, tokenizer, budget=16, query="the red boat")
    assert segment is not None
    plain = BestSentences().present(told, words_tokenizer(), budget=16, query="the red boat")
    assert segment == plain


def words_tokenizer() -> PreTrainedTokenizerFast:
    """Words after a space are one token, and single letters where none precedes them."""
    letters = sorted({f"\u2581{word}" for word in TOLD.split()} | set(TOLD) | {"\u2581"})
    ids = {token: number for number, token in enumerate(["<unk>", *letters])}
    fast = Tokenizer(models.Unigram([(token, -1.0) for token in ids], unk_id=0))
    fast.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    fast.decoder = decoders.Metaspace(prepend_scheme="never")
    return PreTrainedTokenizerFast(tokenizer_object=fast, unk_token="<unk>")


def test_without_an_arc_encoder_the_factor_makes_the_budget(text_session: Session) -> None:
    text_session.factor = 5
    assert text_session.budgets(["x" * 16]) == {"x" * 16: 4 + 1}
    text_session.factor = None
    with pytest.raises(ConfigError, match="needs a trained ARC-Encoder or a pooling factor"):
        text_session.budgets(["x"])


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
    sample = system.continuation(
        Sample("d", segments, TaskToken.CONTINUE, True), {"middle ": 3}, tiny_tokenizer()
    ).sample
    assert [(str(segment.role), segment.text) for segment in sample.segments] == wanted
    assert (sample.id, sample.task_token, sample.end_of_text) == ("d", TaskToken.CONTINUE, True)


def test_a_system_may_leave_out_some_documents() -> None:
    class Choosy(System):
        def present(
            self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
        ) -> Segment | None:
            return None if document.startswith("First") else Segment(document, Role.CONTEXT)

    assert [text for role, text in shown(Choosy()) if role == "context"] == [DOCUMENTS[1]]


class Counting(System):
    """Shows a document's beginning and the query, and counts how often it was asked to."""

    def __init__(self, *, uses_query: bool) -> None:
        self.uses_query, self.asked = uses_query, 0

    def present(
        self, document: str, tokenizer: PreTrainedTokenizerBase, *, budget: int = 0, query: str = ""
    ) -> Segment | None:
        self.asked += 1
        return Segment(f"{document[:budget]} {query if self.uses_query else ''}", Role.PLAIN)


@pytest.mark.parametrize(("uses_query", "times"), [(False, 2), (True, 3)])
def test_what_was_shown_once_is_not_made_again(uses_query: bool, times: int) -> None:
    system, tokenizer = Counting(uses_query=uses_query), tiny_tokenizer()
    other = question("three", EXAMPLE.passages)  # another question about a document that came before
    budgets = dict.fromkeys(DOCUMENTS, 5)
    prompts = [system.few_shot([EXAMPLE, other], QUERY, budgets, tokenizer) for _ in range(3)]
    assert system.asked == times
    assert prompts == [Counting(uses_query=uses_query).few_shot([EXAMPLE, other], QUERY, budgets, tokenizer)] * 3
    assert "What is three?" in prompts[0].sample.segments[0].text
    system.few_shot([EXAMPLE, other], QUERY, dict.fromkeys(DOCUMENTS, 6), tokenizer)
    assert system.asked == 2 * times  # another budget
    system.few_shot([EXAMPLE, other], QUERY, budgets, tiny_tokenizer())
    assert system.asked == 3 * times  # another tokenizer


def test_continuation_contexts_are_remembered_too() -> None:
    segments = (Segment("before ", Role.PLAIN), Segment("middle ", Role.CONTEXT), Segment("after", Role.TARGET))
    system, tokenizer = Counting(uses_query=True), tiny_tokenizer()
    for _ in range(2):
        system.continuation(Sample("d", segments, TaskToken.CONTINUE), {"middle ": 3}, tokenizer)
    assert system.asked == 1


def test_the_memory_of_what_was_shown_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arc_encoder.evaluation.systems.base.SHOWN", 4_100)  # room for two short documents
    system, tokenizer = Counting(uses_query=False), tiny_tokenizer()
    asked = []
    for name in "abacab":
        (document,) = (Segment(name, Role.CONTEXT),)
        system.continuation(
            Sample("d", (document, Segment("x", Role.TARGET)), TaskToken.CONTINUE), {name: 1}, tokenizer
        )
        asked.append(system.asked)
    assert asked == [1, 2, 2, 3, 3, 4]  # b was not used for longest when c came


def test_which_systems_look_at_the_query() -> None:
    systems = (Arc(), AveragedEmbeddings(), Truncate(), LLMLingua2(), OpenBook(), ClosedBook(), BestSentences())
    assert [system.uses_query for system in systems] == [False] * 6 + [True]


def test_systems_without_a_model_of_their_own_choose_for_nothing() -> None:
    for system in (Arc(), Truncate(), OpenBook(), ClosedBook(), BestSentences()):
        assert system.selection_work(3, 100.0) == 0


@pytest.mark.parametrize("keep", ["head", "tail", "both"])
def test_truncate_never_takes_more_tokens_than_the_budget(keep: Any) -> None:
    text = "Zoë naïvely paid 5 € for “déjà vu”, twice."
    for limit in range(1, 40):
        kept = presented(Truncate(tokens=limit, keep=keep), text)
        assert len(tiny_tokenizer()(kept, add_special_tokens=False)["input_ids"]) <= limit
        assert "\ufffd" not in kept
        assert kept or limit < 4  # one character may have three tokens
