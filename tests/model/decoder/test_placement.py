"""Decoders with a device of their own, and decoders that rest in main memory between their turns.

There is no second device to compute on here; weights are moved to `meta`, which shows who is moved and when.
"""

from __future__ import annotations

import copy

import pytest
import torch

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.decoder.load import FrozenDecoder
from arc_encoder.model.decoder.placement import Placement
from tests.tiny_models import make_batch, numbers, tiny_compressor, tiny_language_model, tiny_tokenizer

META = torch.device("meta")
CPU = torch.device("cpu")
BATCH = make_batch([[("plain", [1]), ("context", list(numbers(9))), ("target", list(numbers(4)))]])


def decoder(**options: object) -> FrozenDecoder:
    return FrozenDecoder(copy.deepcopy(tiny_language_model("llama")), tiny_tokenizer(), **options)  # type: ignore[arg-type]


def places(made: FrozenDecoder) -> set[str]:
    return {tensor.device.type for tensor in [*made.model.parameters(), *made.model.buffers()]}


def test_whoever_moves_the_model_does_not_move_a_placed_decoder() -> None:
    for options, expected in (({}, "meta"), ({"device": "cpu"}, "cpu"), ({"offload": True}, "cpu")):
        made = decoder(**options)
        ArcForCausalLM(None, {"decoder": made}).to(META)
        assert places(made) == {expected}, options


def test_resting_weights_come_for_their_turn_and_go_back_as_they_were() -> None:
    made = decoder(offload=True)
    before = made.fingerprint()
    storage = {weight.data_ptr() for weight in made.model.parameters()}
    made.placement.onload(META)
    assert places(made) == {"meta"}
    made.placement.onload(META)  # nothing to do
    made.placement.release()
    assert places(made) == {"cpu"}
    assert {weight.data_ptr() for weight in made.model.parameters()} == storage  # nothing was copied back
    assert made.fingerprint() == before


def test_only_the_decoder_whose_turn_it_is_leaves_main_memory() -> None:
    decoders = {name: decoder(offload=True) for name in ("first", "second")}
    model = ArcForCausalLM(None, decoders)
    model.onload("first", META)
    assert [places(each) for each in decoders.values()] == [{"meta"}, {"cpu"}]
    model.onload("second", META)
    assert [places(each) for each in decoders.values()] == [{"cpu"}, {"meta"}]


def test_a_device_of_its_own_wins_over_the_encoder_s() -> None:
    made = decoder(device="cpu")
    ArcForCausalLM(None, {"decoder": made}).onload("decoder", META)
    assert places(made) == {"cpu"}


@pytest.mark.parametrize("options", [{"device": "cpu"}, {"offload": True}])
def test_loss_gradients_and_text_are_those_of_a_decoder_that_is_not_placed(options: dict[str, object]) -> None:
    found = []
    for chosen in ({}, options):
        compressor = tiny_compressor()
        model = ArcForCausalLM(compressor, {"decoder": decoder(**chosen)})
        output = model(BATCH)
        output.loss.backward()
        gradients = [p.grad for p in compressor.parameters() if p.grad is not None]
        found.append((output.loss, gradients, model.generate(BATCH, max_new_tokens=4), list(model.state_dict())))
    (loss, gradients, text, names), (other_loss, other_gradients, other_text, other_names) = found
    assert torch.equal(loss, other_loss)
    assert text == other_text
    assert names == other_names
    assert len(gradients) == len(other_gradients) > 0
    assert all(torch.equal(a, b) for a, b in zip(gradients, other_gradients, strict=True))


def test_unknown_devices() -> None:
    model = tiny_language_model("llama")
    with pytest.raises(ConfigError, match="'gpu7' is unknown"):
        Placement(model, "gpu7")
    with pytest.raises(ConfigError, match=r"'cuda:99' is not here: this machine has \d+ GPUs"):
        Placement(model, "cuda:99")
