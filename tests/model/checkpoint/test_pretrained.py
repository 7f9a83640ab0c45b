"""The ARC-Encoder as a folder: saved, loaded, and the errors of folders that do not work."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.core.segments import TaskToken
from arc_encoder.model.arc_model import ArcForCausalLM
from arc_encoder.model.checkpoint.config import ArcEncoderConfig
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.model.encoder.pooling import FusionPooling, MeanPooling, MemoryTokens, Pooling
from tests.tiny_models import (
    ENCODER_FAMILIES,
    WIDTH,
    head_settings,
    random_contexts,
    tiny_body,
    tiny_compressor,
    tiny_decoder,
)

LENGTHS = [13, 1, 30, 8]


def vectors(compressor: ArcEncoderModel, decoder: str = "decoder") -> list[torch.Tensor]:
    ids, lengths = random_contexts(LENGTHS, padding=2)
    with torch.no_grad():
        return [part for task_token in TaskToken for part in compressor(ids, lengths, decoder, task_token)]


def assert_same(first: list[torch.Tensor], second: list[torch.Tensor]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("family", ENCODER_FAMILIES)
def test_saved_and_loaded_vectors_are_the_same_bits(family: str, causal: bool, tmp_path: Path) -> None:
    compressor = tiny_compressor(family, causal=causal, chunking=Chunking(20))
    compressor.save_pretrained(tmp_path)
    loaded = ArcEncoderModel.from_pretrained(tmp_path)
    assert not loaded.training
    assert loaded.encoder.causal is causal
    assert_same(vectors(loaded), vectors(compressor))


POOLINGS: list[Pooling] = [
    MeanPooling(4, [2, 1, 2]),
    FusionPooling(3, where="block"),
    MeanPooling(8, where="between"),
    MemoryTokens(5, used=3),
]


@pytest.mark.parametrize("pooling", POOLINGS, ids=["schedule", "block", "between", "memory"])
def test_pooling_comes_back(pooling: Pooling, tmp_path: Path) -> None:
    compressor = tiny_compressor(pooling=pooling)
    with torch.no_grad():
        for parameter in compressor.encoder.pooling.parameters():
            parameter.copy_(torch.randn_like(parameter))
    compressor.save_pretrained(tmp_path)
    loaded = ArcEncoderModel.from_pretrained(tmp_path)
    assert type(loaded.encoder.pooling) is type(pooling)
    assert loaded.encoder.pooling.settings() == pooling.settings()
    assert_same(vectors(loaded), vectors(compressor))


def test_auto_classes(tmp_path: Path) -> None:
    compressor = tiny_compressor()
    compressor.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), ArcEncoderConfig)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert isinstance(loaded, ArcEncoderModel)
    assert_same(vectors(loaded), vectors(compressor))


def test_saved_twice_is_saved_once(tmp_path: Path) -> None:
    compressor = tiny_compressor("gemma3", chunking=Chunking(20, 7))
    compressor.save_pretrained(tmp_path / "one")
    loaded = ArcEncoderModel.from_pretrained(tmp_path / "one")
    loaded.save_pretrained(tmp_path / "two")
    assert (loaded.chunking.size, loaded.chunking.max_chunks) == (20, 7)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_folder_holds_safetensors_and_nothing_of_a_decoder(tmp_path: Path) -> None:
    decoders = {"a": tiny_decoder(width=40, seed=1), "b": tiny_decoder("gpt2", seed=2)}
    model = ArcForCausalLM(tiny_compressor(widths={"a": 40, "b": WIDTH}), decoders)
    model.compressor.save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    saved = load_file(tmp_path / "model.safetensors")
    trained = dict(model.compressor.named_parameters())
    assert saved.keys() == trained.keys()
    for decoder in decoders.values():
        for parameter in decoder.parameters():
            if parameter.dim() > 1:
                assert not any(
                    tensor.shape == parameter.shape and torch.equal(tensor, parameter) for tensor in saved.values()
                )
    loaded = ArcEncoderModel.from_pretrained(tmp_path)
    for name in decoders:
        assert_same(vectors(loaded, name), vectors(model.compressor, name))
    assert loaded.head("a").projector.out_dim == 40


def test_without_task_tokens(tmp_path: Path) -> None:
    compressor = tiny_compressor(task_tokens=False)
    compressor.save_pretrained(tmp_path)
    loaded = ArcEncoderModel.from_pretrained(tmp_path)
    assert loaded.head("decoder").extra_vectors() == 0
    assert_same(vectors(loaded), vectors(compressor))


def test_loaded_in_another_dtype(tmp_path: Path) -> None:
    compressor = tiny_compressor()
    compressor.save_pretrained(tmp_path)
    half = ArcEncoderModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in half.parameters()} == {torch.bfloat16}
    for got, expected in zip(vectors(half)[::2], vectors(compressor)[::2], strict=True):
        assert got.dtype == torch.bfloat16
        assert (got[0].float() - expected[0]).norm() < 0.05 * expected[0].norm()


def edit_config(folder: Path, part: str, value: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    config[part] = value
    (folder / "config.json").write_text(json.dumps(config))


def test_unknown_pooling(tmp_path: Path) -> None:
    tiny_compressor().save_pretrained(tmp_path)
    edit_config(tmp_path, "pooling", {"name": "MyPooling", "settings": {}})
    for load in (ArcEncoderModel.from_pretrained, AutoModel.from_pretrained):
        with pytest.raises(CheckpointError, match=r"pooling 'MyPooling' is unknown.*import the module.*MeanPooling"):
            load(tmp_path)


def test_unknown_projector(tmp_path: Path) -> None:
    tiny_compressor().save_pretrained(tmp_path)
    edit_config(tmp_path, "heads", {"decoder": {"projector": {"name": "MyProjector", "settings": {}}}})
    with pytest.raises(CheckpointError, match=r"projector 'MyProjector' is unknown.*MLPProjector"):
        ArcEncoderModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "heads.decoder.task_tokens.continue",
        "heads.decoder.projector.layer1.weight",
        "encoder.backbone.layers.1.mlp.up_proj.weight",
    ],
)
def test_missing_weight_is_refused(name: str, tmp_path: Path) -> None:
    tiny_compressor().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights[name]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for load in (ArcEncoderModel.from_pretrained, AutoModel.from_pretrained):
        with pytest.raises(CheckpointError, match=f"{re.escape(str(tmp_path))}.*lacks weights: {re.escape(name)}"):
            load(tmp_path)


def test_loading_info_is_still_there(tmp_path: Path) -> None:
    compressor = tiny_compressor()
    compressor.save_pretrained(tmp_path)
    loaded, info = ArcEncoderModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert_same(vectors(loaded), vectors(compressor))


def test_build_starts_as_the_method_does() -> None:
    compressor = ArcEncoderModel.build(tiny_body(), MemoryTokens(3), {"decoder": head_settings(40)})
    head = compressor.head("decoder")
    for token in head.task_tokens.values():
        assert torch.equal(token, torch.ones(WIDTH))
    assert torch.equal(compressor.encoder.pooling.embeddings, torch.ones(3, WIDTH))
    assert 0.9 * WIDTH**-0.5 < head.projector.layer1.weight.abs().max() <= WIDTH**-0.5


def test_build_keeps_the_backbones_weights() -> None:
    body = tiny_body("gemma2")
    before = {name: tensor.clone() for name, tensor in body.state_dict().items() if not name.startswith("norm.")}
    compressor = ArcEncoderModel.build(body, MeanPooling(4), {"decoder": head_settings(40)})
    after = compressor.encoder.backbone.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_head_errors() -> None:
    with pytest.raises(ConfigError, match=rf"'decoder' expects width 48, but the encoder gives {WIDTH}"):
        ArcEncoderModel.build(tiny_body(), MeanPooling(4), {"decoder": head_settings(40, in_dim=48)})
    with pytest.raises(CheckpointError, match=r"'other'.*made for: a, b"):
        tiny_compressor(widths={"a": 8, "b": 8}).head("other")


@torch.no_grad()
@pytest.mark.parametrize("tokens", [1, 4, 5, 19, 20, 21, 40, 59])
@pytest.mark.parametrize(
    "pooling", [MeanPooling(4), MeanPooling(6, [3, 2]), MemoryTokens(3)], ids=["mean", "schedule", "memory"]
)
def test_compressed_length(pooling: Pooling, tokens: int) -> None:
    compressor = tiny_compressor(pooling=pooling, chunking=Chunking(20))
    ids, lengths = random_contexts([tokens])
    assert compressor.compressed_length(tokens) == int(compressor.encode(ids, lengths)[1])
    if isinstance(pooling, MeanPooling) and pooling.schedule is None:
        assert compressor.compressed_length(tokens, 8) == int(compressor.encode(ids, lengths, 8)[1])


def test_activation_checkpointing_of_the_whole_model() -> None:
    ids, lengths = random_contexts(LENGTHS)
    gradients = []
    for checkpointing in (False, True):
        compressor = tiny_compressor(pooling=MeanPooling(4, [2, 2])).train()
        if checkpointing:
            compressor.gradient_checkpointing_enable()
            assert all(layer.gradient_checkpointing for layer in compressor.encoder.backbone.layers)
        compressor(ids, lengths, "decoder")[0].square().sum().backward()
        gradients.append({name: p.grad for name, p in compressor.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


def test_the_folder_can_be_given_away(tmp_path: Path) -> None:
    """No path of this machine, and files that others may read."""
    model = tiny_compressor("llama")
    model.save_pretrained(tmp_path)
    assert "_name_or_path" not in json.loads((tmp_path / "config.json").read_text())["backbone"]
    (tmp_path / "plain").touch()
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_attention_implementation_reaches_the_backbone(tmp_path: Path) -> None:
    tiny_compressor("llama").save_pretrained(tmp_path)
    loaded = ArcEncoderModel.from_pretrained(tmp_path, attn_implementation="eager")
    assert loaded.encoder.backbone.config._attn_implementation == "eager"
