"""Distillation: sums over targets, from the same frozen decoder that reads the text."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from arc_encoder.core.batch import ArcBatch
from arc_encoder.core.errors import ConfigError, DataError
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.training.objectives import CrossEntropy, Distillation
from tests.tiny_models import make_batch, numbers, tiny_arc_model

Parts = list[tuple[str, list[int]]]


def samples() -> list[Parts]:
    return [
        [("plain", [1]), ("context", list(numbers(9, 2))), ("target", list(numbers(3, 3)))],
        [("plain", [1, 7]), ("context", list(numbers(5, 4))), ("plain", [8]), ("target", list(numbers(6, 5)))],
    ]


def batch() -> ArcBatch:
    """Two samples, and what the decoder reads without compression."""
    text = [[("plain" if role == "context" else role, ids) for role, ids in sample] for sample in samples()]
    return replace(make_batch(samples()), reference=make_batch(text))


@torch.no_grad()
def said(model: ArcForCausalLM, given: ArcBatch) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Log-probabilities and hidden states at the targets, from the whole decoder run row by row."""
    decoder, logits, states = model.decoder("decoder"), [], []
    embeddings, layout = model.merge(given)
    for row, length in enumerate(layout.mask.sum(1).tolist()):
        output = decoder.model(inputs_embeds=embeddings[row : row + 1, :length], output_hidden_states=True)
        targets = int(given.target_mask[row].sum())  # they come last
        logits.append(output.logits[0, length - targets - 1 : length - 1])
        states.append(torch.stack([h[0, length - targets - 1 : length - 1] for h in output.hidden_states[1:]]))
    return torch.cat(logits), list(torch.cat(states, dim=1))


def test_the_terms_are_those_computed_by_hand() -> None:
    model, given = tiny_arc_model(), batch()
    assert given.reference is not None
    (mine, my_states), (theirs, their_states) = said(model, given), said(model, given.reference)
    p, q = (mine / 2).log_softmax(-1), (theirs / 2).log_softmax(-1)
    divergence = 4 * (q.exp() * (q - p)).sum()
    pairs = list(zip(my_states, their_states, strict=True))
    distance = sum(((a - b).norm(dim=-1) ** 2 / b.norm(dim=-1) ** 2).sum() for a, b in pairs) / len(pairs)
    found = Distillation(cross_entropy=0.5, divergence=2.0, hidden=3.0, temperature=2.0)(model, given)
    torch.testing.assert_close(found.terms["divergence"], divergence, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.terms["hidden"], torch.as_tensor(distance), rtol=1e-4, atol=1e-4)
    expected = 0.5 * found.output.loss_sum + 2 * divergence + 3 * distance
    torch.testing.assert_close(found.minimised, expected, rtol=1e-4, atol=1e-4)
    plain = CrossEntropy()(model, given)
    torch.testing.assert_close(found.output.loss_sum, plain.minimised)


def test_nothing_is_left_to_distil_where_the_decoder_reads_the_same() -> None:
    model = tiny_arc_model()
    text = make_batch([[("plain", [1, 5]), ("target", list(numbers(3, 3)))]])
    found = Distillation(hidden=1.0)(model, replace(text, reference=text))
    assert float(found.terms["divergence"]) == pytest.approx(0, abs=1e-5)
    assert float(found.terms["hidden"]) == pytest.approx(0, abs=1e-8)


def test_gradients_reach_the_encoder_and_none_of_the_decoder() -> None:
    model = tiny_arc_model()
    for decoder in model.frozen_decoders().values():
        decoder.requires_grad_(False)
    Distillation(cross_entropy=0.0, divergence=1.0, hidden=1.0)(model, batch()).minimised.backward()
    assert all(p.grad is not None for p in model.compressor.head("decoder").projector.parameters())
    assert all(p.grad is None for p in model.decoder("decoder").parameters())


def test_a_batch_without_reference_is_refused() -> None:
    with pytest.raises(DataError, match=r"task 'test' gives no text.*objective=cross_entropy"):
        Distillation()(tiny_arc_model(), make_batch(samples()))


@pytest.mark.parametrize(
    "wrong", [{"divergence": 0.0}, {"hidden": -1.0}, {"temperature": 0.0}, {"cross_entropy": -1.0}]
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Distillation(**wrong)
