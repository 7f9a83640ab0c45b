"""What an evaluation counts, and which prompts it times."""

from __future__ import annotations

import itertools

import pytest

from arc_encoder.evaluation.session.meter import TIMED, Meter, prompt_of
from tests.tiny_models import make_batch, numbers, tiny_arc_model


def test_targets_do_not_count_and_are_not_read_before_the_first_token() -> None:
    samples = [
        [("plain", [1, 2, 3]), ("context", list(numbers(9))), ("target", [4, 5])],
        [("plain", [1]), ("context", list(numbers(5))), ("context", list(numbers(3))), ("target", [6])],
    ]
    batch = make_batch(samples)
    meter = Meter()
    meter.count(batch)
    assert (meter.prompts, meter.contexts, meter.context_tokens, meter.text_tokens) == (2, 3, 17, 4)
    second = prompt_of(batch, 1)
    assert second.text_ids.tolist() == [[1]]
    assert second.context_lengths.tolist() == [5, 3]
    assert second.context_rows.tolist() == [0, 0]
    assert second.context_positions.tolist() == [1, 1]
    assert second.target_tokens == 0


@pytest.mark.parametrize("size", [1, 7, 40])
def test_timed_prompts_are_spread_over_all(size: int) -> None:
    meter = Meter()
    for start in range(0, 200, size):
        meter.count(make_batch([[("plain", [1 + start + i])] for i in range(min(size, 200 - start))]))
    kept = [int(each.text_ids[0, 0]) - 1 for each in meter._kept]
    assert TIMED <= len(kept) <= 2 * TIMED
    steps = {later - earlier for earlier, later in itertools.pairwise(kept)}
    assert kept[0] == 0
    assert len(steps) == 1
    assert kept[-1] + steps.pop() >= 200


def test_the_first_token_is_timed() -> None:
    meter = Meter()
    meter.count(make_batch([[("plain", [1, 2]), ("context", [3, 4, 5]), ("target", [6])]]))
    assert meter.first_token_ms(tiny_arc_model().eval(), None) > 0
