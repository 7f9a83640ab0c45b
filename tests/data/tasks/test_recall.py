"""Parts of a compressed text, found by their first words."""

from __future__ import annotations

import pytest

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.core.segments import Role
from arc_encoder.data.tasks import Recall
from tests.tiny_models import tiny_tokenizer
from tests.training.conftest import Texts

TOKENIZER = tiny_tokenizer()
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # every token once


def test_every_part_goes_on_as_the_text_does() -> None:
    task = Recall(Texts([ALPHABET, "ab"]), max_tokens=40, parts=3, cue=2, length=5)
    orders = set()
    for index in range(40):
        sample = task.sample(index, 3, TOKENIZER)
        assert sample == task.sample(index, 3, TOKENIZER)
        context, *rest = sample.segments
        assert context.role is Role.CONTEXT
        assert len(context.text) == 40
        assert context.text in ALPHABET
        assert [segment.role for segment in rest] == [Role.PLAIN, Role.TARGET] * 3
        parts = [cue.text.removeprefix("\n") + target.text for cue, target in zip(rest[::2], rest[1::2], strict=True)]
        assert all(len(part) == 7 and part in context.text for part in parts)
        assert len(set("".join(parts))) == 21, "no part holds what another one is asked for"
        orders.add(tuple(sorted(range(3), key=lambda number: context.text.index(parts[number]))))
    assert len(orders) == 6


def test_a_short_text_has_fewer_parts() -> None:
    sample = Recall(Texts(["abcdefgh"]), max_tokens=40, parts=3, cue=2, length=4).sample(0, 0, TOKENIZER)
    assert len(sample.segments) == 3


def test_texts_that_are_all_too_short() -> None:
    with pytest.raises(DataError, match="too short to recall 24 tokens after 8"):
        Recall(Texts(["ab", "cd"])).sample(0, 0, TOKENIZER)


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"cue": 0}, "cue=0 must be at least 1"), ({"length": 250}, "together must be at most max_tokens=256")],
)
def test_numbers_that_cannot_be(setting: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recall(Texts(["abc"]), **setting)
