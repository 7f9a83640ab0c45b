"""Building an ArcForCausalLM from its parts, and starting from trained weights."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.assembly.build import build_arc_model, load_compressor_weights
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.released.export import export_checkpoint
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.chunking import Chunking
from arc_encoder.model.encoder.pooling import LastPooling, MeanPooling, MemoryTokens
from arc_encoder.model.heads.projectors import MLPProjector
from tests.tiny_models import (
    WIDTH,
    head_settings,
    make_batch,
    numbers,
    random_contexts,
    tiny_body,
    tiny_compressor,
    tiny_decoder,
    tiny_language_model,
    tiny_tokenizer,
)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Heads for decoders a (width 40) and b."""
    tiny_compressor(widths={"a": 40, "b": WIDTH}, seed=3).save_pretrained(tmp_path)
    return tmp_path


def encoded(compressor: ArcEncoderModel) -> torch.Tensor:
    with torch.no_grad():
        return compressor.encode(*random_contexts([13, 5]))[0]


def test_same_architecture_gets_every_weight(trained: Path) -> None:
    compressor = tiny_compressor(widths={"a": 40, "b": WIDTH}, seed=4)
    load_compressor_weights(compressor, trained)
    saved = load_file(trained / "model.safetensors")
    state = compressor.state_dict()
    assert state.keys() == saved.keys()
    assert all(torch.equal(state[name], saved[name]) for name in saved)


@pytest.mark.parametrize(
    "pooling",
    [MeanPooling(8), MeanPooling(4, [2, 2]), LastPooling(2, where="block")],
    ids=["factor", "schedule", "operator"],
)
def test_pooling_may_differ(pooling: MeanPooling, trained: Path) -> None:
    compressor = tiny_compressor(pooling=pooling, widths={"a": 40, "b": WIDTH}, seed=4)
    load_compressor_weights(compressor, trained)
    fresh = type(pooling)(**pooling.settings())
    expected = tiny_compressor(pooling=fresh, widths={"a": 40, "b": WIDTH}, seed=3)
    assert torch.equal(encoded(compressor), encoded(expected))


def test_fresh_and_left_out_decoders(trained: Path) -> None:
    compressor = tiny_compressor(widths={"b": WIDTH, "new": 24}, seed=4)
    before = {name: tensor.clone() for name, tensor in compressor.state_dict().items()}
    load_compressor_weights(compressor, trained)
    saved, after = load_file(trained / "model.safetensors"), compressor.state_dict()
    assert not any(name.startswith("heads.a.") for name in after)
    for name, tensor in after.items():
        if name.startswith("heads.new."):
            assert torch.equal(tensor, before[name]), name
        else:
            assert torch.equal(tensor, saved[name]), name
            assert not torch.equal(tensor, before[name]), name


def test_decoder_whose_name_begins_as_anothers(trained: Path) -> None:
    compressor = tiny_compressor(widths={"a": 40, "a2": 24}, seed=4)
    before = compressor.heads["a2"].projector.layer1.weight.clone()
    load_compressor_weights(compressor, trained)
    assert torch.equal(compressor.heads["a2"].projector.layer1.weight, before)


def test_every_difference_is_named(trained: Path) -> None:
    heads = {"a": head_settings(24), "b": head_settings(WIDTH, task_tokens=False)}
    other = ArcEncoderModel.build(tiny_body(layers=3), MemoryTokens(3), heads)
    with pytest.raises(CheckpointError) as caught:
        load_compressor_weights(other, trained)
    message = str(caught.value)
    for part in (
        str(trained),
        "missing encoder.pooling.embeddings",
        "unexpected heads.b.task_tokens.continue",
        "unexpected heads.b.task_tokens.reconstruct",
        "heads.a.projector.layer2.weight: saved (40, 24), expected (24, 24)",
    ):
        assert part in message


def test_many_differences_are_counted(trained: Path) -> None:
    other = tiny_compressor(widths={"a": 40, "b": WIDTH}, layers=5)
    lacking = [f"missing encoder.backbone.layers.{i}" for i in (3, 4)]
    with pytest.raises(CheckpointError, match=r"and (\d+) more\.") as caught:
        load_compressor_weights(other, trained)
    assert lacking[0] in str(caught.value)
    own, saved = other.state_dict(), load_file(trained / "model.safetensors")
    total = len(own.keys() - saved.keys())
    assert f"and {total - 8} more" in str(caught.value)


