"""Which parts of the encoder are trained: layers by number, embeddings, and what belongs to neither."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.encoder.pooling import MemoryTokens
from arc_encoder.training.module import ArcLightningModule
from arc_encoder.training.optim.optimizer import make_optimizer
from arc_encoder.training.optim.trainable import layer_numbers
from tests.tiny_models import tiny_arc_model
from tests.training.conftest import Fit, settings

LAYERS = 12  # two digits, so that layer 1 could be mistaken for 10 and 11


def trained(model: ArcForCausalLM) -> set[str]:
    """Names of what is trained, without the heads: a layer's number, or the whole name."""
    found = set()
    for name, parameter in model.compressor.encoder.named_parameters():
        layer = re.match(r"backbone\.layers\.(\d+)\.", name)
        if parameter.requires_grad:
            found.add(layer[1] if layer else name)
    return found


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [
        (None, {*map(str, range(LAYERS))}),
        ([1], {"1"}),
        ([0, -1], {"0", "11"}),
        ([-12, 0, 2], {"0", "2"}),
        ([], set()),
    ],
)
def test_layers_are_chosen_by_their_numbers(chosen: list[int] | None, numbers: set[str]) -> None:
    module = ArcLightningModule(tiny_arc_model(layers=LAYERS), settings(train_layers=chosen))
    assert trained(module.model) == {*numbers, "backbone.embed_tokens.weight"}
    module = ArcLightningModule(tiny_arc_model(layers=LAYERS), settings(train_layers=chosen, train_embeddings=False))
    assert trained(module.model) == numbers
    assert all(p.requires_grad for p in module.model.compressor.heads.parameters())


def test_memory_tokens_are_trained_with_the_encoder() -> None:
    model = tiny_arc_model(pooling=MemoryTokens(4))
    chosen = settings(train_layers=[], train_embeddings=False)
    assert trained(ArcLightningModule(model, chosen).model) == {"pooling.embeddings"}
    assert trained(ArcLightningModule(model, settings(train_encoder=False)).model) == set()


def test_what_is_not_chosen_stays_and_has_no_gradient(fit: Fit) -> None:
    start = {name: value.clone() for name, value in tiny_arc_model().compressor.state_dict().items()}
    gradients: set[str] = set()

    class Gradients(Callback):
        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            parameters = pl_module.model.compressor.named_parameters()
            gradients.update(name for name, p in parameters if p.grad is not None)

    _, module = fit(Gradients(), optim=settings(train_layers=[-1], train_embeddings=False))
    compressor = module.model.compressor
    moved = {name for name, value in compressor.state_dict().items() if not torch.equal(value, start[name])}
    expected = {name for name in start if name.startswith(("encoder.backbone.layers.2.", "heads."))}
    assert moved == gradients == expected - {"heads.decoder.task_tokens.continue"}  # no task of the data uses it
    held = make_optimizer(compressor, settings(), 3)["optimizer"].param_groups
    assert {id(p) for group in held for p in group["params"]} == {
        id(p) for name, p in compressor.named_parameters() if name in expected
    }


@pytest.mark.parametrize("wrong", [3, -4])
def test_a_layer_that_is_not_there_is_named_with_those_that_are(wrong: int) -> None:
    with pytest.raises(ConfigError, match=rf"no layer {wrong}; it has 3, with the numbers 0 to 2, or -3 to -1"):
        ArcLightningModule(tiny_arc_model(), settings(train_layers=[0, wrong]))
    assert layer_numbers([0, -3, 2], 3) == {0, 2}


def test_layers_of_a_frozen_encoder_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"train_layers=\[0\] has no effect without train_encoder"):
        settings(train_layers=[0], train_encoder=False)
