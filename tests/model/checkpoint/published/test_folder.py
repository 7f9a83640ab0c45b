"""What a saved folder holds and what it refers to: untrained blocks, dtypes, and the backbone that is found again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from arc_encoder.commands.compressors import convert
from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.evaluation.session.session import open_session
from arc_encoder.inference import Compressor
from arc_encoder.model.assembly.build import build_arc_model, load_compressor_weights
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.pooling import MeanPooling
from arc_encoder.model.heads.projectors import MLPProjector
from arc_encoder.model.language_models.layouts.tokenizer import load_tokenizer
from tests.commands.conftest import Make
from tests.tiny_models import random_contexts, randomize, tiny_decoder
from tests.tiny_runs import save_tiny_model

NAME = "smollm2_135m"  # a name of the catalogue; what is there is tiny


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of models, with a tiny one in it."""
    folder = tmp_path / "models"
    monkeypatch.setenv("ARC_MODELS", str(folder))
    save_tiny_model(folder / NAME, width=64)
    return folder


def built(path: Path, seed: int = 0) -> ArcEncoderModel:
    """A fresh ARC-Encoder whose first layer and projector were trained, and nothing else."""
    model, _ = build_arc_model(
        Backbone(str(path)), MeanPooling(4), lambda i, o: MLPProjector(i, o, bottleneck=32), {"d": tiny_decoder()}
    )
    compressor = model.compressor
    randomize(compressor.encoder.backbone.layers[0], seed + 1)
    randomize(compressor.heads, seed + 2)
    return compressor


def vectors(compressor: ArcEncoderModel) -> torch.Tensor:
    ids, lengths = random_contexts([13, 5])
    with torch.no_grad():
        return compressor.float()(ids, lengths, "d")[0]


def test_what_was_not_trained_is_referred_to(models: Path, tmp_path: Path) -> None:
    compressor = built(models / NAME)
    compressor.save_pretrained(tmp_path / "out")
    stored = load_file(tmp_path / "out" / "model.safetensors")
    kept = {name for name in compressor.state_dict() if "layers.0" in name or name.startswith("heads")}
    assert set(stored) == kept
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["origin"]["name"], config["left_out"]) == (f"model:{NAME}", ["embed_tokens", "layers.1"])
    again = ArcEncoderModel.from_pretrained(tmp_path / "out")
    state = again.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in compressor.state_dict().items())
    again.save_pretrained(tmp_path / "twice")
    assert load_file(tmp_path / "twice" / "model.safetensors").keys() == stored.keys()


def test_no_path_of_this_machine_is_in_it(models: Path, tmp_path: Path) -> None:
    built(models / NAME).save_pretrained(tmp_path / "out")
    for file in (tmp_path / "out").glob("*.json"):
        assert str(tmp_path) not in file.read_text()
        assert not re.search(r'": "/', file.read_text())


