"""Activations computed again: the same gradients, less memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from arc_encoder.core.errors import ConfigError
from arc_encoder.model.language_models.activation_checkpointing import checkpoint_layers, layers_of
from tests.tiny_models import DECODER_FAMILIES, make_batch, numbers, tiny_arc_model, tiny_decoder, tiny_language_model

BATCH = [
    [("plain", [1]), ("context", list(numbers(13))), ("target", list(numbers(5, 1)))],
    [("context", list(numbers(6, 2))), ("plain", [7, 8]), ("target", list(numbers(9, 3)))],
]


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3", "smollm3"])
def test_encoders_and_their_pooled_block_get_the_same_gradients(family: str) -> None:
    plain = tiny_arc_model(family)
    again = copy.deepcopy(plain)
    again.checkpoint_activations()
    losses = []
    for model in (plain, again):
        output = model.train()(make_batch(BATCH))
        output.loss.backward()
        losses.append(output.loss.detach())
    assert torch.equal(*losses)
    for (name, one), other in zip(plain.compressor.named_parameters(), again.compressor.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        assert one.grad is None or torch.equal(one.grad, other.grad), name


@pytest.mark.parametrize("family", sorted(DECODER_FAMILIES))
def test_a_frozen_decoder_gives_its_input_the_same_gradient(family: str) -> None:
    decoder = tiny_decoder(family)
    ids = torch.tensor([list(numbers(12))])
    mask = torch.ones(1, 12, dtype=torch.bool)
    gradients = []
    for recompute in (False, True):
        if recompute:
            checkpoint_layers(decoder.model)
        vectors = decoder.embed(ids).detach().requires_grad_()
        decoder.logits(vectors, mask, mask).square().sum().backward()
        gradients.append(vectors.grad)
    assert torch.equal(*gradients)
    assert not decoder.model.training


def test_layers_run_twice_only_when_gradients_are_wanted() -> None:
    model = tiny_language_model()
    calls = []
    layers_of(model)[0].self_attn.register_forward_hook(lambda *_: calls.append(1))
    checkpoint_layers(model)
    embeddings = torch.randn(1, 5, model.config.hidden_size, requires_grad=True)
    with torch.no_grad():
        model(inputs_embeds=embeddings)
    assert len(calls) == 1
    model(inputs_embeds=embeddings, use_cache=False).logits.sum().backward()
    assert len(calls) == 3


def test_less_is_kept_for_the_backward_pass() -> None:
    kept = []
    for recompute in (False, True):
        model = tiny_arc_model()
        if recompute:
            model.checkpoint_activations()
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, s=sizes: s.append(t.numel()) or t, lambda t: t):
            model(make_batch(BATCH)).loss.backward()
        kept.append(sum(sizes))
    # what is kept in the forward pass of the second, and all that its layers keep one after the other
    assert kept[1] < 2.2 * kept[0]
    model = tiny_arc_model()
    model.checkpoint_activations()
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        model(make_batch(BATCH))
    assert sum(sizes) < 0.6 * kept[0]


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(ConfigError, match="Linear has no list of layers"):
        checkpoint_layers(nn.Linear(2, 2))
