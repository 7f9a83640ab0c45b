"""Rows that end make room for new prompts; every answer is what its prompt gets alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from arc_encoder.core.batch import ArcBatch
from arc_encoder.inference.generation.sampling import Sampling
from arc_encoder.inference.generation.stops import cut
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.generation.all_answers import generate_all
from arc_encoder.model.decoder.generation.refill import Refill, can_refill
from arc_encoder.model.decoder.generation.waiting import Waiting
from tests.tiny_models import WINDOW, make_batch, numbers, tiny_arc_model

Segments = list[tuple[str, list[int]]]


def ids(count: int, seed: int) -> list[int]:
    return list(numbers(count, seed))


SHARED = [("plain", [1, *ids(20, 90)]), ("context", ids(9, 91))]
PROMPTS: list[Segments] = [
    [
        ("plain", [1, *ids(3 + 5 * (i % 4), i)]),
        ("context", ids(4 + 3 * (i % 3), 30 + i)),
        ("plain", ids(1 + i % 2, 60 + i)),
    ]
    for i in range(9)
]
ALIKE: list[Segments] = [[*SHARED, ("plain", ids(2 + 3 * (i % 4), 70 + i))] for i in range(7)]


def answered(
    model: ArcForCausalLM, prompts: list[Segments], *, rows: int, positions: int | None = None, new: int, **options: Any
) -> list[str]:
    waiting = Waiting(
        [sum(len(part) for _, part in prompt) + new for prompt in prompts], rows=rows, positions=positions
    )

    def take(running: Sequence[int]) -> ArcBatch | None:
        places = waiting.take(running)
        return make_batch([prompts[place] for place in places]) if places else None

    found = dict(generate_all(model, "decoder", take, max_new_tokens=new, **options))
    return [found[place] for place in range(len(prompts))]


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "falcon", "phi3", "gemma3"])
@pytest.mark.parametrize("prompts", [PROMPTS, ALIKE], ids=["unlike", "alike"])
def test_every_answer_is_what_its_prompt_gets_alone(family: str, prompts: list[Segments]) -> None:
    model = tiny_arc_model(decoder_family=family)
    free = [model.generate(make_batch([prompt]), max_new_tokens=24)[0] for prompt in prompts]
    letters = "".join(free)
    stops = sorted({letter for letter in letters if letters.count(letter) < len(letters) / 40 and letter != "\ufffd"})[
        :4
    ]
    alone = [cut(text, stops) for text in free]
    assert len({len(text) for text in alone}) > 2, "the answers should differ in length"
    for rows in (1, 2, 4, 16):
        together = answered(model, prompts, rows=rows, new=24, stop=stops)
        assert [cut(text, stops) for text in together] == alone


def test_a_sliding_window_answers_batch_after_batch() -> None:
    assert can_refill(tiny_arc_model().decoder("decoder"))
    assert not can_refill(tiny_arc_model(decoder_family="gemma3").decoder("decoder"))


def test_an_answer_may_fill_the_window_while_others_go_on() -> None:
    """Rows that have ended stay for a while; positions of theirs beyond a learned table must not be looked up."""
    model = tiny_arc_model(decoder_family="gpt2")
    long = [("plain", [1, *ids(WINDOW - 9, 5)])]
    prompts = [long, *[[("plain", [1, *ids(3, 6 + i)])] for i in range(12)]]
    alone = [model.generate(make_batch([prompt]), max_new_tokens=8)[0] for prompt in prompts]
    assert answered(model, prompts, rows=16, new=8) == alone


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Rows, new positions and all columns of each pass of a decoder."""
    seen: list[tuple[int, int, int]] = []
    forward = Refill._forward

    def watched(self: Refill, embeddings: Any, mask: Any, *rest: Any) -> Any:
        seen.append((*embeddings.shape[:2], mask.shape[1]))
        return forward(self, embeddings, mask, *rest)

    monkeypatch.setattr(Refill, "_forward", watched)
    return seen


