"""Models in Meta's, Mistral's and OLMo-1's own layouts compute what the same Hugging Face model computes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, OlmoConfig, PreTrainedModel

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.decoder.load import load_decoder
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.language_models.layouts.language_model import is_foreign_folder, load_language_model
from arc_encoder.model.language_models.layouts.names import rotated, to_meta
from arc_encoder.model.language_models.layouts.rotary import interleaved
from arc_encoder.model.language_models.layouts.tokenizer import load_tokenizer

SIZES: dict[str, Any] = dict(
    vocab_size=260, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
    bos_token_id=None, eos_token_id=None, pad_token_id=None, tie_word_embeddings=False,
)  # fmt: skip
CONFIGS = {
    "llama": LlamaConfig(num_key_value_heads=2, **{**SIZES, "intermediate_size": 64}),
    "mistral": MistralConfig(num_key_value_heads=2, head_dim=10, sliding_window=None, **SIZES),
    "olmo": OlmoConfig(num_key_value_heads=4, clip_qkv=None, **SIZES),
}
PARAMS: dict[str, dict[str, Any]] = {
    "llama": {"multiple_of": 64, "n_kv_heads": 2, "norm_eps": 1e-6},
    "mistral": {"hidden_dim": 40, "head_dim": 10, "n_kv_heads": 2, "norm_eps": 1e-6, "rope_theta": 10000.0},
    "olmo": {},
}


def foreign(folder: Path, family: str) -> PreTrainedModel:
    """A random model, written in its authors' layout; returns the Hugging Face model."""
    torch.manual_seed(0)
    config = CONFIGS[family]
    model = AutoModelForCausalLM.from_config(config).eval()
    tensors = {}
    for name, value in model.state_dict().items():
        body = name.removeprefix("model.")
        if family == "olmo":
            continue
        role = rotated(body)
        if role is not None:
            value = interleaved(value, config.num_attention_heads if role == "query" else config.num_key_value_heads)
        tensors["output.weight" if name == "lm_head.weight" else to_meta(body)] = value.contiguous()
    if family == "olmo":
        tensors = olmo_tensors(model)
    folder.mkdir()
    save_file(tensors, folder / "consolidated.safetensors")
    params = {"dim": 24, "n_layers": 3, "n_heads": 4, "vocab_size": 260, **PARAMS[family]}
    (folder / "params.json").write_text(json.dumps(params))
    ranks = "".join(f"{base64.b64encode(bytes([i])).decode()} {i}\n" for i in range(256))
    (folder / "tokenizer.model").write_text(ranks)
    return model


def olmo_tensors(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    state, start = model.state_dict(), "model.transformer."
    tensors = {
        f"{start}wte.weight": state["model.embed_tokens.weight"],
        f"{start}ff_out.weight": state["lm_head.weight"],
    }
    for i in range(3):
        layer, block = f"model.layers.{i}.", f"{start}blocks.{i}."
        parts = [state[f"{layer}self_attn.{part}_proj.weight"] for part in "qkv"]
        tensors[f"{block}att_proj.weight"] = torch.cat(parts)
        tensors[f"{block}attn_out.weight"] = state[f"{layer}self_attn.o_proj.weight"]
        tensors[f"{block}ff_proj.weight"] = torch.cat(
            [state[f"{layer}mlp.{part}_proj.weight"] for part in ("up", "gate")]
        )
        tensors[f"{block}ff_out.weight"] = state[f"{layer}mlp.down_proj.weight"]
    return {name: value.clone() for name, value in tensors.items()}


@pytest.mark.parametrize("family", CONFIGS)
def test_logits_are_those_of_the_hugging_face_model(family: str, tmp_path: Path) -> None:
    model = foreign(tmp_path / "model", family)
    assert is_foreign_folder(tmp_path / "model")
    loaded = load_language_model(tmp_path / "model")
    assert loaded.config.model_type == family
    ids = torch.arange(14).view(2, 7)
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("family", CONFIGS)
def test_as_decoder_by_its_folder(family: str, tmp_path: Path) -> None:
    foreign(tmp_path / "model", family)
    decoder = load_decoder(tmp_path / "model", dtype="bfloat16")
    assert {parameter.dtype for parameter in decoder.model.parameters()} == {torch.bfloat16}
    assert decoder.prefix_ids == [256]
    assert decoder.token_ids("Aé") == [65, 195, 169]
    assert decoder.tokenizer.eos_token_id == 257


def test_as_backbone_by_its_folder(tmp_path: Path) -> None:
    model = foreign(tmp_path / "model", "llama")
    body, tokenizer = Backbone(str(tmp_path / "model"), truncate_layers=1).load()
    assert body.config.num_hidden_layers == len(body.layers) == 2
    assert tokenizer.bos_token_id == 256
    expected = model.state_dict()
    for name, value in body.state_dict().items():
        assert torch.equal(value, expected[f"model.{name}"])


def test_misfits_are_all_named(tmp_path: Path) -> None:
    foreign(tmp_path / "model", "llama")
    file = tmp_path / "model" / "consolidated.safetensors"
    tensors = load_file(file)
    del tensors["layers.1.attention.wo.weight"], tensors["norm.weight"]
    tensors["layers.2.ffn_norm.weight"] = torch.ones(3)
    save_file(tensors, file)
    with pytest.raises(CheckpointError) as error:
        load_language_model(tmp_path / "model")
    for part in (
        "missing model.layers.1.self_attn.o_proj.weight",
        "missing model.norm.weight",
        "model.layers.2.post_attention_layernorm.weight: saved (3,), expected (24,)",
    ):
        assert part in str(error.value)
    tensors["layers.0.attention.bias.weight"] = torch.ones(3)
    save_file(tensors, file)
    with pytest.raises(CheckpointError, match=r"'layers.0.attention.bias.weight' is no parameter of Meta's layout"):
        load_language_model(tmp_path / "model")


def test_tokenizers_that_do_not_belong(tmp_path: Path) -> None:
    foreign(tmp_path / "model", "llama")
    assert len(load_tokenizer(tmp_path / "model", vocabulary=258)) == 258
    with pytest.raises(CheckpointError, match="has 258 tokens, but the model only 100: they do not belong together"):
        load_tokenizer(tmp_path / "model", vocabulary=100)
    (tmp_path / "model" / "tokenizer.model").write_bytes(b"\x00\x01 no ranks")
    with pytest.raises(CheckpointError, match="no tokenizer could be loaded"):
        load_tokenizer(tmp_path / "model")
