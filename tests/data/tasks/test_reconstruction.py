"""Reconstruction samples."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role, TaskToken
from arc_encoder.data.records import Document
from arc_encoder.data.synthetic.toy_sources import ToyDocuments
from arc_encoder.data.tasks import Reconstruction

DOCUMENT = Document("numbers", " one two  three four\nfive six seven ")


def text_of(task: Reconstruction, index: int, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> str:
    sample = task.sample(index, seed, tokenizer)
    context, target = sample.segments
    assert (context.role, target.role) == (Role.CONTEXT, Role.TARGET)
    assert context.text == target.text
    return context.text


@pytest.mark.parametrize("max_tokens", [7, 8, 256])
def test_a_short_document_is_taken_whole(words: PreTrainedTokenizerFast, max_tokens: int) -> None:
    task = Reconstruction([DOCUMENT], max_tokens=max_tokens)
    assert {text_of(task, index, words) for index in range(5)} == {DOCUMENT.text}


@pytest.mark.parametrize("max_tokens", [1, 3, 6])
def test_of_a_long_document_every_part_of_that_many_tokens_is_taken(
    words: PreTrainedTokenizerFast, max_tokens: int
) -> None:
    task = Reconstruction([DOCUMENT], max_tokens=max_tokens)
    texts = {text_of(task, index, words) for index in range(100)}
    assert len(texts) == 7 - max_tokens + 1
    for text in texts:
        assert text in DOCUMENT.text
        assert len(text.split()) == max_tokens


def test_parts_of_real_tokens_keep_to_the_budget(bpe: PreTrainedTokenizerFast) -> None:
    source = ToyDocuments(size=100)
    task = Reconstruction(source, max_tokens=40)
    texts = [text_of(task, index, bpe) for index in range(100)]
    lengths = [len(bpe(text, add_special_tokens=False)["input_ids"]) for text in texts]
    assert max(lengths) == 40
    assert sum(length == 40 for length in lengths) > 50


def test_the_sample_names_its_task_and_document(words: PreTrainedTokenizerFast) -> None:
    sample = Reconstruction([DOCUMENT]).sample(0, 0, words)
    assert (sample.id, sample.task_token, sample.end_of_text) == ("numbers", TaskToken.RECONSTRUCT, True)


def test_samples_depend_on_index_and_seed_alone(bpe: PreTrainedTokenizerFast) -> None:
    first, second = (Reconstruction(ToyDocuments(size=50), max_tokens=20) for _ in range(2))
    forwards = [first.sample(index, 1, bpe) for index in range(60)]
    assert forwards == [second.sample(index, 1, bpe) for index in reversed(range(60))][::-1]
    assert forwards != [first.sample(index, 2, bpe) for index in range(60)]
    assert {sample.id for sample in forwards[:50]} == {
        document.id for document in map(ToyDocuments(size=50).__getitem__, range(50))
    }


def test_max_tokens_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="max_tokens=0"):
        Reconstruction([DOCUMENT], max_tokens=0)
