"""AddToFolder: only the new decoder's head is trained, and it joins the others."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.assembly.extend import extend_arc_model
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.heads.projectors import MLPProjector
from arc_encoder.training.callbacks import AddToFolder
from arc_encoder.training.callbacks.saving.add_to_folder import add_heads
from tests.tiny_models import tiny_compressor, tiny_decoder, tiny_tokenizer
from tests.training.conftest import Fit, data_module, settings

PROJECTOR = functools.partial(MLPProjector, bottleneck=24)
FROZEN = settings(encoder_lr=0.0, train_encoder=False)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    tiny_compressor(widths={"old": 32}).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    (folder / "README.md").write_text("a model card")
    return folder


def added(folder: Path, name: str = "new") -> ArcEncoderModel:
    model, _ = extend_arc_model(str(folder), PROJECTOR, {name: tiny_decoder(width=48)})
    return model.compressor


def test_training_moves_the_new_head_alone_and_adds_it(published: Path, fit: Fit) -> None:
    before = load_file(published / "model.safetensors")
    model, _ = extend_arc_model(str(published), PROJECTOR, {"new": tiny_decoder(width=48)})
    start = {name: tensor.clone() for name, tensor in model.compressor.state_dict().items()}
    _, module = fit(AddToFolder(str(published)), model=model, data=data_module(["new"]), optim=FROZEN)
    trained = module.model.compressor.state_dict()
    moved = {name for name in start if not torch.equal(start[name], trained[name])}
    assert moved == {name for name in start if name.startswith("heads.new.") and not name.endswith("continue")}
    after = load_file(published / "model.safetensors")
    assert set(after) == set(trained)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(torch.equal(after[name], trained[name]) for name in after)
    assert set(json.loads((published / "config.json").read_text())["heads"]) == {"old", "new"}
    assert (published / "README.md").read_text() == "a model card"
    assert sorted(file.name for file in published.parent.glob("*published*")) in (
        ["published"],
        [".published.lock", "published"],
    )


def test_two_decoders_join_one_after_the_other(published: Path) -> None:
    first, second = added(published, "first"), added(published, "second")  # both started from the same folder
    add_heads(published, first, ["first"])
    add_heads(published, second, ["second"])
    assert set(ArcEncoderModel.from_pretrained(published).heads) == {"old", "first", "second"}


def test_a_name_that_was_taken_meanwhile_is_not_overwritten(published: Path) -> None:
    first, second = added(published), added(published)
    add_heads(published, first, ["new"])
    kept = (published / "model.safetensors").read_bytes()
    add_heads(published, first, ["new"])  # the same again changes nothing
    assert (published / "model.safetensors").read_bytes() == kept
    with pytest.raises(CheckpointError, match="serves new already"):
        add_heads(published, second, ["new"])
    assert (published / "model.safetensors").read_bytes() == kept


def test_another_encoder_in_the_folder_is_seen(published: Path) -> None:
    trained = added(published)
    weights = load_file(published / "model.safetensors")
    name = next(name for name in weights if name.startswith("encoder."))
    weights[name].view(-1)[0] += 1e-3
    save_file(weights, published / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="another encoder"):
        add_heads(published, trained, ["new"])


def test_a_folder_in_half_precision_stays_so(published: Path) -> None:
    ArcEncoderModel.from_pretrained(published, dtype=torch.bfloat16).save_pretrained(published)
    add_heads(published, added(published), ["new"])
    assert {tensor.dtype for tensor in load_file(published / "model.safetensors").values()} == {torch.bfloat16}


def test_a_folder_of_another_layout_is_refused_before_training(tmp_path: Path, fit: Fit) -> None:
    with pytest.raises(ConfigError, match=r"holds no config\.json"):
        fit(AddToFolder(str(tmp_path / "nothing")))
