"""Rotary scaling: switched off where a model is loaded, remembered, and warned about."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from arc_encoder.inference import Compressor
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.assembly.build import build_arc_model
from arc_encoder.model.decoder.load import load_decoder
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.pooling import MeanPooling
from arc_encoder.model.heads.projectors import LinearProjector
from arc_encoder.model.language_models.rotary_scaling import has_rotary_scaling
from tests.tiny_models import tiny_compressor, tiny_tokenizer

SCALED = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip


@pytest.fixture
def scaled(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=256, rope_parameters=dict(SCALED),
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "scaled")
    tiny_tokenizer().save_pretrained(tmp_path / "scaled")
    return tmp_path / "scaled"


def test_it_is_switched_off_and_changes_the_numbers(scaled: Path) -> None:
    on, off = load_decoder(scaled), load_decoder(scaled, rope_scaling=False)
    assert has_rotary_scaling(on.model.config)
    assert not has_rotary_scaling(off.model.config)
    assert off.model.config.rope_parameters == {"rope_type": "default", "rope_theta": 500000.0}
    ids = torch.arange(60)[None]
    assert not torch.allclose(on.model(ids).logits, off.model(ids).logits, atol=1e-4)
    config = Backbone(str(scaled), rope_scaling=False).config()
    assert not has_rotary_scaling(config)
    assert has_rotary_scaling(Backbone(str(scaled)).config())


@pytest.mark.parametrize("rope_scaling", [True, False])
def test_a_compressor_remembers_what_its_decoders_did(scaled: Path, rope_scaling: bool, tmp_path: Path) -> None:
    decoder = load_decoder(scaled, rope_scaling=rope_scaling)
    model, tokenizer = build_arc_model(Backbone(str(scaled)), MeanPooling(4), LinearProjector, {"one": decoder})
    assert model.compressor.config.rotary_scaling is rope_scaling
    Compressor(model.compressor, tokenizer).save_pretrained(tmp_path / "saved")
    loaded = Compressor.from_pretrained(tmp_path / "saved", decoder=scaled)
    assert loaded.decoder is not None
    assert has_rotary_scaling(loaded.decoder.model.config) is rope_scaling


def test_a_decoder_that_scales_is_warned_about(scaled: Path) -> None:
    compressor = tiny_compressor(widths={"one": 32})
    compressor.config.rotary_scaling = False
    with pytest.warns(UserWarning, match=r"switch it off with decoders.one.rope_scaling=false"):
        ArcForCausalLM(compressor, {"one": load_decoder(scaled)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ArcForCausalLM(compressor, {"one": load_decoder(scaled, rope_scaling=False)})
