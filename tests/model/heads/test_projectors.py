"""What each projector computes."""

from __future__ import annotations

import pytest
import torch

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.heads.projectors import LinearProjector, MLPProjector, Projector, RMSProjector


def test_linear_is_one_matrix() -> None:
    projector, vectors = LinearProjector(5, 7), torch.randn(2, 3, 5)
    assert {name: tuple(p.shape) for name, p in projector.named_parameters()} == {"layer1.weight": (7, 5)}
    torch.testing.assert_close(projector(vectors), vectors @ projector.layer1.weight.T)


def test_mlp_is_two_matrices_without_activation() -> None:
    projector, vectors = MLPProjector(5, 7, bottleneck=4), torch.randn(2, 3, 5)
    shapes = {name: tuple(p.shape) for name, p in projector.named_parameters()}
    assert shapes == {"layer1.weight": (4, 5), "layer2.weight": (7, 4)}
    torch.testing.assert_close(projector(vectors), vectors @ projector.layer1.weight.T @ projector.layer2.weight.T)


def test_rms_norms_first() -> None:
    projector, vectors = RMSProjector(5, 7, bottleneck=4, eps=0.1), torch.randn(2, 3, 5)
    with torch.no_grad():
        projector.norm.weight.copy_(torch.randn(5))
    normed = vectors / (vectors.square().mean(-1, keepdim=True) + 0.1).sqrt() * projector.norm.weight
    torch.testing.assert_close(projector(vectors), normed @ projector.layer1.weight.T @ projector.layer2.weight.T)


def test_start_is_kaiming_uniform() -> None:
    projector = MLPProjector(64, 48, bottleneck=400)
    for weight, inputs in ((projector.layer1.weight, 64), (projector.layer2.weight, 400)):
        bound = inputs**-0.5  # a = √5 makes the bound 1 / √inputs
        assert weight.abs().max() <= bound
        assert weight.abs().max() > 0.99 * bound
        torch.testing.assert_close(weight.std(), torch.tensor(bound / 3**0.5), rtol=0.02, atol=0)


def test_errors() -> None:
    with pytest.raises(ConfigError, match="bottleneck=0"):
        MLPProjector(5, 7, bottleneck=0)
    with pytest.raises(CheckpointError, match=r"'NoSuchProjector'.*LinearProjector, MLPProjector"):
        Projector.from_settings("NoSuchProjector", {})