def test_nothing_changes_when_it_is_refused(trained: Path) -> None:
    other = tiny_compressor(widths={"a": 24}, seed=4)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(CheckpointError):
        load_compressor_weights(other, trained)
    assert all(torch.equal(before[name], tensor) for name, tensor in other.state_dict().items())


@pytest.mark.parametrize("kept", [0, 5, 200, -10])
def test_damaged_file(kept: int, trained: Path) -> None:
    file = trained / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=f"{re.escape(str(file))} is damaged"):
        load_compressor_weights(tiny_compressor(), trained)


def test_missing_file(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match=f"{re.escape(str(folder))}.*model.safetensors is missing"):
            load_compressor_weights(tiny_compressor(), folder)


def test_file_of_something_else(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="another architecture"):
        load_compressor_weights(tiny_compressor(), tmp_path)


@pytest.fixture
def backbone(tmp_path: Path) -> Backbone:
    folder = tmp_path / "backbone"
    tiny_language_model(layers=4).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return Backbone(str(folder), truncate_layers=1)


def test_build_from_parts(backbone: Backbone) -> None:
    decoders = {"a": tiny_decoder(width=40), "b": tiny_decoder("gpt2")}
    projector = functools.partial(MLPProjector, bottleneck=24)
    model, tokenizer = build_arc_model(backbone, MeanPooling(4), projector, decoders, chunking=Chunking(10, 2))
    assert tokenizer.eos_token == "</s>"
    compressor = model.compressor
    assert len(compressor.encoder.backbone.layers) == 3
    assert (compressor.chunking.size, compressor.chunking.max_chunks) == (10, 2)
    assert {name: head.projector.out_dim for name, head in compressor.heads.items()} == {"a": 40, "b": WIDTH}
    assert all(head.extra_vectors() == 1 for head in compressor.heads.values())
    sample = [("plain", [1]), ("context", list(numbers(9))), ("target", list(numbers(3, 1)))]
    for name in decoders:
        assert model(make_batch([sample], decoder=name)).loss.isfinite()


def test_build_without_task_tokens_and_causal(backbone: Backbone) -> None:
    causal = Backbone(backbone.path, causal=True)
    model, _ = build_arc_model(causal, MeanPooling(4), MLPProjector, {"a": tiny_decoder()}, task_tokens=False)
    assert model.compressor.encoder.causal
    assert model.compressor.config.causal
    assert model.compressor.head("a").extra_vectors() == 0
    assert model.compressor.head("a").projector.bottleneck == 2048


def test_build_from_trained_weights(backbone: Backbone, tmp_path: Path) -> None:
    projector = functools.partial(MLPProjector, bottleneck=24)
    first, _ = build_arc_model(backbone, MeanPooling(8), projector, {"a": tiny_decoder()})
    with torch.no_grad():
        for parameter in first.compressor.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    first.compressor.save_pretrained(tmp_path / "trained")
    second, _ = build_arc_model(
        backbone, MeanPooling(4), projector, {"a": tiny_decoder()}, init_from=str(tmp_path / "trained")
    )
    first_state, second_state = first.compressor.state_dict(), second.compressor.state_dict()
    assert all(torch.equal(first_state[name], second_state[name]) for name in first_state)
    assert second.compressor.encoder.pooling.factor == 4
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        build_arc_model(backbone, MeanPooling(4), projector, {"a": tiny_decoder()}, init_from=str(tmp_path))


def test_too_many_steps_for_the_truncated_backbone(backbone: Backbone) -> None:
    with pytest.raises(ConfigError, match=r"4 steps.*only 3 blocks"):
        build_arc_model(backbone, MeanPooling(16, [2, 2, 2, 2]), MLPProjector, {"a": tiny_decoder()})


def test_a_chat_decoder_gets_no_task_tokens(tmp_path: Path) -> None:
    tiny_language_model().save_pretrained(tmp_path / "body")
    tiny_tokenizer().save_pretrained(tmp_path / "body")
    base, chat = tiny_decoder(), tiny_decoder()
    chat.chat = True
    model, _ = build_arc_model(
        Backbone(str(tmp_path / "body")), MeanPooling(4), MLPProjector, {"base": base, "chat": chat}, task_tokens=True
    )
    assert [model.compressor.head(name).extra_vectors() for name in ("base", "chat")] == [1, 0]
    with pytest.raises(CheckpointError, match="task tokens for all decoders or for none"):
        export_checkpoint(model.compressor, tmp_path / "released")
