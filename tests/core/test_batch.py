"""Batches: padding, counting, moving."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from arc_encoder.core.batch import pad_rows
from tests.tiny_models import make_batch, numbers


def test_pad_rows() -> None:
    ids, lengths = pad_rows([[5, 6, 7], [], [8]], value=9)
    assert ids.tolist() == [[5, 6, 7], [9, 9, 9], [8, 9, 9]]
    assert lengths.tolist() == [3, 0, 1]
    assert ids.dtype == lengths.dtype == torch.long


def test_pad_no_rows() -> None:
    ids, lengths = pad_rows([])
    assert ids.shape == (0, 0)
    assert lengths.shape == (0,)
    assert ids.dtype == lengths.dtype == torch.long


def test_counts_ignore_padding() -> None:
    batch = make_batch(
        [
            [("plain", [1, 2]), ("context", list(numbers(7))), ("target", [3, 4, 5])],
            [("context", list(numbers(2))), ("target", [6])],
        ]
    )
    assert batch.target_tokens == 4
    assert batch.encoder_tokens == 9
    assert batch.tokens == 9 + 5 + 1


def test_to_moves_every_tensor() -> None:
    batch = make_batch([[("plain", [1]), ("context", [5, 6]), ("target", [3])]])
    moved = batch.to("meta")
    for field in fields(batch):
        value, other = getattr(batch, field.name), getattr(moved, field.name)
        if isinstance(value, torch.Tensor):
            assert other.is_meta
            assert other.shape == value.shape
        elif field.name != "counts":
            assert other == value


@pytest.mark.skipif(not torch.cuda.is_available(), reason="page-locked memory needs a CUDA machine")
def test_pin_memory() -> None:
    batch = make_batch([[("plain", [1]), ("context", [5, 6]), ("target", [3])]]).pin_memory()
    assert batch.text_ids.is_pinned()
    assert batch.context_ids.is_pinned()


def test_a_batch_is_counted_before_it_leaves_main_memory() -> None:
    batch = make_batch([[("plain", [1]), ("context", [5, 6]), ("target", [3])]])
    there = batch.to("meta").to("meta")  # where no value can be asked for
    assert (there.encoder_tokens, there.text_tokens, there.target_tokens, there.tokens) == (2, 2, 1, 4)
    assert (batch.encoder_tokens, batch.text_tokens, batch.target_tokens, batch.tokens) == (2, 2, 1, 4)
