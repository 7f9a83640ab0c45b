"""Scores beyond single metrics: a corpus's BLEU, numbers, dates and names, and the loss of the accepted answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import sacrebleu

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.records import Question
from arc_encoder.evaluation.benchmarks import ExampleResult, QuestionAnswering
from arc_encoder.evaluation.metrics.answers import METRICS
from arc_encoder.evaluation.metrics.corpus import bleu_interval
from arc_encoder.evaluation.metrics.pieces import exact_match_by_kind, faithfulness, pieces
from arc_encoder.evaluation.metrics.scoring import Scoring
from arc_encoder.evaluation.runs.results import Part, rows_of
from arc_encoder.evaluation.session.session import Session
from arc_encoder.evaluation.systems import Arc, ClosedBook, OpenBook
from tests.evaluation.conftest import Questions

PART = Part("arc", "decoder", 4, "colours", 1, "strict", 2, 0)


def test_unknown_metrics_are_refused_with_those_that_there_are() -> None:
    assert Scoring(list(METRICS)).names == tuple(METRICS)
    with pytest.raises(
        ConfigError, match=r"'exact' is unknown; choose from exact_match, f1, .*faithfulness.*answer_token_loss"
    ):
        Scoring(["exact"])
    with pytest.raises(ConfigError, match="no metric was chosen"):
        Scoring([])


def corpus_bleu(predictions: Sequence[str], answers: Sequence[Sequence[str]]) -> float:
    """As sacreBLEU itself computes it."""
    return float(sacrebleu.corpus_bleu(list(predictions), list(zip(*answers, strict=True)), lowercase=True).score)


def test_bleu_is_that_of_the_corpus_and_its_interval_holds_it() -> None:
    rng = random.Random(0)
    words = "the cat sat on a mat and looked at us".split()
    answers = [[" ".join(rng.choices(words, k=9)) for _ in range(2)] for _ in range(40)]
    predictions = [each[0] if i % 2 else " ".join(rng.choices(words, k=7)) for i, each in enumerate(answers)]
    value, low, high = bleu_interval(predictions, answers)
    assert value == pytest.approx(corpus_bleu(predictions, answers), abs=1e-9)
    assert low < value < high
    assert (value, low, high) == bleu_interval(predictions, answers)


def test_a_rows_bleu_is_no_mean_over_examples() -> None:
    details = [{"answer": "a b c d e", "accepted": ["a b c d e"]}, {"answer": "x", "accepted": ["a b c d f g"]}]
    results = [ExampleResult(str(i), {"bleu": 0.0}, 1, details=each) for i, each in enumerate(details)]
    (row,) = rows_of(results, PART)
    expected = corpus_bleu(["a b c d e", "x"], [["a b c d e"], ["a b c d f g"]])
    assert row.value == pytest.approx(expected)
    assert row.value > 0


def test_pieces_of_a_text() -> None:
    found = pieces(
        "It was founded on 3 May 1928 by Alexander Fleming with 1,250 people, and sold in 1931. Later Rome fell."
    )
    assert found["dates"] == {"3 may 1928", "1931"}
    assert found["numbers"] == {"1250"}
    assert found["names"] == {"alexander fleming", "rome", "later rome"} - {"rome"}
    assert pieces("Fleming")["names"] == {"fleming"}
    assert pieces("nothing here") == {"numbers": set(), "dates": set(), "names": set()}


def test_faithfulness_is_the_share_of_pieces_that_stand_in_the_document() -> None:
    document = "Anna Berg met 12 people in Rome on 4 June 1990."
    scores = faithfulness("Anna Berg met 13 people and 12 dogs on 4 June 1990", document)
    assert scores["faithful_numbers"] == (50.0, 2.0)
    assert scores["faithful_dates"] == (100.0, 1.0)
    assert scores["faithful_names"] == (100.0, 1.0)
    assert faithfulness("Oslo", document)["faithful_names"] == (0.0, 1.0)
    assert faithfulness("12", "There were 125 of them.")["faithful_numbers"] == (0.0, 1.0)
    assert faithfulness("nothing", document)["faithful_names"][1] == 0.0


@pytest.mark.parametrize(
    ("answer", "document"),
    [
        ("New York", "New York's mayor spoke."),
        ("He met Anna Karenina", "Anna Karenina’s brother came."),
        ("He moved to London", "The London-based firm"),
        ("O'Brien", "It was O’Brien's house."),
        ("the U.S. Navy", "Ships of the US Navy"),
        ("the US Navy", "Ships of the U.S. Navy"),
        ("R2-D2", "the robot R2-D2 beeped"),
        ("It was Dr. Smith, he said later", "A certain Dr Smith came."),
    ],
)
def test_names_stand_in_a_document_whatever_signs_stand_around_them(answer: str, document: str) -> None:
    assert faithfulness(answer, document)["faithful_names"] == (100.0, 1.0)
    assert faithfulness(answer, "Nobody was there.")["faithful_names"] == (0.0, 1.0)


def test_a_name_of_which_an_article_is_a_part_needs_all_of_it() -> None:
    assert faithfulness("It is Vitamin A", "Take Vitamin C.")["faithful_names"] == (0.0, 1.0)
    assert faithfulness("It is Vitamin A", "Take vitamin A.")["faithful_names"] == (100.0, 1.0)


def test_what_is_no_name_and_dates_in_ranges() -> None:
    assert pieces("I bought an iPhone")["names"] == set()
    assert pieces("In 1999")["names"] == set()
    assert pieces("The Beatles came. Then Paris fell.")["names"] == {"beatles", "paris"}
    assert faithfulness("In 1999", "The war (1999–2000) ended.")["faithful_dates"] == (100.0, 1.0)


def test_exact_match_is_split_by_the_kind_of_the_answer() -> None:
    assert exact_match_by_kind("1928", ["1928"]) == {
        "exact_match_numbers": (100.0, 0.0),
        "exact_match_dates": (100.0, 1.0),
        "exact_match_names": (100.0, 0.0),
    }
    assert exact_match_by_kind("rome", ["Oslo"])["exact_match_names"] == (0.0, 1.0)


def test_a_kind_that_never_occurs_has_no_row() -> None:
    results = [ExampleResult("a", {"faithful_names": 0.0, "f1": 50.0}, 1, weights={"faithful_names": 0.0})]
    assert [row.metric for row in rows_of(results, PART)] == ["f1"]
    weighted = [
        ExampleResult(str(i), {"faithful_names": v}, 1, weights={"faithful_names": w})
        for i, (v, w) in enumerate([(100.0, 3.0), (0.0, 1.0), (0.0, 0.0)])
    ]
    (row,) = rows_of(weighted, PART)
    assert (row.value, row.examples) == (75.0, 2)


@pytest.mark.parametrize("system", [Arc(), OpenBook(), ClosedBook()])
def test_the_loss_of_the_accepted_answer(session: Session, system: Any) -> None:
    made = QuestionAnswering(
        "colours", Questions(6), shots=1, max_new_tokens=2, metrics=["exact_match", "answer_token_loss"]
    )
    results = made.run(system, session)
    for question, result in zip(made.questions, results, strict=True):
        tokens = len(session.decoder.token_ids(" " + question.answers[0]))
        assert result.weights["answer_token_loss"] == tokens
        assert result.scores["answer_token_loss"] > 0
    row = next(row for row in rows_of(results, PART) if row.metric == "answer_token_loss")
    total = sum(r.scores["answer_token_loss"] * r.weights["answer_token_loss"] for r in results)
    assert row.value == pytest.approx(total / sum(r.weights["answer_token_loss"] for r in results))


def test_the_loss_alone_generates_nothing(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arc_encoder.evaluation.session.answers.generate_all", None)
    made = QuestionAnswering("colours", Questions(6), shots=1, metrics=["answer_token_loss"])
    assert set(made.run(OpenBook(), session)[0].scores) == {"answer_token_loss"}


def test_a_question_without_an_accepted_answer_is_named() -> None:
    class Unanswered(Questions):
        def __getitem__(self, index: int) -> Question:
            question = super().__getitem__(index)
            return Question(
                question.id, question.question, () if index == 1 else (" ",) * (index == 2) or ("a",), ("p",), "c"
            )

    with pytest.raises(DataError, match=r"benchmark colours: 2 questions have no accepted answer \(q1, q2\)"):
        QuestionAnswering("colours", Unanswered(6), examples=Questions(3, "e"), shots=1)
