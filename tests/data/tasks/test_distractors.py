"""One question about one of several compressed documents."""

from __future__ import annotations

from collections import Counter

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role
from arc_encoder.data.records import Question
from arc_encoder.data.tasks import Distractors
from tests.tiny_models import tiny_tokenizer


class Questions:
    """Twenty questions about ten documents."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Question:
        return Question(f"q{index}", f"which {index}?", (f"a{index}",), (f"document {index // 2}",), "test")


TOKENIZER = tiny_tokenizer()


def test_the_asked_document_stands_among_others_at_every_place() -> None:
    task = Distractors(Questions(), documents=3)
    places, sizes = Counter(), Counter()
    for index in range(300):
        sample = task.sample(index, 0, TOKENIZER)
        contexts = [segment.text for segment in sample.segments if segment.role is Role.CONTEXT]
        number = int(sample.id[1:])
        assert len(set(contexts)) == len(contexts)
        places[contexts.index(f"document {number // 2}"), len(contexts)] += 1
        sizes[len(contexts)] += 1
        assert sample.segments[-1].text == f" a{number}"
        assert sample.segments[-2].text == f"\nQuestion: which {number}?\nAnswer:"
        assert sample == task.sample(index, 0, TOKENIZER)
    assert set(sizes) == {1, 2, 3}
    assert {(place, size) for size in (1, 2, 3) for place in range(size)} == set(places)


def test_documents_are_cut() -> None:
    sample = Distractors(Questions(), documents=2, max_tokens=3).sample(0, 0, TOKENIZER)
    assert {segment.text for segment in sample.segments if segment.role is Role.CONTEXT} == {"doc"}
    assert Distractors(Questions()).has_text_form
    assert not Distractors(Questions(), max_tokens=None).has_text_form


@pytest.mark.parametrize("wrong", [{"documents": 1}, {"documents": 21}, {"max_tokens": 0}])
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Distractors(Questions(), **wrong)
