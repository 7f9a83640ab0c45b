"""A cache with room says what Transformers' own says, and copies nothing while there is room."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from arc_encoder.model.decoder.generation.roomy_cache import RoomyLayer, roomy_cache, with_room
from tests.tiny_models import tiny_language_model


def states(length: int, seed: int, rows: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 3, length, 4, generator=draw), torch.randn(rows, 3, length, 4, generator=draw)


@pytest.mark.parametrize("room", [0, 1, 8])
def test_it_holds_what_a_plain_layer_holds(room: int) -> None:
    plain, roomy = DynamicLayer(), RoomyLayer(room)
    for seed, length in enumerate((5, 1, 1, 2, 1, 1, 1)):
        expected, found = plain.update(*states(length, seed)), roomy.update(*states(length, seed))
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1], expected[1])
        assert roomy.get_seq_length() == plain.get_seq_length()
        if seed == 2:
            for layer in (plain, roomy):
                layer.batch_select_indices(torch.tensor([1]))
            states_of_one = states(1, 9, rows=1)
            assert torch.equal(plain.update(*states_of_one)[0], roomy.update(*states_of_one)[0])
            for layer in (plain, roomy):
                layer.batch_repeat_interleave(2)
        if seed == 4:
            for layer in (plain, roomy):
                layer.crop(-2)


def test_while_there_is_room_nothing_is_copied() -> None:
    layer = RoomyLayer(4)
    first = layer.update(*states(5, 0))[0]
    places = {layer.update(*states(1, seed))[0].data_ptr() for seed in range(4)}
    assert places == {first.data_ptr()}
    assert layer.update(*states(1, 9))[0].data_ptr() != first.data_ptr()


def test_rows_that_were_chosen_do_not_write_into_the_others() -> None:
    layer = RoomyLayer(8)
    keys = layer.update(*states(5, 0))[0]
    layer.keys, layer.values = layer.keys[:1], layer.values[:1]  # a view of the same tensor
    before = keys.clone()
    layer.update(*states(1, 3, rows=1))
    assert torch.equal(keys, before)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_a_model_says_the_same(family: str) -> None:
    model = tiny_language_model(family)
    ids = torch.randint(0, 50, (3, 9), generator=torch.Generator().manual_seed(1))
    options = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    expected = model.generate(ids, **options)
    cache = roomy_cache(model.config, 6)
    assert cache is not None
    assert torch.equal(model.generate(ids, past_key_values=cache, **options), expected)
    assert all(type(layer) is RoomyLayer for layer in cache.layers)


def test_what_was_read_gets_room() -> None:
    model = tiny_language_model()
    ids = torch.arange(12)[None]
    with torch.no_grad():
        read = model(ids[:, :8], use_cache=True).past_key_values
        cache = with_room(read, 8)
        found = model(ids[:, 8:], past_key_values=cache).logits
        expected = model(ids).logits[:, 8:]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert all(type(layer) is RoomyLayer for layer in cache.layers)


def test_a_decoder_that_forgets_keeps_its_own_cache() -> None:
    model = tiny_language_model()
    model.config.layer_types = ["sliding_attention"] * model.config.num_hidden_layers
    model.config.sliding_window = 4
    assert roomy_cache(model.config, 8) is None
    own = DynamicCache(config=model.config)
    assert [type(layer) for layer in with_room(own, 8).layers] == [type(layer) for layer in own.layers]
