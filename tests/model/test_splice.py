"""The merged layout, against a loop over lists."""

from __future__ import annotations

import random
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from arc_encoder.core.errors import DataError
from arc_encoder.model.splice import Layout, lay_out, prediction_mask, splice

WIDTH = 3


class Ragged(NamedTuple):
    text: Tensor  # (B, S, WIDTH), garbage in the padding
    text_lengths: list[int]
    vectors: Tensor  # (C, M, WIDTH), garbage in the padding
    counts: list[int]
    rows: list[int]
    positions: list[int]

    def layout(self, *, pad_left: bool = False) -> Layout:
        return lay_out(
            torch.tensor(self.text_lengths),
            torch.tensor(self.counts, dtype=torch.long),
            torch.tensor(self.rows, dtype=torch.long),
            torch.tensor(self.positions, dtype=torch.long),
            pad_left=pad_left,
        )

    def sequences(self) -> list[list[tuple[str, int, int]]]:
        """What is at each place of each sample: ("text", sample, token) or ("vector", context, number)."""
        merged = []
        for sample, length in enumerate(self.text_lengths):
            sequence: list[tuple[str, int, int]] = []
            for token in range(length + 1):
                for context, (row, position) in enumerate(zip(self.rows, self.positions, strict=True)):
                    if (row, position) == (sample, token):
                        sequence += [("vector", context, i) for i in range(self.counts[context])]
                if token < length:
                    sequence.append(("text", sample, token))
            merged.append(sequence)
        return merged


def ragged(seed: int) -> Ragged:
    """Samples with any number of contexts: none, adjacent ones, at the start and at the end."""
    rng = random.Random(seed)
    samples = rng.randint(1, 5)
    text_lengths = [rng.randint(1, 9) for _ in range(samples)]
    rows, positions = [], []
    for row in range(samples):
        places = sorted(
            rng.choice([0, text_lengths[row], rng.randint(0, text_lengths[row])]) for _ in range(rng.randint(0, 4))
        )
        rows += [row] * len(places)
        positions += places
    counts = [rng.randint(1, 6) for _ in rows]
    text = torch.randn(samples, max(text_lengths), WIDTH)
    vectors = torch.randn(len(rows), max(counts, default=0), WIDTH)
    return Ragged(text, text_lengths, vectors, counts, rows, positions)


