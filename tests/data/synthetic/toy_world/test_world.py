"""Documents of the toy world. Their sentences are read back to (entity, relation, value) triples."""

from __future__ import annotations

import hashlib
import re
import zlib
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.data.synthetic.toy_world import ToyDocument, ToyWorld
from arc_encoder.data.synthetic.toy_world.facts import PERSON_RELATIONS, SHIP_RELATIONS, TOWN_RELATIONS, Fact, Relation
from arc_encoder.data.synthetic.toy_world.world import FILLERS, Split, is_held_out

SPLITS = ("train", "held_out", "new_names")
DOCUMENTS = 4000
Triple = tuple[str, str, str]


@cache
def documents(split: str, seed: int = 0) -> list[ToyDocument]:
    world = ToyWorld(seed, split)  # type: ignore[arg-type]
    return [world[index] for index in range(DOCUMENTS)]


def values_of(relation: Relation, names: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    return names[relation.values] if isinstance(relation.values, str) else relation.values


def names_of(split: str) -> dict[str, tuple[str, ...]]:
    lexicon = ToyWorld(0).lexicon
    if split == "new_names":
        return {
            "people": lexicon.new_people,
            "towns": lexicon.new_towns,
            "ships": lexicon.new_ships,
            "rivers": lexicon.rivers,
        }
    return {"people": lexicon.people, "towns": lexicon.towns, "ships": lexicon.ships, "rivers": lexicon.rivers}


@cache
def readings(split: str) -> tuple[dict[str, Triple], dict[str, set[Triple]]]:
    """Every sentence, and every question, that a split can hold, with what it says or asks for."""
    sentences: dict[str, Triple] = {}
    asked: dict[str, set[Triple]] = {}
    names = names_of(split)
    for kind, relations in (("people", PERSON_RELATIONS), ("towns", TOWN_RELATIONS), ("ships", SHIP_RELATIONS)):
        for relation in relations:
            for entity in names[kind]:
                for value in values_of(relation, names):
                    fact, triple = Fact(entity, relation, value), (entity, relation.name, value)
                    for variant in range(3):
                        assert sentences.setdefault(fact.state(variant), triple) == triple, (
                            "a sentence with two meanings"
                        )
                    for variant in range(2):
                        asked.setdefault(fact.ask(variant), set()).add(triple)
    return sentences, asked


def triples(text: str, split: str) -> list[Triple]:
    sentences = [sentence for sentence in re.split(r"(?<=\.) ", text) if sentence not in FILLERS]
    return [readings(split)[0][sentence] for sentence in sentences]


@cache
def stated(split: str) -> set[Triple]:
    return {
        triple
        for document in documents(split)
        for text in (document.text, document.retelling)
        for triple in triples(text, split)
    }


@pytest.mark.parametrize(("split", "crc"), [("train", 2007450603), ("held_out", 3444927360), ("new_names", 2535385863)])
def test_the_world_stays_as_the_toy_models_learned_it(split: Any, crc: int) -> None:
    """If this fails, the toy models must be trained again (and the numbers here replaced)."""
    world = ToyWorld(0, split)
    told: list[str] = []
    for document, translation in ((world[index], world.translation(index)) for index in range(200)):
        told += [document.text, document.retelling, document.summary, *translation]
        told += [text for question in document.questions for text in (question.question, question.answer)]
    assert zlib.crc32("\n".join(told).encode()) == crc


@pytest.mark.parametrize("split", SPLITS)
def test_a_document_depends_on_seed_split_and_index_alone(split: Any) -> None:
    first, second = ToyWorld(5, split), ToyWorld(5, split)
    indices = [0, 7, 3, 2**40, 7]
    forwards = [(first[index], first.translation(index)) for index in indices]
    backwards = [(second[index], second.translation(index)) for index in reversed(indices)]
    assert forwards == backwards[::-1]
    assert forwards[1] == forwards[4]
    assert first[7].text != ToyWorld(6, split)[7].text
    assert first[7].id != ToyWorld(6, split)[7].id
    sizes = [[len(world[index].questions) for index in range(50)] for world in (first, ToyWorld(6, split))]
    assert sizes[0] != sizes[1]  # not the same documents with other names


@pytest.mark.parametrize("split", SPLITS)
def test_documents_differ_from_each_other(split: str) -> None:
    told = documents(split)
    assert len({document.id for document in told}) == DOCUMENTS
    assert len({document.text for document in told}) == DOCUMENTS


def test_splits_differ_from_each_other() -> None:
    assert not {d.id for d in documents("train")} & {d.id for d in documents("held_out")}
    assert not {d.text for d in documents("train")} & {d.text for d in documents("held_out")}


def test_no_training_document_states_a_held_out_triple() -> None:
    assert len(stated("train")) > 9000
    assert len(stated("held_out")) > 3000
    assert not stated("train") & stated("held_out")


@pytest.mark.parametrize(("split", "expected"), [("train", False), ("held_out", True)])
def test_every_stated_triple_is_on_the_side_of_its_split(split: str, expected: bool) -> None:
    names = names_of(split)
    relations = {relation.name: relation for relation in (*PERSON_RELATIONS, *TOWN_RELATIONS, *SHIP_RELATIONS)}
    for entity, relation, value in stated(split):
        position = values_of(relations[relation], names).index(value)
        assert is_held_out(entity, relation, position) is expected


def test_every_name_and_value_of_held_out_documents_is_known_from_training() -> None:
    known = {word for entity, _, value in stated("train") for word in (entity, value)}
    assert {word for entity, _, value in stated("held_out") for word in (entity, value)} <= known


@pytest.mark.parametrize("entity", ["Olimak", "Ravia", "x"])
@pytest.mark.parametrize("relation", ["home", "job"])
def test_one_value_in_eight_is_held_out_of_each_entity(entity: str, relation: str) -> None:
    kept = [position for position in range(64) if is_held_out(entity, relation, position)]
    assert len(kept) == 8
    assert {b - a for a, b in pairwise(kept)} == {8}


def test_different_entities_miss_different_values() -> None:
    lexicon = ToyWorld(0).lexicon
    first = {next(p for p in range(8) if is_held_out(name, "home", p)) for name in lexicon.people}
    assert first == set(range(8))


def test_training_never_names_a_new_name() -> None:
    lexicon = ToyWorld(0).lexicon
    new = {name.split()[0] for name in (*lexicon.new_people, *lexicon.new_towns, *lexicon.new_ships)}
    world = ToyWorld(0)
    told = [f"{d.text} {d.retelling} {d.summary} {d.questions}" for d in documents("train")]
    told += [" ".join(world.translation(index)) for index in range(DOCUMENTS)]
    seen = {word for text in told for word in re.findall(r"\w+", text)}
    assert "Olimak" in seen
    assert not new & seen


def test_new_names_are_those_of_the_split() -> None:
    names = names_of("new_names")
    allowed = {*names["people"], *names["towns"], *names["ships"]}
    assert {entity for entity, _, _ in stated("new_names")} == allowed


@pytest.mark.parametrize("split", SPLITS)
def test_text_retelling_questions_and_summary_tell_the_same(split: str) -> None:
    reworded = 0
    for document in documents(split)[:1500]:
        told = triples(document.text, split)
        assert len(set(told)) == len(told)
        assert sorted(triples(document.retelling, split)) == sorted(told)
        first: dict[str, str] = {}
        for entity, _, value in told:
            first.setdefault(entity, value)
        assert document.summary == ", ".join(f"{entity}: {value}" for entity, value in first.items()) + "."
        assert 2 <= len(first) <= 3
        asked = readings(split)[1]
        answered = [{t for t in asked[question.question] if t[2] == question.answer} for question in document.questions]
        assert sorted(triple for each in answered for triple in each) == sorted(told)
        reworded += document.text != document.retelling
    assert reworded > 1400


@pytest.mark.parametrize("split", SPLITS)
def test_each_question_has_one_answer_and_the_text_holds_it(split: str) -> None:
    for document in documents(split):
        assert document.questions
        answers = {question.question: question.answer for question in document.questions}
        assert len(answers) == len(document.questions)
        for question, answer in answers.items():
            assert re.search(rf"\b{answer}\b", document.text)
            assert re.search(rf"\b{answer}\b", document.retelling)
            assert not re.search(rf"\b{answer}\b", question)


def test_some_documents_hold_a_filler_and_some_mix_their_entities() -> None:
    told = documents("train")
    filled = sum(any(filler in document.text for filler in FILLERS) for document in told) / DOCUMENTS
    assert filled == pytest.approx(0.25, abs=0.03)
    mixed = 0
    for document in told:
        entities = [entity for entity, _, _ in triples(document.text, "train")]
        changes = sum(a != b for a, b in pairwise(entities))
        mixed += changes >= len(set(entities))
    assert 0.1 < mixed / DOCUMENTS < 0.3


@pytest.mark.parametrize(("entities", "facts"), [((1, 1), (1, 1)), ((4, 4), (2, 2)), ((2, 5), (1, 9))])
def test_ranges_bound_entities_and_facts(entities: tuple[int, int], facts: tuple[int, int]) -> None:
    world = ToyWorld(0, entities=entities, facts=facts)
    entity_counts, fact_counts = set(), set()
    for index in range(400):
        told = [triple[:2] for triple in triples(world[index].text, "train")]
        people = {entity for entity, _ in told}
        entity_counts.add(len(people))
        fact_counts |= {sum(entity == each for entity, _ in told) for each in people}
    assert entity_counts == set(range(entities[0], entities[1] + 1))
    assert fact_counts == set(range(facts[0], facts[1] + 1))


@pytest.mark.parametrize("split", SPLITS)
def test_translations_follow_the_grammar(split: Any) -> None:
    world = ToyWorld(0, split)
    names = names_of(split)["people"]
    for index in range(300):
        plain, translated = (re.split(r"(?<=\.) ", text) for text in world.translation(index))
        assert len(plain) == len(translated) == 3
        for sentence, foreign in zip(plain, translated, strict=True):
            match = re.fullmatch(r"(.+) (\w+) the (\w+) (\w+)\.", sentence)
            assert match is not None
            name, verb, colour, animal = match.groups()
            assert name in names
            word = world.lexicon.foreign
            assert foreign == f"{word[animal]} {word[colour]} {name} {word[verb]}."


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"split": "test"}, "unknown split 'test'; choose one of train, held_out, new_names"),
        ({"entities": (3, 2)}, r"entities=\(3, 2\)"),
        ({"entities": (0, 2)}, r"entities=\(0, 2\)"),
        ({"facts": (0, 0)}, r"facts=\(0, 0\)"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ToyWorld(0, **wrong)


@pytest.mark.parametrize(
    ("split", "digest"),
    [("train", "ec0036d31d2575c4"), ("held_out", "0c77129c02c7db49"), ("new_names", "dbe251639268b27c")],
)
def test_documents_never_change(split: Split, digest: str) -> None:
    """Models and results hang on every word of them."""
    documents = [ToyWorld(0, split)[i] for i in range(300)]
    assert hashlib.sha256(repr(documents).encode()).hexdigest()[:16] == digest
