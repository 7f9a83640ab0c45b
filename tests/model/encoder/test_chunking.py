"""Cutting long contexts, and putting their vectors together again."""

from __future__ import annotations

import random

import pytest
import torch

from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.model.encoder.chunking import Chunking, join_chunks
from arc_encoder.model.encoder.pooling import MeanPooling, MemoryTokens, Pooling
from tests.tiny_models import random_contexts, tiny_compressor


@pytest.mark.parametrize("size", [1, 4, 7, 100])
def test_cut_against_a_loop(size: int) -> None:
    lengths_list = [9, 1, 7, 8, 21, 4]
    ids, lengths = random_contexts(lengths_list, padding=3)
    chunks = Chunking(size, 100).cut(ids, lengths)
    expected = [
        (number, ids[number, start : min(start + size, length)].tolist())
        for number, length in enumerate(lengths_list)
        for start in range(0, length, size)
    ]
    assert chunks.context.tolist() == [number for number, _ in expected]
    assert chunks.lengths.tolist() == [len(tokens) for _, tokens in expected]
    for row, length, (_, tokens) in zip(chunks.ids, chunks.lengths.tolist(), expected, strict=True):
        assert row[:length].tolist() == tokens
    assert chunks.ids.shape[1] <= min(size, max(lengths_list))


def test_join_against_a_loop() -> None:
    rng = random.Random(0)
    for _ in range(20):
        context = sorted([*range(4), *(rng.randrange(4) for _ in range(rng.randrange(6)))])
        counts = [rng.randint(1, 5) for _ in context]
        vectors = torch.randn(len(context), max(counts), 3)
        joined, totals = join_chunks(vectors, torch.tensor(counts), torch.tensor(context), 4)
        for number in range(4):
            parts = [vectors[i, : counts[i]] for i in range(len(context)) if context[i] == number]
            assert int(totals[number]) == sum(map(len, parts))
            assert torch.equal(joined[number, : int(totals[number])], torch.cat(parts))
        assert joined.shape == (4, int(totals.max()), 3)


@torch.no_grad()
@pytest.mark.parametrize(
    "pooling", [MeanPooling(4), MeanPooling(4, [2, 2]), MemoryTokens(3)], ids=["mean", "schedule", "memory"]
)
def test_chunks_in_parallel_are_chunks_one_by_one(pooling: Pooling) -> None:
    size, lengths_list = 10, [23, 4, 30, 10, 11]
    compressor = tiny_compressor(pooling=pooling, chunking=Chunking(size))
    ids, lengths = random_contexts(lengths_list, padding=2)
    vectors, counts = compressor.encode(ids, lengths)
    for number, length in enumerate(lengths_list):
        parts = [ids[number, start : min(start + size, length)] for start in range(0, length, size)]
        alone = [compressor.encoder(part[None], torch.tensor([len(part)]))[0][0] for part in parts]
        expected = torch.cat(alone)
        assert int(counts[number]) == len(expected) == compressor.compressed_length(length)
        torch.testing.assert_close(vectors[number, : len(expected)], expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_chunks_do_not_see_each_other() -> None:
    compressor = tiny_compressor(chunking=Chunking(8))
    ids, lengths = random_contexts([16])
    changed = ids.clone()
    changed[0, 12] = 3 if ids[0, 12] != 3 else 4
    before, after = compressor.encode(ids, lengths)[0], compressor.encode(changed, lengths)[0]
    torch.testing.assert_close(before[0, :2], after[0, :2], rtol=0, atol=1e-6)
    assert (before[0, 2:] - after[0, 2:]).abs().max() > 1e-3


@torch.no_grad()
def test_one_task_token_after_all_chunks() -> None:
    compressor = tiny_compressor(chunking=Chunking(8))
    ids, lengths = random_contexts([20, 5])
    _, counts = compressor(ids, lengths, "decoder")
    assert counts.tolist() == [2 + 2 + 1 + 1, 2 + 1]


def test_gradient_through_joined_chunks() -> None:
    compressor = tiny_compressor(chunking=Chunking(8))
    ids, lengths = random_contexts([20, 5])
    vectors, _ = compressor.encode(ids, lengths)
    vectors[0, -1].sum().backward()  # of the last chunk of the first context
    seen = compressor.encoder.backbone.get_input_embeddings().weight.grad.abs().sum(1).nonzero().flatten()
    assert set(seen.tolist()) == set(ids[0, 16:].tolist())


def test_too_long_context_names_the_limits() -> None:
    chunking = Chunking(10, 3)
    ids, lengths = random_contexts([31, 5])
    with pytest.raises(DataError, match=r"31 tokens.*3 chunks of 10 tokens.*30 in all"):
        chunking.cut(ids, lengths)
    assert chunking.cut(*random_contexts([30])).lengths.tolist() == [10, 10, 10]


@pytest.mark.parametrize("lengths", [[0, 4], [25, 0], [0, 25, 9]])
def test_empty_context_is_refused_also_beside_a_long_one(lengths: list[int]) -> None:
    with pytest.raises(DataError, match=rf"contexts \[{lengths.index(0)}\].*empty"):
        Chunking(10).cut(torch.ones(len(lengths), 25, dtype=torch.long), torch.tensor(lengths))


@pytest.mark.parametrize(("size", "max_chunks"), [(0, 1), (1, 0), (-4, 2)])
def test_sizes_that_cannot_be(size: int, max_chunks: int) -> None:
    with pytest.raises(ConfigError, match=f"size={size} and max_chunks={max_chunks}"):
        Chunking(size, max_chunks)


@torch.no_grad()
def test_sizes_may_change_while_training_runs() -> None:
    compressor = tiny_compressor(chunking=Chunking(1024))
    ids, lengths = random_contexts([20])
    assert compressor.encode(ids, lengths)[1].tolist() == [5]
    compressor.chunking.size = 9
    assert compressor.encode(ids, lengths)[1].tolist() == [3 + 3 + 1]
    assert compressor.compressed_length(20) == 7
    compressor.chunking.max_chunks = 2
    with pytest.raises(DataError, match="at most 2 chunks of 9 tokens"):
        compressor.encode(ids, lengths)


def test_a_longer_context_is_refused_or_cut_to_its_first_chunks() -> None:
    ids, lengths = random_contexts([9, 30, 12])
    with pytest.raises(DataError, match=r"30 tokens.*overflow 'cut'"):
        Chunking(5, 2).cut(ids, lengths)
    cut = Chunking(5, 2, "cut").cut(ids, lengths)
    whole = Chunking(5, 2).cut(ids[:, :10], lengths.clamp(max=10))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(cut, whole, strict=True))
    assert Chunking(40, 1, "cut").cut(ids, lengths).lengths.tolist() == [9, 30, 12]
    with pytest.raises(ConfigError, match="overflow='drop' is unknown; choose stop or cut"):
        Chunking(5, 2, "drop")  # type: ignore[arg-type]


def test_a_model_cuts_when_it_is_told_to() -> None:
    ids, lengths = random_contexts([9, 30])
    compressor = tiny_compressor(chunking=Chunking(5, 2, "cut"))
    vectors, counts = compressor.encode(ids, lengths)
    expected, _ = compressor.encode(ids[:, :10], lengths.clamp(max=10))
    assert torch.equal(vectors, expected)
    assert counts.tolist() == [3, 4]
