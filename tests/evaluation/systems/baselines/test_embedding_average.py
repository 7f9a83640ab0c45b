"""Averaged token embeddings in the place of compressed vectors."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from arc_encoder.core.errors import ConfigError
from arc_encoder.evaluation.systems.baselines.embedding_average import EmbeddingAverage
from arc_encoder.model.arc_model import ArcForCausalLM
from tests.tiny_models import make_batch, numbers, tiny_decoder


def test_vectors_are_means_of_balanced_groups() -> None:
    decoder = tiny_decoder()
    ids = torch.tensor([list(numbers(10)), [*numbers(3, 1), *[0] * 7]])
    vectors, counts = EmbeddingAverage(decoder, 4)(ids, torch.tensor([10, 3]), "decoder")
    assert counts.tolist() == [3, 1]
    rows = decoder.embed(ids)
    for vector, part in zip(vectors[0], rows[0].split([4, 3, 3]), strict=True):
        torch.testing.assert_close(vector, part.mean(0))
    torch.testing.assert_close(vectors[1, 0], rows[1, :3].mean(0))


def test_by_one_the_decoder_reads_the_text_itself() -> None:
    decoder = tiny_decoder()
    average: Any = EmbeddingAverage(decoder, 1)
    model, text = ArcForCausalLM(average, {"decoder": decoder}), list(numbers(8, 2))
    compressed = make_batch([[("plain", [1]), ("context", text), ("target", [5, 6])]])
    plain = make_batch([[("plain", [1, *text]), ("target", [5, 6])]])
    torch.testing.assert_close(model(compressed).loss, model(plain).loss)


def test_lengths_and_mistakes() -> None:
    average = EmbeddingAverage(tiny_decoder(), 4)
    assert [average.compressed_length(n) for n in (1, 4, 5)] == [1, 1, 2]
    assert average.compressed_length(9, 2) == 5
    assert list(average.parameters()) == []
    with pytest.raises(ConfigError, match="pooling factor 0"):
        EmbeddingAverage(tiny_decoder(), 0)