def test_a_backbone_without_a_name_is_stored_whole(tmp_path: Path) -> None:
    compressor = built(save_tiny_model(tmp_path / "own", width=64))
    compressor.save_pretrained(tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == compressor.state_dict().keys()
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()


def test_all_of_it_if_wanted(models: Path, tmp_path: Path) -> None:
    compressor = built(models / NAME)
    compressor.save_pretrained(tmp_path / "out", whole=True)
    (models / NAME / "config.json").unlink()  # nothing is needed
    assert torch.equal(vectors(ArcEncoderModel.from_pretrained(tmp_path / "out")), vectors(compressor))


@pytest.mark.parametrize(("dtype", "share"), [("float32", 1.0), ("bfloat16", 0.52), ("int8", 0.45)])
def test_dtypes(models: Path, tmp_path: Path, dtype: str, share: float) -> None:
    compressor = built(models / NAME)
    sizes = []
    for name, wanted in (("whole", "float32"), ("small", dtype)):
        compressor.save_pretrained(tmp_path / name, dtype=wanted)
        sizes.append((tmp_path / name / "model.safetensors").stat().st_size)
    assert sizes[1] <= share * sizes[0]
    again = ArcEncoderModel.from_pretrained(tmp_path / "small")
    assert again.dtype == (torch.bfloat16 if dtype == "bfloat16" else torch.float32)
    cosine = torch.nn.functional.cosine_similarity(vectors(again), vectors(compressor), dim=-1)
    assert cosine[:, 0].min() > 0.999


def test_an_unknown_dtype(models: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dtype=int4 is unknown; choose one of float32, bfloat16, float16, int8"):
        built(models / NAME).save_pretrained(tmp_path / "out", dtype="int4")


def test_another_backbone_is_refused(models: Path, tmp_path: Path) -> None:
    compressor = built(models / NAME)
    compressor.save_pretrained(tmp_path / "out")
    elsewhere = tmp_path / "elsewhere"
    (models / NAME).rename(elsewhere)
    with pytest.raises(CheckpointError, match=rf"taken from model:{NAME}, but .*fetch it once"):
        ArcEncoderModel.from_pretrained(tmp_path / "out")
    assert torch.equal(
        vectors(ArcEncoderModel.from_pretrained(tmp_path / "out", backbone=elsewhere)), vectors(compressor)
    )
    save_tiny_model(models / NAME, width=64, seed=5)
    with pytest.raises(CheckpointError, match=r"is another one than .*: embed_tokens differs \(SHA-256"):
        ArcEncoderModel.from_pretrained(tmp_path / "out")
    with pytest.raises(CheckpointError, match=r"is another one than .*: embed_tokens differs"):
        load_compressor_weights(built(models / NAME), tmp_path / "out")


def test_an_evaluation_finds_a_backbone_elsewhere(models: Path, tmp_path: Path) -> None:
    compressor = built(models / NAME)
    compressor.save_pretrained(tmp_path / "out")
    elsewhere = tmp_path / "elsewhere"
    (models / NAME).rename(elsewhere)
    decoder = tiny_decoder()
    with pytest.raises(CheckpointError, match=f"taken from model:{NAME}"):
        open_session(decoder, "d", tmp_path / "out")
    session = open_session(decoder, "d", tmp_path / "out", backbone=str(elsewhere), encoder_tokenizer=str(elsewhere))
    remembered: Any = session.model.compressor
    assert torch.equal(vectors(remembered.compressor), vectors(compressor))


def test_training_starts_from_a_small_folder(models: Path, tmp_path: Path) -> None:
    trained, fresh = built(models / NAME), built(models / NAME, seed=9)
    trained.save_pretrained(tmp_path / "out", dtype="int8")
    load_compressor_weights(fresh, tmp_path / "out")
    cosine = torch.nn.functional.cosine_similarity(vectors(fresh), vectors(trained), dim=-1)
    assert cosine[:, 0].min() > 0.999
    assert fresh.config.origin == trained.config.origin


def test_a_tokenizer_that_comes_with_the_backbone(models: Path, tmp_path: Path) -> None:
    built(models / NAME).save_pretrained(tmp_path / "out")  # no tokenizer files
    assert len(Compressor.from_pretrained(tmp_path / "out").compress(["some text"])[0]) > 1


def test_a_copy_keeps_what_it_refers_to_and_its_dtype(models: Path, tmp_path: Path, make: Make) -> None:
    built(models / NAME).save_pretrained(tmp_path / "float32")
    run = make(convert.main)
    sizes = []
    for source, target, asked in (
        ("float32", "int8", "int8"),
        ("int8", "again", None),
        ("float32", "half", "bfloat16"),
    ):
        run(f"input={tmp_path / source}", f"output={target}", *([f"dtype={asked}"] if asked else []))
        assert json.loads((tmp_path / target / "config.json").read_text())["left_out"] == ["embed_tokens", "layers.1"]
        assert not any((tmp_path / target).glob("tokenizer*"))
        sizes.append((tmp_path / target / "model.safetensors").stat().st_size)
    assert sizes[0] == sizes[1]
    assert ArcEncoderModel.from_pretrained(tmp_path / "half").dtype == torch.bfloat16


def test_a_lost_scale_is_named(models: Path, tmp_path: Path) -> None:
    built(models / NAME).save_pretrained(tmp_path / "out", dtype="int8")
    file = tmp_path / "out" / "model.safetensors"
    tensors = load_file(file)
    lost = next(name for name in tensors if name.endswith(".scale"))
    save_file({name: tensor for name, tensor in tensors.items() if name != lost}, file)
    with pytest.raises(CheckpointError, match=f"lacks the weight '{re.escape(lost)}'"):
        ArcEncoderModel.from_pretrained(tmp_path / "out")


def test_a_folder_that_cannot_be_written_stays_what_it_was(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compressor = Compressor(built(models / NAME), load_tokenizer(models / NAME))
    folder = tmp_path / "out"
    compressor.save_pretrained(folder)
    (folder / "README.md").write_text("mine")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(ArcEncoderModel, "save_pretrained", full)
        with pytest.raises(CheckpointError, match=r"No space left.*untouched"):
            compressor.save_pretrained(folder, dtype="int8")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["models", "out"]
    compressor.save_pretrained(folder, dtype="int8")
    assert (folder / "README.md").read_text() == "mine"
    assert (folder / "model.safetensors").read_bytes() != before["model.safetensors"]
