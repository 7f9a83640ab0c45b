"""Cross-entropy some rows at a time: PyTorch's values and gradients, with less memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from arc_encoder.model.decoder.output_layer import cross_entropy
from arc_encoder.model.decoder.output_layer.cross_entropy import cross_entropies


def drawn(rows: int, vocabulary: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    logits = (5 * torch.randn(rows, vocabulary, generator=draw)).to(dtype).requires_grad_()
    return logits, torch.randint(vocabulary, (rows,), generator=draw)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("block", [1, 100, 1000])  # less than a row; blocks that do not divide the rows; one block
def test_values_and_gradients_are_pytorchs(dtype: torch.dtype, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_entropy, "BLOCK", block)
    logits, targets = drawn(7, 40, dtype)
    weights = torch.linspace(0.5, 2, 7, dtype=torch.promote_types(dtype, torch.float32))
    found = cross_entropies(logits, targets)
    (found * weights).sum().backward()
    gradient, logits.grad = logits.grad, None
    expected = nn.functional.cross_entropy(logits.to(weights.dtype), targets, reduction="none")
    (expected * weights).sum().backward()
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient, logits.grad)


def test_gradients_are_those_of_differences() -> None:
    logits, targets = drawn(3, 9, torch.float64)
    assert torch.autograd.gradcheck(lambda each: cross_entropies(each, targets), (logits,))


def test_no_targets() -> None:
    logits, targets = drawn(0, 9, torch.float32)
    cross_entropies(logits, targets).sum().backward()
    assert logits.grad is not None
    assert logits.grad.shape == (0, 9)


def test_large_and_impossible_logits() -> None:
    logits = torch.tensor([[1000.0, 0.0, -torch.inf]], requires_grad=True)
    cross_entropies(logits, torch.tensor([0])).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_the_logits_alone_are_kept() -> None:
    logits, targets = drawn(64, 1000, torch.bfloat16)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        cross_entropies(logits, targets).sum()
    assert sum(each.nbytes for each in kept) == logits.nbytes + 64 * (8 + 4)
