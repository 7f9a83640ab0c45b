"""Loading a truncated backbone from a folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.encoder import PoolingEncoder
from arc_encoder.model.encoder.pooling import MeanPooling
from tests.tiny_models import random_contexts, tiny_language_model, tiny_tokenizer

FAMILIES = ["llama", "qwen2_window", "olmo3", "gemma2", "gemma3", "smollm3"]


def save(folder: Path, family: str = "llama", layers: int = 4) -> None:
    tiny_language_model(family, layers=layers).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_truncated_body_is_the_first_layers(family: str, tmp_path: Path) -> None:
    save(tmp_path, family)
    body, tokenizer = Backbone(str(tmp_path), truncate_layers=1).load()
    assert len(body.layers) == 3
    assert (
        tokenizer("ab", add_special_tokens=False)["input_ids"]
        == tiny_tokenizer()("ab", add_special_tokens=False)["input_ids"]
    )
    whole = tiny_language_model(family, layers=4)
    ids, lengths = random_contexts([14])
    states: list[Tensor] = []
    whole.model.layers[2].register_forward_hook(lambda _m, _i, out: states.append(out))
    whole(ids, use_cache=False)
    vectors, _ = PoolingEncoder(body, MeanPooling(1), causal=True)(ids, lengths)
    # Without windows (PoolingEncoder removes them) only the first tokens are the same; all of them see at most 5 tokens.
    torch.testing.assert_close(vectors[0, :5], states[0][0, :5], rtol=1e-4, atol=1e-4)


def test_weights_are_float32_whatever_the_folder_holds(tmp_path: Path) -> None:
    tiny_language_model().to(torch.bfloat16).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    body, _ = Backbone(str(tmp_path)).load()
    assert {parameter.dtype for parameter in body.parameters()} == {torch.float32}


def test_config_reads_no_weight(tmp_path: Path) -> None:
    save(tmp_path, "gemma3")
    (tmp_path / "model.safetensors").unlink()
    config = Backbone(str(tmp_path), truncate_layers=2).config()
    assert config.num_hidden_layers == 2
    assert config.layer_types == ["full_attention", "sliding_attention"]


@pytest.mark.parametrize("layers", [4, 5, -1])
def test_no_layer_would_remain(layers: int, tmp_path: Path) -> None:
    save(tmp_path)
    with pytest.raises(ConfigError, match=f"truncate_layers={layers} is not possible.*has 4 layers"):
        Backbone(str(tmp_path), truncate_layers=layers).load()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=re.escape(f"{str(tmp_path / 'nowhere')!r}: there is no such folder")):
        Backbone(str(tmp_path / "nowhere")).load()


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_part_of_the_folder_is_missing(name: str, tmp_path: Path) -> None:
    save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path))):
        Backbone(str(tmp_path)).load()


def test_damaged_weights(tmp_path: Path) -> None:
    save(tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path))):
        Backbone(str(tmp_path)).load()
