"""Documents that the ARC-Encoder cannot read as a whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hydra import compose

from arc_encoder.config.compose import composing
from arc_encoder.config.paths import configs_folder, register_resolvers
from arc_encoder.core.errors import DataError
from arc_encoder.data.records import Question
from arc_encoder.evaluation.benchmarks import QuestionAnswering
from arc_encoder.evaluation.benchmarks.fitting import Reader
from arc_encoder.evaluation.protocols import LongDocument, Paper
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Arc, AveragedEmbeddings, OpenBook, System, Truncate
from tests.evaluation.conftest import Questions

LONG = [f"benchmark/{name}" for name in ("narrative_qa", "qasper", "gov_report", "qm_sum", "squality")]


class Books(Questions):
    """Documents of so many letters, one token each; that of the last question has 20."""

    def __init__(self, count: int, letters: int, passages: int = 1) -> None:
        super().__init__(count, passages=passages)
        self.letters = letters

    def __getitem__(self, index: int) -> Question:
        found = super().__getitem__(index)
        letters = 20 if index == self.count - 1 else self.letters
        return replace(found, passages=tuple(f"{i}{index}".ljust(letters, "x") for i in range(self.passages)))


@pytest.fixture
def small(session: Session) -> Session:
    """An ARC-Encoder that reads at most 40 tokens, in chunks of 10."""
    session.model.compressor.chunking.size, session.model.compressor.chunking.max_chunks = 10, 4
    return session


def benchmark(**options: Any) -> QuestionAnswering:
    settings: dict[str, Any] = {
        "source": Books(4, 100),
        "shots": 0,
        "max_new_tokens": 2,
        "overflow": "shorten",
        "limit": None,
    }
    return QuestionAnswering("books", **{**settings, **options})


def test_a_document_longer_than_the_encoder_reads_loses_its_end(small: Session) -> None:
    with pytest.warns(UserWarning, match=r"3 of 4 documents were cut at their end .* the 40 tokens that the ARC-Enc"):
        results = benchmark().run(Arc(), small)
    assert [result.details.get("document_cut", False) for result in results] == [True] * 3 + [False]
    assert [result.document_tokens for result in results] == [40] * 3 + [20]
    # one vector for every four tokens of a chunk of ten, and the task token
    assert [result.document_positions for result in results] == [13] * 3 + [7]


def test_the_documents_of_examples_are_cut_likewise(small: Session) -> None:
    made = benchmark(shots=1, source=Books(4, 30), examples=Books(9, 100), layout=LongDocument("Story", "Read."))
    with pytest.warns(UserWarning, match=r"documents of examples were cut to the 40 tokens"):
        results = made.run(Arc(), small)
    short = [made.examples_of(number)[0].id == "q8" for number in range(4)]
    assert [result.details.get("example_documents_cut", 0) for result in results] == [int(not each) for each in short]
    assert not any(result.details.get("document_cut") for result in results)
    assert all(result.document_tokens <= 30 + 40 for result in results)


def test_passages_that_are_documents_of_their_own_are_cut_one_by_one(small: Session) -> None:
    made = benchmark(source=Books(3, 50, passages=2), protocol=Paper())
    with pytest.warns(UserWarning, match="documents were cut"):
        results = made.run(Arc(), small)
    assert sorted(result.document_tokens for result in results) == [2 * 20, 2 * 40, 2 * 40]


def test_budgets_are_those_of_what_the_encoder_reads(small: Session) -> None:
    results = benchmark(overflow="stop").run(Truncate(), small)
    assert [result.document_positions for result in results] == [13] * 3 + [7]
    assert [result.document_tokens for result in results] == [100] * 3 + [20]
    assert all("document_cut" not in result.details for result in results)


@pytest.mark.parametrize("system", [OpenBook(), AveragedEmbeddings()])
def test_systems_without_the_encoder_see_the_whole_document(small: Session, system: System) -> None:
    opened = system.open(small)
    opened.factor = None
    results = benchmark().run(system, opened)
    assert [result.document_tokens for result in results] == [100] * 3 + [20]


def test_where_nothing_may_be_cut_the_error_says_how_to(small: Session) -> None:
    with pytest.raises(
        DataError,
        match=r"benchmark books: a document of question 'q0' has 100 encoder tokens, but the ARC-Encoder reads at most "
        r"40; cut its end with overflow 'shorten'",
    ):
        benchmark(overflow="stop").run(Arc(), small)


def test_an_encoder_that_cuts_by_itself_is_let(small: Session) -> None:
    small.model.compressor.chunking.overflow = "cut"
    results = benchmark(overflow="stop").run(Arc(), small)
    assert [result.document_positions for result in results] == [13] * 3 + [7]


def test_beginnings_end_between_letters_and_are_tokenized_once(small: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(small)
    assert reader.beginning("x" * 40) == "x" * 40
    assert reader.beginning("ø" * 30) == "ø" * 20
    assert reader.beginning("x" + "ø" * 30) == "x" + "ø" * 19
    monkeypatch.setattr(reader, "_cut", None)
    assert reader.beginning("ø" * 30) == "ø" * 20
    slow = Reader(small)
    monkeypatch.setattr(type(slow._tokenizer), "is_fast", False)
    assert slow.beginning("ø" * 30) == "ø" * 20


@pytest.mark.parametrize("name", [*LONG, "benchmark/needle", "benchmark/key_value"])
def test_long_benchmarks_shorten_what_does_not_fit(name: str) -> None:
    register_resolvers()
    with composing():
        (node,) = compose("eval", overrides=[f"benchmark={name.split('/')[1]}", "paths.run=."]).benchmarks.values()
    assert node.overflow == "shorten"
    assert node.version >= 2


def test_benchmarks_that_hold_questions_out_say_where_examples_may_come_from() -> None:
    register_resolvers()
    seen = 0
    for file in sorted((configs_folder() / "benchmark").glob("*.yaml")):
        with composing():
            (node,) = compose("eval", overrides=[f"benchmark={file.stem}", "paths.run=."]).benchmarks.values()
        if node.get("shots") and not node.get("examples"):
            seen += 1
            assert node.source.get("examples_path", "missing") is None, file.name
            assert node.version >= 2, file.name
    assert seen == 18
