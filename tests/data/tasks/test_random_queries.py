"""A text continued as if the compressed context in front of it were not there."""

from __future__ import annotations

import pytest

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import Role
from arc_encoder.data.batching.reference import reference_of
from arc_encoder.data.tasks import RandomQueries
from tests.tiny_models import tiny_tokenizer
from tests.training.conftest import Texts

TOKENIZER = tiny_tokenizer()
SOURCE = Texts([letter * 40 for letter in "abcdef"])


def test_context_and_text_come_from_different_documents() -> None:
    task = RandomQueries(SOURCE, part=8)
    pairs = set()
    for index in range(60):
        sample = task.sample(index, 3, TOKENIZER)
        assert [segment.role for segment in sample.segments] == [Role.CONTEXT, Role.PLAIN, Role.TARGET]
        context, before, after = (segment.text for segment in sample.segments)
        assert set(before) == set(after) != set(context)
        assert max(map(len, (context, before, after))) == 8
        assert sample == task.sample(index, 3, TOKENIZER)
        pairs.add((context[0], before[0]))
        assert [segment.text for segment in reference_of(sample).segments] == [before, after]
    assert len(pairs) > 10


def test_a_single_document_is_refused() -> None:
    with pytest.raises(ConfigError, match="two documents at least; it has 1"):
        RandomQueries(Texts(["alone"]))
