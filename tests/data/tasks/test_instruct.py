"""Instruct samples."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role, TaskToken
from arc_encoder.data.records import Question
from arc_encoder.data.tasks import Instruct
from tests.data.tasks.test_few_shot import contexts, written

ONE = Question("id", "who?", ("me", "unused"), ("one two", "three four", "five"), "set")
TOLD = Question("id", "who?", ("me",), ("one two",), "set", instruction="Say it in one word.")


def test_a_document_a_request_and_an_answer(words: PreTrainedTokenizerFast) -> None:
    sample = Instruct([ONE], header="Story", instruction="Answer briefly.").sample(0, 0, words)
    document = "one two\nthree four\nfive"
    assert written(sample) == f"Story:\n[{document}]\n\nAnswer briefly.\nQuestion: who?\nAnswer:* me*"
    assert (sample.id, sample.task_token, sample.end_of_text) == ("id", TaskToken.CONTINUE, True)


def test_a_record_s_own_instruction_goes_first_and_none_is_needed(words: PreTrainedTokenizerFast) -> None:
    assert "\n\nSay it in one word.\nQuestion" in written(Instruct([TOLD], instruction="x").sample(0, 0, words))
    assert "]\n\nQuestion: who?" in written(Instruct([ONE]).sample(0, 0, words))


def test_a_long_document_keeps_its_first_tokens(words: PreTrainedTokenizerFast) -> None:
    assert contexts(Instruct([ONE], max_tokens=3).sample(0, 0, words)) == ["one two\nthree "]
    assert contexts(Instruct([ONE], max_tokens=5).sample(0, 0, words)) == ["one two\nthree four\nfive"]
    assert contexts(Instruct([ONE], max_tokens=None).sample(0, 0, words)) == ["one two\nthree four\nfive"]


def test_passages_are_drawn_up_to_the_limit(words: PreTrainedTokenizerFast) -> None:
    task = Instruct([ONE], max_passages=2)
    found = {contexts(task.sample(i, 0, words))[0] for i in range(40)}
    assert found == {"one two", "one two\nthree four"}
    assert task.sample(5, 1, words) == task.sample(5, 1, words)


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"max_passages": 0}, {"share": -1.0}])
def test_impossible_numbers_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=str(next(iter(wrong)))):
        Instruct([ONE], **wrong)


def test_the_answer_alone_is_predicted(words: PreTrainedTokenizerFast) -> None:
    roles = [segment.role for segment in Instruct([ONE]).sample(0, 0, words).segments]
    assert roles == [Role.PLAIN, Role.CONTEXT, Role.PLAIN, Role.TARGET]
