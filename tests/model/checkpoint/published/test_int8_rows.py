"""Matrices in one byte a number."""

from __future__ import annotations

import pytest
import torch

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.checkpoint.published.folder import from_int8_rows, to_int8_rows


def test_off_by_half_a_step_at_most() -> None:
    torch.manual_seed(0)
    matrix = torch.randn(80, 96) * torch.logspace(-4, 2, 80)[:, None]
    matrix[7] = 0.0
    packed = to_int8_rows({"m": matrix})
    assert packed["m"].dtype == torch.int8
    assert packed["m.scale"].shape == (80,)
    again = from_int8_rows(packed)
    assert list(again) == ["m"]
    step = matrix.abs().amax(dim=1, keepdim=True) / 127
    assert ((again["m"] - matrix).abs() <= 0.5001 * step).all()
    assert not again["m"][7].any()


def test_vectors_and_small_matrices_are_kept() -> None:
    state = {"norm": torch.randn(5000), "small": torch.randn(8, 8), "odd.scale": torch.randn(3)}
    packed = to_int8_rows({name: tensor.bfloat16() for name, tensor in state.items()})
    assert all(packed[name].dtype == torch.float32 for name in state)
    assert from_int8_rows(packed).keys() == state.keys()


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(CheckpointError, match="the weight m holds numbers that are not finite"):
        to_int8_rows({"m": torch.full((80, 96), float("nan"))})
