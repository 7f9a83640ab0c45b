"""Released layouts: there and back to the last bit, in every place they may be, and what is wrong with them said."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from arc_encoder.core.errors import CheckpointError
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.released.checkpoint import find_checkpoint
from arc_encoder.model.checkpoint.released.export import export_checkpoint
from arc_encoder.model.encoder.pooling import FusionPooling, LastPooling, MeanPooling, MemoryTokens, Pooling, SumPooling
from arc_encoder.model.language_models.layouts.rotary import half_split, interleaved
from arc_encoder.model.language_models.layouts.shape import TransformerShape
from tests.tiny_models import WIDTH, head_settings, random_contexts, tiny_body, tiny_compressor

NAMES = ["decoder_0", "decoder_1"]


def save_released(folder: Path, model: ArcEncoderModel) -> Path:
    """A checkpoint folder with the backbone's params.json beside it."""
    checkpoint = folder / "checkpoints" / "checkpoint_000010"
    checkpoint.parent.mkdir(parents=True)
    export_checkpoint(model, checkpoint)
    params = json.loads((checkpoint / "params.json").read_text())
    (folder / "encoder_backbone").mkdir()  # as a run of the authors' code has it
    (folder / "encoder_backbone" / "params.json").write_text(json.dumps(params.pop("model_args")))
    (checkpoint / "params.json").write_text(json.dumps(params))
    return folder


def vectors(model: ArcEncoderModel, decoder: str) -> torch.Tensor:
    ids, lengths = random_contexts([13, 1, 30], padding=2)
    with torch.no_grad():
        found, counts = model(ids, lengths, decoder)
    valid: torch.Tensor = found[torch.arange(found.shape[1]) < counts[:, None]]
    return valid


def files(folder: Path) -> dict[str, Any]:
    return {
        "embedder": (folder / "embedder" / "consolidated.safetensors").read_bytes(),
        "bridge": (folder / "bridge_module" / "consolidated.safetensors").read_bytes(),
        "params": json.loads((folder / "params.json").read_text()),
    }


POOLINGS: list[Pooling] = [
    MeanPooling(4),
    LastPooling(3, where="block"),
    SumPooling(2, where="between"),
    FusionPooling(4, [2, 1, 2]),
    MeanPooling(vectors=6),
    MemoryTokens(5),
]


@pytest.mark.parametrize("pooling", POOLINGS, ids=lambda p: f"{type(p).__name__}-{getattr(p, 'vectors', None)}")
@pytest.mark.parametrize("decoders", [1, 2])
@pytest.mark.parametrize("task_tokens", [True, False])
def test_there_and_back(pooling: Pooling, decoders: int, task_tokens: bool, tmp_path: Path) -> None:
    model = tiny_compressor(
        pooling=pooling,
        widths=dict(zip(NAMES[:decoders], [16, 16], strict=False)),
        task_tokens=task_tokens,
        causal=True,
    )
    released = save_released(tmp_path / "run", model)
    loaded = ArcEncoderModel.from_pretrained(released)
    assert list(loaded.heads) == NAMES[:decoders]
    assert loaded.encoder.causal
    for name in NAMES[:decoders]:
        torch.testing.assert_close(vectors(loaded, name), vectors(model, name), atol=2e-5, rtol=1e-5)
    loaded.save_pretrained(tmp_path / "ours")
    export_checkpoint(ArcEncoderModel.from_pretrained(tmp_path / "ours"), tmp_path / "back")
    assert files(tmp_path / "back") == files(released / "checkpoints" / "checkpoint_000010")


def test_every_place_it_may_lie(tmp_path: Path) -> None:
    model = tiny_compressor(widths={"decoder_0": 16})
    run = save_released(tmp_path / "run", model)
    newest = run / "checkpoints" / "checkpoint_000010"
    shutil.copytree(newest, run / "checkpoints" / "checkpoint_000002")
    save_file({}, run / "checkpoints" / "checkpoint_000002" / "embedder" / "consolidated.safetensors")
    expected = vectors(model, "decoder_0")
    for place in (run, newest):  # of a run, the newest checkpoint
        torch.testing.assert_close(vectors(ArcEncoderModel.from_pretrained(place), "decoder_0"), expected)

    single = tmp_path / "single"  # the hub's layout
    single.mkdir()
    params = json.loads((newest / "params.json").read_text())
    shape = json.loads((run / "encoder_backbone" / "params.json").read_text())
    settings = {"embedder_args": params["embedder_params"], "bridge_args": params["bridge_module"], "model_args": shape}
    (single / "config.json").write_text(json.dumps(settings))
    tensors = {f"embedder.{k}": v for k, v in load_file(newest / "embedder" / "consolidated.safetensors").items()}
    tensors |= {
        f"bridge_module.{k}": v for k, v in load_file(newest / "bridge_module" / "consolidated.safetensors").items()
    }
    save_file(tensors, single / "model.safetensors")
    loaded = ArcEncoderModel.from_pretrained(single, decoders=["mine"])
    torch.testing.assert_close(vectors(loaded, "mine"), expected)
    export_checkpoint(loaded, tmp_path / "back")
    assert files(tmp_path / "back")["embedder"] == files(newest)["embedder"]

    alone = tmp_path / "alone"
    shutil.copytree(newest, alone)
    with pytest.raises(CheckpointError, match="does not say how many heads its encoder has; give the folder"):
        ArcEncoderModel.from_pretrained(alone)
    loaded = ArcEncoderModel.from_pretrained(alone, backbone=run / "encoder_backbone", dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.bfloat16}


