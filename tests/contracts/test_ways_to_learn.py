"""What every start and every growth must do; new ones are found by their base classes."""

from __future__ import annotations

import json

import pytest
import torch

from arc_encoder.data.schedule.growth import FactorGrowth
from arc_encoder.model.heads.starts import SharedVocabulary, Start
from tests.tiny_models import WIDTH, tiny_body, tiny_decoder, tiny_tokenizer

STARTS = [kind for _, kind in sorted(Start.registry.items()) if kind.__module__.startswith("arc_encoder.")]
GROWTHS = sorted(
    (kind for kind in FactorGrowth.__subclasses__() if kind.__module__.startswith("arc_encoder.")),
    key=lambda kind: kind.__name__,
)


def test_the_search_finds_them() -> None:
    assert STARTS
    assert len(GROWTHS) > 1


@pytest.mark.parametrize("kind", STARTS)
def test_a_start_is_fitted_saved_and_trained(kind: type[Start]) -> None:
    torch.manual_seed(0)
    body, decoder = tiny_body(), tiny_decoder(width=48, seed=7)
    embeddings, tokenizer = body.get_input_embeddings(), tiny_tokenizer()
    start = kind(WIDTH, 48, vocabulary=embeddings.weight.shape[0])
    start.fit(
        SharedVocabulary((embeddings, tokenizer), (decoder.model.get_input_embeddings(), decoder.tokenizer), "decoder")
    )
    assert all(parameter.isfinite().all() for parameter in start.parameters())
    ids = torch.arange(21).view(3, 7)
    begun = start(start.embed(ids, embeddings))
    assert begun.shape == (3, 7, 48)
    begun.square().sum().backward()
    assert all(parameter.grad is not None for parameter in start.parameters())
    settings = json.loads(json.dumps(start.settings()))
    again = Start.from_settings(kind.__name__, settings)
    again.load_state_dict(start.state_dict())
    assert torch.equal(again(again.embed(ids, embeddings)), begun)


@pytest.mark.parametrize("kind", STARTS)
def test_where_both_models_are_one_a_start_is_the_mean_itself(kind: type[Start]) -> None:
    decoder = tiny_decoder()
    embeddings = decoder.model.get_input_embeddings()
    start = kind(decoder.width, decoder.width, vocabulary=embeddings.weight.shape[0])
    start.fit(SharedVocabulary(*[(embeddings, decoder.tokenizer)] * 2, "decoder"))
    ids = torch.tensor([decoder.tokenizer("some ordinary text")["input_ids"]])
    torch.testing.assert_close(start(start.embed(ids, embeddings)), embeddings(ids), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", GROWTHS)
@pytest.mark.parametrize("goal", [1.0, 2.0, 8.0, 32.0])
def test_a_growth_rises_to_its_goal_and_stays_there(kind: type[FactorGrowth], goal: float) -> None:
    growth = kind()
    growth.check([goal])
    factors = [growth.factor(goal, step=step, steps=100) for step in range(100)]
    assert factors == sorted(factors)
    assert all(1.0 <= factor <= goal for factor in factors)
    assert factors[-1] == goal
    if growth.grows:
        assert factors[0] == 1.0
    assert factors == [kind().factor(goal, step=step, steps=100) for step in range(100)]