def test_new_prompts_take_the_places_of_those_that_ended(passes: list[tuple[int, int, int]]) -> None:
    model = tiny_arc_model()
    free = "".join(model.generate(make_batch([prompt]), max_new_tokens=40)[0] for prompt in PROMPTS)
    rare = sorted({letter for letter in free if letter != "\ufffd"}, key=free.count)[:6]
    lengths = []
    for prompt in PROMPTS:
        passes.clear()
        answered(model, [prompt], rows=1, new=40, stop=rare)
        lengths.append(len(passes))
    assert len(set(lengths)) > 2
    passes.clear()
    answered(model, PROMPTS, rows=2, new=40, stop=rare)
    steps = [rows for rows, new, _ in passes if new == 1]
    assert sum(steps) == sum(lengths) - len(lengths), "no pass computes a row that has ended"
    assert max(steps) == 2
    assert len(steps) < sum(max(lengths[i : i + 2]) - 1 for i in range(0, len(lengths), 2)), "as two and two would take"


def test_a_stop_ends_a_row(passes: list[tuple[int, int, int]]) -> None:
    model = tiny_arc_model()
    (free,) = answered(model, PROMPTS[:1], rows=1, new=24)
    whole = len(passes)
    stop = next(letter for letter in free[2:] if letter != "\ufffd")
    passes.clear()
    (cut_off,) = answered(model, PROMPTS[:1], rows=1, new=24, stop=["never said", stop])
    assert cut_off == free[: free.index(stop) + 1]
    assert len(passes) < whole


@pytest.mark.parametrize("positions", [60, 130])
def test_rows_and_positions_stay_within_their_limits(passes: list[tuple[int, int, int]], positions: int) -> None:
    model = tiny_arc_model()
    prompts = sorted(PROMPTS * 2, key=lambda prompt: -sum(len(part) for _, part in prompt))
    alone = [model.generate(make_batch([prompt]), max_new_tokens=20)[0] for prompt in prompts]
    passes.clear()
    assert answered(model, prompts, rows=5, positions=positions, new=20) == alone
    assert max(rows for rows, _, _ in passes) <= 5
    longest = max(sum(len(part) for _, part in prompt) for prompt in prompts) + 20
    assert all(rows * width <= max(positions, longest) for rows, _, width in passes)


def test_a_shared_beginning_is_read_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_arc_model()
    decoder = model.decoder("decoder")
    reads: list[int] = []
    read = type(decoder).read_prefix
    monkeypatch.setattr(type(decoder), "read_prefix", lambda self, e: reads.append(e.shape[1]) or read(self, e))
    answered(model, ALIKE, rows=2, new=4)
    assert reads == [25]  # 21 tokens, 3 vectors of 9 tokens at factor 4, the task token after them
    reads.clear()
    answered(model, [*ALIKE, *PROMPTS], rows=2, new=4)
    assert len(reads) == 1


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_draws_are_each_prompts_own(family: str) -> None:
    model = tiny_arc_model(decoder_family=family)
    sampling = Sampling(temperature=1.0, seed=3)
    alone = [
        model.generate(make_batch([prompt]), max_new_tokens=12, processors=sampling.processors([place]))[0]
        for place, prompt in enumerate(PROMPTS)
    ]
    draws = [sampling.processors([place]) for place in range(len(PROMPTS))]
    assert answered(model, PROMPTS, rows=3, new=12, processors=draws) == alone


def test_nothing_is_asked() -> None:
    assert answered(tiny_arc_model(), [], rows=2, new=4) == []


def test_waiting_prompts_are_taken_as_they_fit() -> None:
    waiting = Waiting([50, 40, 10, 10, 10, 9], rows=3, positions=100)
    assert waiting.take([]) == range(0, 2)
    assert not waiting.take([0, 1])  # three rows of 50 are too many positions
    assert not waiting.take([0, 1])
    assert waiting.take([1]) == range(2, 3)  # what is there was padded to 50, and two rows of 50 are not too many
    assert not waiting.take([1, 2])
    assert waiting.take([2]) == range(3, 5)
    assert waiting.take([3, 4]) == range(5, 6)
    assert not waiting.take([])
    assert Waiting([500], rows=1, positions=10).take([]) == range(1)
    assert Waiting([1] * 5, rows=2).take([]) == range(2)
