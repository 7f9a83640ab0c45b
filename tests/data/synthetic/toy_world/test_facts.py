"""Wordings of the toy world's facts."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from arc_encoder.data.synthetic.toy_world.facts import PERSON_RELATIONS, SHIP_RELATIONS, TOWN_RELATIONS, Fact, Relation
from arc_encoder.data.synthetic.toy_world.lexicon import Lexicon

RELATIONS = {relation.name: relation for relation in (*PERSON_RELATIONS, *TOWN_RELATIONS, *SHIP_RELATIONS)}
FUNCTION_WORDS = {
    "a", "an", "the", "of", "in", "on", "at", "to", "from", "for", "as", "with", "by", "it", "they",
    "is", "are", "was", "has", "have", "do", "does", "will", "who", "whom", "what", "which", "where",
}  # fmt: skip


def content(texts: tuple[str, ...]) -> set[str]:
    """The words of some templates that carry meaning."""
    found = re.findall(r"[a-z]+", " ".join(texts).replace("{e}", "").replace("{v}", "").lower())
    return set(found) - FUNCTION_WORDS


def test_no_two_relations_have_one_name() -> None:
    assert len(RELATIONS) == len(PERSON_RELATIONS) + len(TOWN_RELATIONS) + len(SHIP_RELATIONS)


@pytest.mark.parametrize("relation", RELATIONS.values(), ids=RELATIONS)
def test_a_question_shares_no_content_word_with_its_statements(relation: Relation) -> None:
    stated, asked = content(relation.statements), content(relation.questions)
    assert stated
    assert asked
    assert not stated & asked
    # nor another form of the same word, such as live and lives
    assert not {word[:5] for word in stated} & {word[:5] for word in asked}


@pytest.mark.parametrize("relation", RELATIONS.values(), ids=RELATIONS)
def test_a_question_names_its_entity_and_never_an_answer(relation: Relation) -> None:
    lexicon = Lexicon.from_seed(0)
    values = getattr(lexicon, relation.values) if isinstance(relation.values, str) else relation.values
    assert len(set(values)) == len(values) > 8  # at least one is held out, and others are not
    for question in relation.questions:
        assert question.count("{e}") == 1
        assert "{v}" not in question
    assert not content(relation.questions) & {word.lower() for value in values for word in value.split()}


@pytest.mark.parametrize("relation", RELATIONS.values(), ids=RELATIONS)
def test_there_are_three_wordings_and_two_questions(relation: Relation) -> None:
    fact = Fact("ENTITY", relation, "VALUE")
    stated = [fact.state(variant) for variant in range(3)]
    assert len(set(stated)) == 3
    assert all(text.count("ENTITY") == text.count("VALUE") == 1 and text.endswith(".") for text in stated)
    assert [fact.state(variant) for variant in range(3, 6)] == stated
    asked = [fact.ask(variant) for variant in range(2)]
    assert len(set(asked)) == 2
    assert [fact.ask(variant) for variant in range(2, 4)] == asked


@pytest.mark.parametrize("kind", [PERSON_RELATIONS, TOWN_RELATIONS, SHIP_RELATIONS])
def test_a_wording_belongs_to_one_relation(kind: tuple[Relation, ...]) -> None:
    used = Counter(text for relation in kind for text in (*relation.statements, *relation.questions))
    assert set(used.values()) == {1}