def test_an_export_of_our_own_says_everything(tmp_path: Path) -> None:
    model = tiny_compressor(widths=dict.fromkeys(NAMES, 16))
    export_checkpoint(model, tmp_path / "out")
    loaded = ArcEncoderModel.from_pretrained(tmp_path / "out", decoders=["one", "two"])
    for ours, theirs in zip(NAMES, ["one", "two"], strict=True):
        torch.testing.assert_close(vectors(loaded, theirs), vectors(model, ours), atol=1e-4, rtol=1e-4)  # other order
    export_checkpoint(loaded, tmp_path / "back")
    assert files(tmp_path / "back") == files(tmp_path / "out")


def test_decoders_that_share_a_projector(tmp_path: Path) -> None:
    model = tiny_compressor(widths=dict.fromkeys(NAMES, 16))
    checkpoint = save_released(tmp_path / "run", model) / "checkpoints" / "checkpoint_000010"
    file = checkpoint / "bridge_module" / "consolidated.safetensors"
    save_file({k.removeprefix("0."): v for k, v in load_file(file).items() if k.startswith("0.")}, file)
    params = json.loads((checkpoint / "params.json").read_text())
    params["bridge_module"]["bridge_type"] = "mlp"
    (checkpoint / "params.json").write_text(json.dumps(params))
    loaded = ArcEncoderModel.from_pretrained(checkpoint)
    first, second = (loaded.head(name) for name in NAMES)
    assert torch.equal(first.projector.layer1.weight, second.projector.layer1.weight)
    assert not torch.equal(first.task_tokens["continue"], second.task_tokens["continue"])
    export_checkpoint(loaded, tmp_path / "back")
    assert files(tmp_path / "back") == files(checkpoint)
    with torch.no_grad():
        second.projector.layer1.weight.add_(1)
    with pytest.raises(CheckpointError, match="trained apart since"):
        export_checkpoint(loaded, tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    model = tiny_compressor(widths=dict.fromkeys(NAMES, 16))
    return save_released(tmp_path / "run", model) / "checkpoints" / "checkpoint_000010"


def change(checkpoint: Path, part: str, edit: Any) -> None:
    file = checkpoint / part / "consolidated.safetensors"
    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file)


def settings(checkpoint: Path, **entries: Any) -> None:
    params = json.loads((checkpoint / "params.json").read_text())
    params["embedder_params"] |= entries
    (checkpoint / "params.json").write_text(json.dumps(params))


def refused(checkpoint: Path, **options: Any) -> str:
    with pytest.raises(CheckpointError) as error:
        ArcEncoderModel.from_pretrained(checkpoint, **options)
    return str(error.value)


def test_all_missing_and_unknown_weights_are_named(checkpoint: Path) -> None:
    change(checkpoint, "embedder", lambda t: [t.pop("layers.1.attention.wo.weight"), t.pop("layers.2.ffn_norm.weight")])
    change(checkpoint, "bridge_module", lambda t: t.pop("1.layer2.weight"))
    assert "projector of layer1.weight" in refused(checkpoint) or "missing" in refused(checkpoint)
    change(checkpoint, "bridge_module", lambda t: t.update({"1.layer2.weight": t["0.layer2.weight"].clone()}))
    message = refused(checkpoint)
    assert "missing encoder.backbone.layers.1.self_attn.o_proj.weight" in message
    assert "missing encoder.backbone.layers.2.post_attention_layernorm.weight" in message
    change(checkpoint, "embedder", lambda t: t.update({"layers.0.lora.weight": torch.ones(1)}))
    assert "weights of no known name: embedder.layers.0.lora.weight" in refused(checkpoint)


