"""The toy world as sources of documents and questions."""

from __future__ import annotations

from typing import Any

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.synthetic.toy_sources import ToyDocuments, ToyQuestions
from arc_encoder.data.synthetic.toy_world import ToyWorld

SPLITS = ("train", "held_out", "new_names")


@pytest.mark.parametrize("split", SPLITS)
def test_articles_tell_one_or_two_documents_twice(split: Any) -> None:
    source, world = ToyDocuments(seed=2, split=split), ToyWorld(2, split)
    one, two = world[6], world[7]
    assert source[3].text == f"{one.text} {one.retelling}"
    one, two = world[8], world[9]
    assert source[4].text == f"{one.text} {two.text} {one.retelling} {two.retelling}"
    assert source[4].id == one.id


def test_articles_have_their_own_names() -> None:
    source = ToyDocuments(size=300)
    assert len({source[index].id for index in range(300)}) == 300


@pytest.mark.parametrize("split", SPLITS)
def test_a_question_is_one_of_its_document(split: Any) -> None:
    source, world = ToyQuestions(seed=2, split=split), ToyWorld(2, split)
    places = set()
    for index in range(200):
        question, document = source[index], world[index]
        asked = [(each.question, each.answer) for each in document.questions]
        assert (question.question, *question.answers) in asked
        assert question.passages == (document.text,)
        assert question.subset == "toy_qa"
        places.add(asked.index((question.question, *question.answers)))
    assert len(places) > 3  # not always the first


def test_summaries_and_translations_have_their_own_subsets() -> None:
    world = ToyWorld(2, "held_out")
    summary = ToyQuestions(kind="summary", seed=2, split="held_out")[5]
    assert (summary.passages, summary.answers) == ((world[5].text,), (world[5].summary,))
    assert (summary.question, summary.subset) == ("Summarise the previous document.", "toy_summary")
    translation = ToyQuestions(kind="translation", seed=2, split="held_out")[5]
    assert (translation.passages[0], translation.answers[0]) == world.translation(5)
    assert (translation.question, translation.subset) == (
        "Translate the previous document into Skoosh.",
        "toy_translation",
    )


@pytest.mark.parametrize("kind", ["qa", "summary", "translation"])
def test_records_depend_on_their_index_alone(kind: Any) -> None:
    first, second = ToyQuestions(kind=kind), ToyQuestions(kind=kind)
    forwards = [first[index] for index in range(50)]
    assert forwards == [second[index] for index in reversed(range(50))][::-1]
    assert len({question.id for question in forwards}) == 50


@pytest.mark.parametrize("source", [ToyDocuments, ToyQuestions])
def test_size_is_the_length(source: type) -> None:
    assert len(source(size=12)) == 12


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown kind 'chat'; choose qa, summary or translation"):
        ToyQuestions(kind="chat")  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [ToyDocuments, ToyQuestions])
def test_an_empty_source_is_refused(source: type) -> None:
    with pytest.raises(ConfigError, match="size=0 must be at least 1"):
        source(size=0)


def test_a_long_document_holds_its_answer_once() -> None:
    source = ToyQuestions(seed=2, split="held_out", documents=(5, 9))
    short = ToyQuestions(seed=2, split="held_out")
    counts, places = set(), set()
    for index in range(60):
        long, plain = source[index], short[index]
        assert (long.id, long.question, long.answers) == (plain.id, plain.question, plain.answers)
        (text,) = long.passages
        before, found, after = text.partition(plain.passages[0])
        assert found
        entity = next(
            each for each in ToyWorld(2, "held_out")[index].questions if each.question == long.question
        ).entity
        assert entity not in before + after
        counts.add(len(text) // 150)
        places.add(round(3 * len(before) / len(text)))
    assert len(counts) > 3
    assert places >= {0, 1, 2}
    assert source[7] == ToyQuestions(seed=2, split="held_out", documents=(5, 9))[7]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"documents": (0, 2)}, "increasing range"),
        ({"documents": (3, 2)}, "increasing range"),
        ({"documents": (1, 2), "kind": "summary"}, "for the kind qa"),
    ],
)
def test_ranges_of_documents_that_cannot_be(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ToyQuestions(**wrong)
