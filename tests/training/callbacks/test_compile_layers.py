"""CompileLayers: which layers are compiled, when, and that results stay."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.encoder.pooled_block import PooledBlock
from arc_encoder.model.language_models.activation_checkpointing import layers_of
from arc_encoder.training.callbacks import CompileLayers
from tests.training.conftest import Fit, data_module


def weights(module: Any) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in module.model.compressor.named_parameters()}


def test_layers_that_do_not_pool_are_compiled_while_gradients_are_taken(
    fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[bool] = []

    def compiled(forward: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            used.append(torch.is_grad_enabled())
            return forward(*arguments, **options)

        return run

    monkeypatch.setattr(torch, "compile", compiled)
    validation = {"again": data_module().tasks["reconstruction"]}
    _, module = fit(CompileLayers(), steps=2, data=data_module(validation=validation))
    encoder = layers_of(module.model.compressor.encoder.backbone)
    decoder = layers_of(module.model.decoder("decoder").model)
    pooling = sum(isinstance(layer, PooledBlock) for layer in encoder)
    assert pooling == 1
    assert len(used) == 2 * (len(encoder) - pooling + len(decoder))
    assert all(used)
    for layer in [*encoder, *decoder]:  # as they came
        assert layer.forward.__func__ is type(layer).forward


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_training_learns_the_same(fit: Fit) -> None:
    expected = weights(fit(steps=3)[1])
    found = weights(fit(CompileLayers(), steps=3)[1])
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=1e-4, msg=name)


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"reduce-overhead.*max-autotune-no-cudagraphs"):
        CompileLayers("reduce-overhead")