def test_broken_files_are_named(checkpoint: Path) -> None:
    file = checkpoint / "embedder" / "consolidated.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    assert "consolidated.safetensors is damaged, cut off" in refused(checkpoint)
    file.unlink()
    (checkpoint / "embedder" / "consolidated.00.pth").write_bytes(pickle.dumps({"x": 1}))
    assert "Pickle files can run code" in refused(checkpoint)
    (checkpoint / "embedder" / "consolidated.00.pth").unlink()
    assert "holds no *.safetensors file" in refused(checkpoint)
    (checkpoint / "params.json").write_text("{")
    assert "params.json cannot be read" in refused(checkpoint)


def test_settings_that_contradict_the_weights(checkpoint: Path) -> None:
    settings(checkpoint, n_truncated_layers=1)
    assert "holds 3 layers, but 3 less n_truncated_layers=1 make 2" in refused(checkpoint)
    settings(checkpoint, n_truncated_layers=0, compress_rates=[8, -2])
    assert "compress_rates=[8, -2] cannot be loaded" in refused(checkpoint)
    settings(checkpoint, compress_rates=[-8], pooling_module={"pool_type": "max", "where": "before"})
    assert "pool_type='max' is unknown; known: mean, last, sum, fusion" in refused(checkpoint)
    settings(checkpoint, pooling_module={"pool_type": "mean", "where": "before"})
    assert "serves 2 decoders, but 1 names were given" in refused(checkpoint, decoders=["one"])
    backbone = checkpoint.parents[1] / "encoder_backbone" / "params.json"
    shape = json.loads(backbone.read_text())
    backbone.write_text(json.dumps({**shape, "n_heads": shape["n_heads"] * 2}))
    assert "layers.0.attention.wq.weight is" in refused(checkpoint)
    backbone.write_text(json.dumps({"dim": 8}))
    assert "does not say n_layers, n_heads, vocab_size" in refused(checkpoint)


def test_mixed_dtypes(checkpoint: Path) -> None:
    change(checkpoint, "bridge_module", lambda t: t.update({k: v.bfloat16() for k, v in t.items()}))
    assert "mixes the dtypes torch.bfloat16, torch.float32; choose one with `dtype`" in refused(checkpoint)
    assert ArcEncoderModel.from_pretrained(checkpoint, dtype=torch.float32).dtype is torch.float32


def test_one_task_token_alone(checkpoint: Path) -> None:
    change(checkpoint, "embedder", lambda t: [t.pop("rec_tok.0.weight"), t.pop("rec_tok.1.weight")])
    assert "has cont_tok alone; expected both task tokens or none" in refused(checkpoint)


def test_what_the_layout_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="family qwen3 cannot be written in the released layout"):
        export_checkpoint(tiny_compressor("qwen3"), tmp_path / "out")
    (tmp_path / "there").mkdir()
    with pytest.raises(CheckpointError, match="exists already"):
        export_checkpoint(tiny_compressor(), tmp_path / "there")


def test_rotary_layouts_are_inverse() -> None:
    weight = torch.arange(8 * 3).view(8, 3)
    assert torch.equal(interleaved(half_split(weight, 2), 2), weight)
    assert half_split(weight, 2)[:, 0].tolist() == [0, 6, 3, 9, 12, 18, 15, 21]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"multiple_of": 256}, (11008, 1e4)),  # Llama 2 7B
        ({"multiple_of": 1024, "ffn_dim_multiplier": 1.3, "rope_theta": 500000.0}, (14336, 5e5)),  # Llama 3.1 8B
        ({"hidden_dim": 14336}, (14336, 1e6)),  # Mistral 7B
    ],
)
def test_shapes_of_known_models(entries: dict[str, Any], expected: tuple[int, float]) -> None:
    params = {"dim": 4096, "n_layers": 32, "n_heads": 32, "vocab_size": 32000, **entries}
    shape = TransformerShape.from_params(params, "params.json")
    assert (shape.feed_forward, shape.rope_theta) == expected
    assert shape.kv_heads == 32


def test_other_folders_are_not_taken_for_released_ones(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    assert find_checkpoint(tmp_path) is None
    assert find_checkpoint(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gain": 1.0}, r"no place for a start or gain \(decoder d\)"),
        (
            {"start": {"name": "MeanEmbeddings", "settings": {"in_dim": WIDTH, "out_dim": WIDTH}}},
            r"no place for a start or gain \(decoder d\)",
        ),
    ],
)
def test_what_the_layout_cannot_hold_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    model = ArcEncoderModel.build(tiny_body(), MeanPooling(4), {"d": {**head_settings(WIDTH), **change}})
    with pytest.raises(CheckpointError, match=words):
        export_checkpoint(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_mixture_of_layers_is_refused(tmp_path: Path) -> None:
    model = ArcEncoderModel.build(tiny_body(), MeanPooling(4), {"d": head_settings(WIDTH)}, layer_mix=True)
    with pytest.raises(CheckpointError, match=r"no place for a mixture of layers \(model.layer_mix\)"):
        export_checkpoint(model, tmp_path / "out")
