"""Encoding in groups of similar length: the same vectors, less padding."""

from __future__ import annotations

import pytest
import torch

from arc_encoder.model.encoder.padding.length_buckets import bucket_count, encode_in_buckets, padded_tokens
from tests.tiny_models import random_contexts, tiny_compressor

LENGTHS = [13, 1, 30, 8, 29, 2, 14]


@pytest.mark.parametrize(
    ("lengths", "max_buckets", "expected"),
    [
        ([7, 7, 7, 7], 4, 1),
        ([10, 9, 10, 10], 4, 1),
        ([10, 40, 10, 40], 4, 2),
        ([10, 20, 30, 40], 4, 3),
        ([10, 20, 30, 40], 2, 2),
        ([10, 40], 8, 2),
        ([5], 4, 1),
        ([1, 100], 1, 1),
    ],
)
def test_as_few_groups_as_leave_little_padding(lengths: list[int], max_buckets: int, expected: int) -> None:
    assert bucket_count(lengths, max_buckets) == expected


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 7, 50])
def test_vectors_and_gradients_are_those_of_one_group(groups: int) -> None:
    model = tiny_compressor("llama").double()
    ids, lengths = random_contexts(LENGTHS, padding=3)
    found = {}
    for count in (1, groups):
        model.config.length_buckets = count
        model.zero_grad()
        vectors, counts = model.encode(ids, lengths)
        valid = torch.arange(vectors.shape[1]) < counts[:, None]
        vectors[valid].square().sum().backward()
        found[count] = (
            vectors[valid].detach(),
            counts,
            [p.grad.clone() for p in model.parameters() if p.grad is not None],
        )
    assert torch.equal(found[1][1], found[groups][1])
    torch.testing.assert_close(found[1][0], found[groups][0])
    for one, several in zip(found[1][2], found[groups][2], strict=True):
        torch.testing.assert_close(one, several)


def test_fewer_slots_are_encoded() -> None:
    slots = []

    def encode(ids: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        slots.append(len(lengths) * int(lengths.max()))
        return torch.zeros(len(lengths), int(lengths.max()), 2), lengths

    lengths = torch.tensor([10, 40, 20, 30] * 4)
    encode_in_buckets(encode, torch.zeros(16, 40, dtype=torch.long), lengths, 1)
    encode_in_buckets(encode, torch.zeros(16, 40, dtype=torch.long), lengths, 4)
    assert slots[0] == 640
    assert sum(slots[1:]) == 400


@pytest.mark.parametrize("groups", [1, 2, 3, 5, 7])
def test_slots_are_those_that_are_encoded(groups: int) -> None:
    computed = []

    def encode(ids: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        computed.append(len(lengths) * int(lengths.max()))
        return torch.zeros(len(lengths), int(lengths.max()), 2), lengths

    encode_in_buckets(encode, torch.zeros(7, 30, dtype=torch.long), torch.tensor(LENGTHS), groups)
    assert sum(computed) == padded_tokens(LENGTHS, bucket_count(LENGTHS, groups))
