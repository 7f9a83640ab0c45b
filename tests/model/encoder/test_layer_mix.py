"""A learned mixture of the layers in front of pooling: it begins as the plain encoder, and every layer can be chosen."""

from __future__ import annotations

import pytest
import torch

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.encoder import PoolingEncoder
from arc_encoder.model.encoder.pooling import MeanPooling
from arc_encoder.model.language_models.activation_checkpointing import checkpoint_layers
from tests.tiny_models import head_settings, random_contexts, tiny_body


def encoder(*, layers: int = 3, mix: bool = True, pooling: MeanPooling | None = None) -> PoolingEncoder:
    return PoolingEncoder(tiny_body(layers=layers), pooling or MeanPooling(3), layer_mix=mix)


@torch.no_grad()
@pytest.mark.parametrize("schedule", [None, [2, 2]])
def test_it_begins_as_the_plain_encoder(schedule: list[int] | None) -> None:
    ids, lengths = random_contexts([9, 5])
    pooling = [MeanPooling(4, schedule) for _ in range(2)]
    mixed, plain = encoder(pooling=pooling[0]), encoder(mix=False, pooling=pooling[1])
    torch.testing.assert_close(mixed(ids, lengths)[0], plain(ids, lengths)[0], rtol=0, atol=0)


@torch.no_grad()
def test_a_single_layer_can_be_chosen() -> None:
    """With its weight alone, the pooling block reads what an encoder without the layers after it would give it."""
    ids, lengths = random_contexts([9, 5])
    mixed = encoder(layers=3)
    assert mixed.mix is not None
    assert mixed.mix.weights.tolist() == [0, 0, 1]
    mixed.mix.weights.copy_(torch.tensor([0.0, 1.0, 0.0]))
    short = tiny_body(layers=3)
    del short.layers[1]
    expected = PoolingEncoder(short, MeanPooling(3))(ids, lengths)[0]
    torch.testing.assert_close(mixed(ids, lengths)[0], expected)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_gradients_reach_every_weight_after_several_passes(checkpointed: bool) -> None:
    """Two passes before one backward pass, as contexts in groups of similar length make them."""
    ids, lengths = random_contexts([9, 5])
    found = []
    for again in (False, checkpointed):
        mixed = encoder().train()
        assert mixed.mix is not None
        if again:
            checkpoint_layers(mixed.backbone)
        total = sum(mixed(ids[i : i + 1, :n], lengths[i : i + 1])[0].square().sum() for i, n in enumerate([9, 5]))
        torch.as_tensor(total).backward()
        assert mixed.mix.weights.grad is not None
        found.append(mixed.mix.weights.grad)
    assert (found[0] != 0).all()
    torch.testing.assert_close(found[1], found[0])


def test_a_saved_one_comes_back(tmp_path: object) -> None:
    model = ArcEncoderModel.build(tiny_body(), MeanPooling(3), {"decoder": head_settings(32)}, layer_mix=True).eval()
    assert model.encoder.mix is not None
    torch.nn.init.normal_(model.encoder.mix.weights)
    model.save_pretrained(tmp_path)
    loaded = ArcEncoderModel.from_pretrained(tmp_path).eval()
    ids, lengths = random_contexts([9, 5])
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids, lengths, "decoder")[0], model(ids, lengths, "decoder")[0])


def test_an_encoder_without_a_layer_before_pooling_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"layer_mix needs a layer before"):
        encoder(layers=1)
