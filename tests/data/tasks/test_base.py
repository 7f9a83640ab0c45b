"""Random numbers and text cuts of the tasks."""

from __future__ import annotations

from itertools import combinations
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Sample
from arc_encoder.data.batching.tokens import token_spans
from arc_encoder.data.synthetic.toy_world import ToyWorld
from arc_encoder.data.tasks.base import Task, cut

TEXTS = [
    "Olimak walks with Brevira Morster. Olimak was born in Calmouth.",
    "  spaces first,  twice   between\tand\n\nlast \n",
    "Où ça? 日本語 😀😀 e\u0301!",
]


class Nothing(Task):
    def sample(self, index: int, seed: int, tokenizer: Any) -> Sample:
        return Sample(str(index), ())


class OtherNothing(Nothing):
    pass


def draw(task: Task, index: int, seed: int) -> float:
    return task.random(index, seed).random()


def test_random_numbers_depend_on_task_seed_and_index_alone() -> None:
    drawn = {
        draw(task, index, seed) for task in (Nothing(), OtherNothing()) for index in range(20) for seed in range(5)
    }
    assert len(drawn) == 200
    assert draw(Nothing(), 3, 1) == draw(Nothing(share=0.5), 3, 1)


def test_a_share_must_not_be_negative() -> None:
    assert Nothing(share=0.0).share == 0.0
    with pytest.raises(ConfigError, match=r"Nothing: share=-0\.1"):
        Nothing(share=-0.1)


@pytest.mark.parametrize("tokenizer", ["bpe", "words", "letters"], indirect=True)
@pytest.mark.parametrize("text", TEXTS)
def test_cuts_put_together_are_the_text_again(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    spans = token_spans(text, tokenizer)
    for first, second in combinations(range(1, len(spans)), 2):
        ends = ((0, first), (first, second), (second, len(spans)))
        assert "".join(cut(text, spans, *each) for each in ends) == text
    assert cut(text, spans, 0, len(spans)) == text


def test_a_cut_holds_its_tokens_and_the_space_after_them(words: PreTrainedTokenizerFast) -> None:
    text = " one  two\nthree four "
    spans = token_spans(text, words)
    assert cut(text, spans, 0, 1) == " one  "
    assert cut(text, spans, 1, 3) == "two\nthree "
    assert cut(text, spans, 3, 4) == "four "


def test_spans_leave_special_tokens_out(bpe: PreTrainedTokenizerFast, world: ToyWorld) -> None:
    text = world[0].text
    spans = token_spans(text, bpe)
    assert len(spans) == len(bpe(text)["input_ids"]) - 1  # called plainly it adds BOS
    assert "".join(text[start:end] for start, end in spans) == text


def test_a_tokenizer_without_offsets_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"SimpleNamespace.*use its fast version"):
        token_spans("text", SimpleNamespace(is_fast=False))  # type: ignore[arg-type]
