"""Few-shot samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role, Sample, TaskToken
from arc_encoder.data.records import Question
from arc_encoder.data.synthetic.toy_sources import ToyQuestions
from arc_encoder.data.tasks import FewShot


def questions(count: int) -> list[Question]:
    return [
        Question(f"id{i}", f"q{i}?", (f"a{i}", "never used"), (f"x{i}", f"y{i}", f"z{i}"), "set") for i in range(count)
    ]


def contexts(sample: Sample) -> list[str]:
    return [segment.text for segment in sample.segments if segment.role is Role.CONTEXT]


def written(sample: Sample) -> str:
    """The sample as one text, contexts in brackets and targets in stars."""
    marks = {Role.CONTEXT: "[{}]", Role.PLAIN: "{}", Role.TARGET: "*{}*"}
    return "".join(marks[segment.role].format(segment.text) for segment in sample.segments)


def block(name: str, answer: str) -> str:
    number = name.removeprefix("x")
    return f"Document: [{name}]\nQuestion: q{number}?\nAnswer:{answer.format(number)}"


def test_a_long_document_keeps_its_first_tokens(words: PreTrainedTokenizerFast) -> None:
    source = [Question(str(i), "q?", ("a",), ("one two three", "four five"), "set") for i in range(2)]
    short = FewShot(source, shots=1, max_passages=1, max_tokens=2).sample(0, 0, words)
    assert contexts(short) == ["one two ", "one two "]
    whole = FewShot(source, shots=1, max_passages=1, max_tokens=3).sample(0, 0, words)
    assert contexts(whole) == ["one two three"] * 2
    book = [Question("0", "q?", ("a",), ("one two " * 1_000_000,), "set")]
    assert contexts(FewShot(book, shots=0).sample(0, 0, words)) == ["one two " * 1024]
    with pytest.raises(ConfigError, match="max_tokens=0"):
        FewShot(source, shots=1, max_tokens=0)


@pytest.mark.parametrize(("loss_on_examples", "answer"), [(False, " a{}"), (True, "* a{}*")])
def test_a_sample_is_the_prompt_with_loss_on_the_last_answer(
    words: PreTrainedTokenizerFast, loss_on_examples: bool, answer: str
) -> None:
    task = FewShot(questions(9), shots=2, loss_on_examples=loss_on_examples)
    for index in range(20):
        sample = task.sample(index, 0, words)
        one, two, last = contexts(sample)
        expected = [block(one, answer), block(two, answer), block(last, "* a{}*")]
        assert written(sample) == "\n\n".join(expected)
        assert sample.id == last.replace("x", "id")
        assert (sample.task_token, sample.end_of_text) == (TaskToken.CONTINUE, True)


@pytest.mark.parametrize("shots", [0, 1, 4])
def test_examples_are_different_questions_and_never_the_query(words: PreTrainedTokenizerFast, shots: int) -> None:
    task = FewShot(questions(5), shots=shots)
    for index in range(60):
        shown = contexts(task.sample(index, 0, words))
        assert len(shown) == shots + 1
        assert len(set(shown)) == len(shown)


def test_every_question_is_asked_once_an_epoch_with_fresh_examples(words: PreTrainedTokenizerFast) -> None:
    task = FewShot(questions(8), shots=2)
    shown = [contexts(task.sample(index, 0, words)) for index in range(8 * 40)]
    for epoch in range(40):
        assert {last for *_, last in shown[8 * epoch : 8 * epoch + 8]} == {f"x{i}" for i in range(8)}
    drawn = {tuple(examples) for *examples, last in shown if last == "x3"}
    assert len(drawn) > 20  # of 7 · 6 ordered pairs, in 40 epochs
    assert {example for pair in drawn for example in pair} == {f"x{i}" for i in range(8)} - {"x3"}


def test_the_number_of_examples_varies_if_asked_to(words: PreTrainedTokenizerFast) -> None:
    task = FewShot(questions(6), shots=3, vary_shots=True)
    assert {len(contexts(task.sample(index, 0, words))) for index in range(80)} == {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("max_passages", "expected"),
    [(1, {"x"}), (2, {"x", "x\ny"}), (3, {"x", "x\ny", "x\ny\nz"}), (9, {"x", "x\ny", "x\ny\nz"})],
)
def test_passages_are_drawn_and_joined_to_one_context(
    words: PreTrainedTokenizerFast, max_passages: int, expected: set[str]
) -> None:
    task = FewShot(questions(4), shots=1, max_passages=max_passages)
    shown = [contexts(task.sample(index, 0, words)) for index in range(60)]
    for place in (0, 1):  # examples and query alike
        assert {"".join(c for c in each[place] if not c.isdigit()) for each in shown} == expected


def test_samples_depend_on_index_and_seed_alone(words: PreTrainedTokenizerFast) -> None:
    first, second = (FewShot(ToyQuestions(size=50), shots=3, vary_shots=True) for _ in range(2))
    forwards = [first.sample(index, 1, words) for index in range(60)]
    assert forwards == [second.sample(index, 1, words) for index in reversed(range(60))][::-1]
    assert forwards != [first.sample(index, 2, words) for index in range(60)]


def test_subsets_are_not_mixed_in_a_prompt(words: PreTrainedTokenizerFast) -> None:
    one, two = questions(2)
    task = FewShot([one, replace(two, subset="another")], shots=1)
    with pytest.raises(ConfigError, match="subsets another, set; give each its own task"):
        task.sample(0, 0, words)


@pytest.mark.parametrize("shots", [3, 4])
def test_too_few_questions_are_refused(shots: int) -> None:
    with pytest.raises(ConfigError, match=f"{shots} examples were asked for, but the source has only 3 questions"):
        FewShot(questions(3), shots=shots)


@pytest.mark.parametrize(("wrong", "message"), [({"shots": -1}, "shots=-1"), ({"max_passages": 0}, "max_passages=0")])
def test_impossible_numbers_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FewShot(questions(9), **wrong)


def test_a_long_answer_keeps_its_beginning(words: PreTrainedTokenizerFast) -> None:
    long = " ".join(["one", "two", "three"] * 1000)
    source = [Question(str(i), "q", (long, "other"), ("p",), "s") for i in range(3)]

    def answers(**options: object) -> list[str]:
        made = FewShot(source, shots=1, loss_on_examples=True, **options).sample(0, 0, words)  # type: ignore[arg-type]
        return [segment.text.strip() for segment in made.segments if segment.role is Role.TARGET]

    assert answers(max_answer=2) == ["one two", "one two"]
    assert [len(text.split()) for text in answers()] == [512, 512]
    assert answers(max_answer=None) == [long, long]
    with pytest.raises(ConfigError, match="max_answer=0"):
        FewShot(source, shots=1, max_answer=0)
