"""Contexts that come again are not encoded again, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from arc_encoder.core.errors import ConfigError
from arc_encoder.core.segments import TaskToken
from arc_encoder.evaluation.session.vector_cache import VectorCache
from arc_encoder.model.arc_model import ArcForCausalLM
from tests.tiny_models import (
    make_batch,
    numbers,
    random_contexts,
    tiny_arc_model,
    tiny_compressor,
    tiny_decoder,
)

CONTINUE, RECONSTRUCT = TaskToken.CONTINUE, TaskToken.RECONSTRUCT


def padded(*rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    return ids, lengths


A, B, C = (list(numbers(length, seed)) for length, seed in ((9, 1), (17, 2), (5, 3)))


def test_vectors_are_those_of_the_compressor_and_each_context_is_encoded_once() -> None:
    plain = tiny_compressor().eval().double()  # another batch rounds otherwise
    remembered = VectorCache(plain)
    for rows, encoded in (([A, B, A], 2), ([B, C], 3), ([C, A, B, A], 3)):
        ids, lengths = padded(*rows)
        expected, counts = plain(ids, lengths, "decoder")
        found, found_counts = remembered(ids, lengths, "decoder")
        assert torch.equal(found_counts, counts)
        for wanted, got, count in zip(expected, found, counts.tolist(), strict=True):
            torch.testing.assert_close(got[:count], wanted[:count], atol=1e-10, rtol=1e-10)
        assert remembered.encoded == encoded
    assert remembered.recalled == 9 - 3


def test_factor_and_task_token_make_another_context_of_the_same_text() -> None:
    remembered = VectorCache(tiny_compressor().eval())
    ids, lengths = padded(B)
    for options in ({}, {"factor": 2}, {"task_token": RECONSTRUCT}):
        found: Any = remembered(ids, lengths, "decoder", **options)
        assert found[0].shape[1] == (10 if options.get("factor") else 6)  # 17 tokens by 2 or 4, and the task token
    assert remembered.encoded == 3


def test_what_was_not_used_for_longest_is_forgotten_first() -> None:
    plain = tiny_compressor().eval()
    size = plain(*padded(A), "decoder")[0].nbytes
    remembered = VectorCache(plain, limit_gib=2.5 * size / 2**30)
    for row in (A, [*A[1:], 7], A, [*A[1:], 8]):
        remembered(*padded(row), "decoder")
    assert remembered.encoded == 3
    remembered(*padded(A), "decoder")
    assert remembered.encoded == 3  # used in between, so the second went
    remembered(*padded([*A[1:], 7]), "decoder")
    assert remembered.encoded == 4


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_nothing_is_recalled_while_forgetting_or_without_room(limit: float) -> None:
    remembered = VectorCache(tiny_compressor().eval(), limit_gib=limit)
    remembered(*padded(A), "decoder")
    with remembered.forgetting():
        remembered(*padded(A), "decoder")
        assert remembered.encoded == 2
    remembered(*padded(A), "decoder")
    assert remembered.encoded == (2 if limit else 3)
    with pytest.raises(ConfigError, match="-1 GiB is not possible"):
        VectorCache(tiny_compressor(), limit_gib=-1)


def test_a_model_with_a_memory_gives_the_same_losses_and_texts() -> None:
    model = tiny_arc_model().eval()
    decoder = tiny_decoder(seed=7)
    segments = [("plain", [1, 2]), ("context", B), ("plain", [3]), ("context", A), ("target", [4, 5])]
    batch = make_batch([segments, segments[:2] + segments[4:]])
    plain = ArcForCausalLM(model.compressor, {"decoder": decoder})
    other: Any = VectorCache(model.compressor)
    remembering = ArcForCausalLM(other, {"decoder": decoder})
    for _ in range(2):
        torch.testing.assert_close(remembering(batch).loss, plain(batch).loss, atol=1e-5, rtol=1e-5)
        assert remembering.generate(batch, max_new_tokens=3) == plain.generate(batch, max_new_tokens=3)
    assert other.encoded == 2


def test_mixed_precision_changes_the_computation_and_not_the_weights() -> None:
    compressor = tiny_compressor().eval()
    ids, lengths = random_contexts([9, 5])
    exact = VectorCache(compressor)(ids, lengths, "decoder")[0]
    mixed = VectorCache(compressor, precision=torch.bfloat16)(ids, lengths, "decoder")[0]
    assert mixed.dtype == torch.bfloat16
    assert 0 < (mixed.float() - exact).abs().max() < 0.1 * exact.abs().max()
    assert {parameter.dtype for parameter in compressor.parameters()} == {torch.float32}