@pytest.mark.parametrize("pad_left", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("seed", range(40))
def test_against_a_loop(seed: int, pad_left: bool) -> None:
    case = ragged(seed)
    layout = case.layout(pad_left=pad_left)
    merged = splice(case.text, case.vectors, layout)
    sequences = case.sequences()
    length = max(map(len, sequences))
    assert merged.shape == (len(sequences), length, WIDTH)
    for row, sequence in enumerate(sequences):
        begin = length - len(sequence) if pad_left else 0
        expected = torch.zeros(length, WIDTH)
        held = torch.zeros(length, dtype=torch.bool)
        for place, (kind, first, second) in enumerate(sequence, start=begin):
            expected[place] = case.text[first, second] if kind == "text" else case.vectors[first, second]
            held[place] = True
            at = layout.text_positions if kind == "text" else layout.vector_positions
            assert int(at[first, second]) == place
        assert torch.equal(merged[row], expected)
        assert torch.equal(layout.mask[row], held)


def test_the_cases_hold_what_they_should() -> None:
    cases = [ragged(seed) for seed in range(40)]
    places = [list(zip(case.rows, case.positions, strict=True)) for case in cases]
    assert any(len(set(each)) < len(each) for each in places), "adjacent contexts"
    assert any(position == 0 for each in places for _, position in each), "a context at the start"
    assert any(p == case.text_lengths[r] for case in cases for r, p in zip(case.rows, case.positions, strict=True)), (
        "at the end"
    )
    assert any(not case.rows for case in cases), "no context at all"
    assert any(set(range(len(case.text_lengths))) - set(case.rows) and case.rows for case in cases), "a sample without"


def test_gradient_reaches_text_and_vectors() -> None:
    case = ragged(3)
    text, vectors = case.text.requires_grad_(), case.vectors.requires_grad_()
    layout = case.layout()
    splice(text, vectors, layout).square().sum().backward()
    torch.testing.assert_close(text.grad, 2 * text.detach() * layout.text_valid[..., None])
    torch.testing.assert_close(vectors.grad, 2 * vectors.detach() * layout.vector_valid[..., None])


def test_text_may_be_padded_beyond_the_longest() -> None:
    case = ragged(5)
    wider = torch.cat([case.text, torch.randn(len(case.text), 4, WIDTH)], dim=1)
    layout = case.layout()
    assert torch.equal(splice(wider, case.vectors, layout), splice(case.text, case.vectors, layout))


def test_wrong_number_of_vectors_names_both() -> None:
    case = ragged(1)
    contexts, limit = len(case.counts), max(case.counts)
    with pytest.raises(
        DataError, match=rf"room for \({contexts}, {limit}\).*but \({contexts}, {limit + 2}\) were given"
    ):
        splice(case.text, torch.randn(contexts, limit + 2, WIDTH), case.layout())
    with pytest.raises(
        DataError, match=rf"room for \({contexts}, {limit}\).*but \({contexts - 1}, {limit}\) were given"
    ):
        splice(case.text, case.vectors[:-1], case.layout())


def test_context_outside_its_text() -> None:
    with pytest.raises(DataError, match=r"after \[2, 5\] text tokens.*have \[4, 4\]"):
        lay_out(torch.tensor([4]), torch.tensor([1, 1]), torch.tensor([0, 0]), torch.tensor([2, 5]))


@pytest.mark.parametrize("seed", range(40))
def test_targets_are_predicted_from_the_place_before(seed: int) -> None:
    case = ragged(seed)
    rng = random.Random(seed)
    sequences = case.sequences()
    target_mask = torch.zeros(case.text.shape[:2], dtype=torch.bool)
    expected = torch.zeros(len(sequences), max(map(len, sequences)), dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        for place, (kind, _, token) in enumerate(sequence):
            if kind == "text" and place > 0 and rng.random() < 0.5:
                target_mask[row, token] = True
                expected[row, place - 1] = True
    layout = case.layout()
    assert torch.equal(prediction_mask(layout, target_mask), expected)
    padded = torch.nn.functional.pad(target_mask, (0, 3))
    assert torch.equal(prediction_mask(layout, padded), expected)


def test_target_after_a_context_is_predicted_from_its_last_vector() -> None:
    # Sample: text 0, vectors 1-3, targets 4 and 5.
    layout = lay_out(torch.tensor([3]), torch.tensor([3]), torch.tensor([0]), torch.tensor([1]))
    mask = prediction_mask(layout, torch.tensor([[False, True, True]]))
    assert mask.tolist() == [[False, False, False, True, True, False]]


@pytest.mark.parametrize("pad_left", [False, True], ids=["right", "left"])
def test_target_at_the_very_start_is_refused(pad_left: bool) -> None:
    none = torch.zeros(0, dtype=torch.long)
    layout = lay_out(torch.tensor([2, 4]), none, none, none, pad_left=pad_left)
    with pytest.raises(DataError, match=r"start of its sequence.*BOS"):
        prediction_mask(layout, torch.tensor([[True, False, False, False], [False] * 4]))
    with pytest.raises(DataError, match="start of its sequence"):
        prediction_mask(layout, torch.tensor([[False] * 4, [True, False, False, False]]))


def test_target_at_the_start_of_the_text_after_a_context() -> None:
    layout = lay_out(torch.tensor([2]), torch.tensor([2]), torch.tensor([0]), torch.tensor([0]))
    assert prediction_mask(layout, torch.tensor([[True, False]])).tolist() == [[False, True, False, False]]
