"""Which examples `strict` draws, and from where."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.data.records import Question
from arc_encoder.evaluation.benchmarks import QuestionAnswering, QuestionFile
from arc_encoder.evaluation.protocols import Chosen, Strict
from arc_encoder.evaluation.protocols.drawing import LARGEST_POOL, held_out
from tests.evaluation.conftest import Questions


class ByDocument(Questions):
    """Questions in the order of their documents, so many about each; counts what is read."""

    def __init__(self, count: int, each: int, prefix: str = "q") -> None:
        super().__init__(count, prefix)
        self.each, self.read = each, 0

    def __getitem__(self, index: int) -> Question:
        self.read += 1
        return replace(super().__getitem__(index), passages=(f"document {index // self.each}",))


class Given:
    """Questions one by one."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = questions

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, index: int) -> Question:
        return self.questions[index]


def chosen(
    source: Questions | Given,
    pool: Questions | Given | None = None,
    *,
    shots: int = 5,
    limit: int | None = None,
    seed: int = 0,
) -> Chosen:
    return Strict().choose("colours", source, pool, shots=shots, limit=limit, seed=seed)


def all_drawn(made: Chosen) -> set[str]:
    return {q.id for number in range(len(made.questions)) for q in made.examples_of(number)}


@pytest.mark.parametrize(("count", "shots", "size"), [(3000, 5, 100), (400, 5, 40), (30, 5, 5), (6, 5, 5), (2, 1, 1)])
def test_a_tenth_of_a_file_is_held_out_for_examples(count: int, shots: int, size: int) -> None:
    made = chosen(Questions(count), shots=shots)
    asked = [q.id for q in made.questions]
    pool = {f"q{i}" for i in range(count)} - set(asked)
    assert len(pool) == size
    assert asked == [f"q{i}" for i in range(count) if f"q{i}" not in pool]  # in the order of the file
    assert all_drawn(made) <= pool
    assert len(all_drawn(made)) > 0.9 * size
    assert [q.id for q in chosen(Questions(count), shots=shots, limit=1).questions] == asked[:1]


def test_the_pool_is_spread_over_the_file_and_the_same_for_every_seed() -> None:
    made, other = chosen(Questions(1000), seed=0), chosen(Questions(1000), seed=1)
    assert [q.id for q in made.questions] == [q.id for q in other.questions]
    assert [q.id for q in made.examples_of(3)] != [q.id for q in other.examples_of(3)]
    assert [q.id for q in made.examples_of(3)] == [q.id for q in chosen(Questions(1000)).examples_of(3)]
    places = held_out(1000, 5)
    assert Counter(place // 100 for place in places) == dict.fromkeys(range(10), LARGEST_POOL // 10)


def test_seeds_draw_other_examples_and_not_only_another_order() -> None:
    drawn = [{q.id for q in chosen(Questions(1000), seed=seed).examples_of(0)} for seed in range(3)]
    assert all(len(each) == 5 for each in drawn)
    assert len({frozenset(each) for each in drawn}) == 3


def test_without_examples_every_question_is_asked() -> None:
    assert len(chosen(Questions(50), shots=0).questions) == 50


def test_examples_are_about_other_documents_where_there_are_others() -> None:
    made = chosen(ByDocument(60, 20))  # 3 documents, a pool of 6
    for number, query in enumerate(made.questions):
        drawn = made.examples_of(number)
        others = [q for q in drawn if q.passages != query.passages]
        assert len({q.id for q in drawn}) == 5
        assert len(others) == 4  # as many as the pool has: 2 of each document
    many = chosen(ByDocument(1000, 50))
    for number, query in enumerate(many.questions):
        assert all(q.passages != query.passages for q in many.examples_of(number))


def test_where_all_share_one_document_examples_do_too() -> None:
    made = chosen(ByDocument(60, 60))
    assert all(len({q.id for q in made.examples_of(number)}) == 5 for number in range(len(made.questions)))


def test_questions_without_documents_share_none() -> None:
    bare = [replace(Questions(40)[i], passages=()) for i in range(40)]
    made = chosen(Given(bare))
    assert all(len(made.examples_of(number)) == 5 for number in range(len(made.questions)))


def test_a_pool_that_holds_the_question_does_not_show_it() -> None:
    source = ByDocument(40, 4)
    made = chosen(source, source)
    assert len(made.questions) == 40
    for number, query in enumerate(made.questions):
        drawn = made.examples_of(number)
        assert len({q.id for q in drawn}) == 5
        assert all(q.passages != query.passages for q in drawn)
    alone = chosen(source, Given([source[i] for i in range(5)]))
    assert [q.id for q in alone.examples_of(9)] != [q.id for q in alone.examples_of(10)]
    with pytest.raises(DataError, match=r"question 'q3' is among its own examples, and only 4 others .* 5 shots"):
        alone.examples_of(3)


def test_the_same_id_with_another_answer_is_another_question() -> None:
    """Splits of a generated world number their questions alike."""
    source = Given([replace(Questions(6)[i], id=f"t{i}", question="Translate.") for i in range(6)])
    pool = Given([replace(q, answers=("other",), passages=("other",)) for q in source.questions])
    assert sorted(q.id for q in chosen(source, pool, shots=6).examples_of(0)) == [f"t{i}" for i in range(6)]
    same = Given([replace(q, passages=("retrieved anew",)) for q in source.questions])
    with pytest.raises(DataError, match="question 't0' is among its own examples"):
        chosen(source, same, shots=6).examples_of(0)


def test_drawing_reads_a_handful_of_records() -> None:
    source, pool = ByDocument(1000, 100), ByDocument(50_000, 1, "e")
    made = chosen(source, pool, limit=10)
    assert (source.read, pool.read) == (10, 0)
    made.examples_of(0)
    assert pool.read <= 5 + 5 + 100
    alone = ByDocument(1_000_000, 1_000_000)
    chosen(alone, limit=3).examples_of(0)
    assert alone.read <= 3 + 1 + 100


def test_examples_of_a_training_file(tmp_path: Path) -> None:
    for name, count in (("train", 20), ("test", 6)):
        records = [{"question": f"{name} {i}?", "answers": ["a"], "passages": [f"{name} {i}"]} for i in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    source = QuestionFile(str(tmp_path / "test.jsonl"), examples_path=str(tmp_path / "train.jsonl"))
    made = QuestionAnswering(source=source, shots=3, limit=None)
    assert [q.question for q in made.questions] == [f"test {i}?" for i in range(6)]
    assert all(q.question.startswith("train") for number in range(6) for q in made.examples_of(number))


def test_a_limit_that_asks_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="benchmark colours: limit=0 must be at least 1"):
        QuestionAnswering("colours", Questions(12), limit=0)


@pytest.mark.parametrize("count", [12, 30, 2000])
def test_the_same_questions_are_asked_at_every_number_of_shots_of_a_command(count: int) -> None:
    def asked(shots: int, max_shots: int) -> list[str]:
        protocol = Strict()
        protocol.max_shots = max_shots
        made = protocol.choose("colours", Questions(count), None, shots=shots, limit=None, seed=0)
        assert len(made.examples_of(0)) == shots
        return [question.id for question in made.questions]

    assert asked(0, 5) == asked(1, 5) == asked(5, 5) == asked(5, 0)
    assert len(asked(0, 0)) == count
