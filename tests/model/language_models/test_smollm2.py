"""The real model, where it was fetched: it knows a capital, and its chat template is one that the project can use."""

from __future__ import annotations

import pytest
import torch
from hydra.utils import instantiate

from arc_encoder.data.batching.chat import read_template
from arc_encoder.model.language_models.downloads.places import is_complete, model_folder
from tests.tiny_runs import composed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not is_complete(model_folder("smollm2_135m")), reason="needs SmolLM2: arc-models get smollm2_135m fetches it"
    ),
]


def test_it_knows_the_capital_of_france() -> None:
    config = composed(["decoder=smollm2_135m", "paths.run=."])
    decoder = instantiate(config.decoders.smollm2_135m)
    ids = torch.tensor([decoder.prefix_ids + decoder.token_ids("The capital of France is")])
    said = decoder.generate(decoder.embed(ids), torch.ones_like(ids).bool(), max_new_tokens=3)
    assert decoder.tokenizer.decode(said[0]).startswith(" Paris")
    assert decoder.tokenizer.tokenize("  123") == ["ĠĠ", "1", "2", "3"]


def test_it_answers_as_a_chat_model() -> None:
    config = composed(["decoder=smollm2_135m_instruct", "paths.run=."])
    decoder = instantiate(config.decoders.smollm2_135m_instruct)
    template = read_template(decoder.tokenizer, bos=decoder.bos)
    assert template.opening[0].text == "<|im_start|>"
    assert template.end_of_turn == "<|im_end|>"


def test_the_encoder_is_its_first_six_layers() -> None:
    backbone = instantiate(composed(["model/encoder=smollm2_135m", "paths.run=."]).model.encoder)
    model, _ = backbone.load()
    assert sum(weight.numel() for weight in model.parameters()) == 49_552_704
    assert len(model.layers) == 6
