"""ExportCompressor: a folder that is written atomically, and that loads as what was trained."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from arc_encoder.core.errors import ArcError, CheckpointError
from arc_encoder.inference import Compressor
from arc_encoder.training.callbacks import ContextWindowExtension, DecoderGuard, ExportBest, ExportCompressor
from arc_encoder.training.callbacks.safety.decoder_guard import DecoderChangedError
from tests.tiny_models import make_batch, numbers, tiny_tokenizer
from tests.training.callbacks.safety.test_decoder_guard import Spoil
from tests.training.conftest import Fit, data_module, two_decoders

TEXTS = ["a first document", "z", "and one that is quite a bit longer than the others are"]
FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_the_folder_loads_with_bit_identical_vectors(fit: Fit, tmp_path: Path) -> None:
    export = tmp_path / "run" / "compressor"
    window = ContextWindowExtension(8, 4)
    _, module = fit(window, ExportCompressor(str(export)), model=two_decoders(), data=data_module(("first", "second")))
    assert names(export) == FILES
    assert names(tmp_path / "run") == {"compressor"}
    for decoder in ("first", "second"):
        trained = Compressor(module.model.compressor, tiny_tokenizer(), decoder_name=decoder)
        loaded = Compressor.from_pretrained(export, decoder_name=decoder)
        assert (loaded.model.chunking.size, loaded.model.chunking.max_chunks) == (8, 4)
        for own, other in zip(trained.compress(TEXTS[:2]), loaded.compress(TEXTS[:2]), strict=True):
            assert torch.equal(own, other)
    weights = module.model.compressor.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in loaded.model.state_dict().items())


def test_an_earlier_export_is_replaced_whole(fit: Fit, tmp_path: Path) -> None:
    export = tmp_path / "compressor"
    export.mkdir()
    (export / "left-over.txt").write_text("old")
    fit(ExportCompressor(str(export)), steps=1)
    assert names(export) == FILES
    assert names(tmp_path) >= {"compressor"}
    assert not {".compressor.part", ".compressor.old"} & names(tmp_path)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def full_for_weights(*_: object, **__: object) -> None:
    raise SafetensorError("I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("error", [full, full_for_weights])
def test_an_export_that_fails_leaves_the_earlier_one_alone(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    export = tmp_path / "compressor"
    fit(ExportCompressor(str(export)), steps=1)
    before = {file.name: file.read_bytes() for file in export.iterdir()}
    data = data_module()
    monkeypatch.setattr(data.collator.encoder_tokenizer, "save_pretrained", error)
    with pytest.raises(CheckpointError, match=r"No space left.*the earlier one there is untouched.*resume the run"):
        fit(ExportCompressor(str(export)), data=data, steps=2)
    assert {file.name: file.read_bytes() for file in export.iterdir()} == before
    fresh = tmp_path / "fresh"
    with pytest.raises(CheckpointError, match="nothing was left there"):
        fit(ExportCompressor(str(fresh)), data=data, steps=1)
    assert names(tmp_path) == {"compressor"}


@pytest.mark.parametrize("moment", ["part", "between", "after"])
def test_an_export_that_was_killed_is_cleared_up_by_the_next_start(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """`moment` is when: while the fresh folder is written, between the two renames, before the old one is removed."""
    export = tmp_path / "compressor"
    fit(ExportCompressor(str(export)), steps=1)
    before = (export / "model.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        if moment == "part":
            patch.setattr("arc_encoder.core.atomic._sync", killed)
        elif moment == "between":
            patch.setattr("arc_encoder.core.atomic.os.replace", KilledAtSecond())
        else:
            patch.setattr("arc_encoder.core.atomic.sync_directory", KilledAtSecond(lambda folder: None))
        with pytest.raises(Killed):
            fit(ExportCompressor(str(export)), steps=2)
    assert (
        names(tmp_path)
        == {
            "part": {"compressor", ".compressor.part"},
            "between": {".compressor.part", ".compressor.old"},
            "after": {"compressor", ".compressor.old"},
        }[moment]
    )
    ExportCompressor(str(export)).setup(SimpleNamespace(is_global_zero=True), None, "fit")  # what a start does first
    assert names(tmp_path) == {"compressor"}
    assert names(export) == FILES
    assert ((export / "model.safetensors").read_bytes() == before) == (moment == "part")
    Compressor.from_pretrained(export, decoder_name="decoder")


class Killed(BaseException):
    """What stands for SIGKILL: nothing catches it."""


def killed(*_: object) -> None:
    raise Killed


class KilledAtSecond:
    """Works once, and is killed at its second call."""

    def __init__(self, function: Callable[..., None] = os.replace) -> None:
        self.function, self.calls = function, 0

    def __call__(self, *arguments: Any) -> None:
        self.calls += 1
        if self.calls == 2:
            raise Killed
        self.function(*arguments)


def test_no_compressor_is_published_when_a_decoder_has_changed(fit: Fit, tmp_path: Path) -> None:
    """Wherever the guard is among the callbacks, and at an export in the middle of the run."""
    for export in (ExportCompressor(str(tmp_path / "end")), ExportBest(str(tmp_path / "best"))):
        data = data_module(("first", "second"), validation={"again": data_module().tasks["reconstruction"]})
        with pytest.raises(DecoderChangedError, match="decoder 'second'"):
            fit(export, Spoil("second", "weight"), DecoderGuard(), model=two_decoders(), data=data)
        assert not export.folder.exists()


def test_a_run_without_the_data_module_is_told_what_is_missing(fit: Fit, tmp_path: Path) -> None:
    batch = make_batch([[("plain", [1]), ("context", list(numbers(5))), ("target", list(numbers(2)))]])
    with pytest.raises(ArcError, match="ArcDataModule"):
        fit(ExportCompressor(str(tmp_path / "compressor")), data=[batch], steps=1)
    assert not (tmp_path / "compressor").exists()
