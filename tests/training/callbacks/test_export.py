"""ExportCompressor: a folder that is whole or not there, and that loads as what was trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from arc_encoder.errors import ArcError
from arc_encoder.inference import Compressor
from arc_encoder.training.callbacks import ContextWindowExtension, ExportCompressor
from tests.tiny_models import make_batch, numbers, tiny_tokenizer
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
        assert (loaded.model.chunking.size, loaded.model.chunking.most) == (8, 4)
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
    assert not {"compressor.part", "compressor.old"} & names(tmp_path)


def test_an_export_that_fails_leaves_the_earlier_one_alone(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = tmp_path / "compressor"
    fit(ExportCompressor(str(export)), steps=1)
    before = {file.name: file.read_bytes() for file in export.iterdir()}
    data = data_module()

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(data.collator.encoder_tokenizer, "save_pretrained", full)
    with pytest.raises(OSError, match="no space left"):
        fit(ExportCompressor(str(export)), data=data, steps=2)
    assert {file.name: file.read_bytes() for file in export.iterdir()} == before
    fresh = tmp_path / "fresh"
    with pytest.raises(OSError, match="no space left"):
        fit(ExportCompressor(str(fresh)), data=data, steps=1)
    assert not fresh.exists()


def test_a_run_without_the_data_module_is_told_what_is_missing(fit: Fit, tmp_path: Path) -> None:
    batch = make_batch([[("plain", [1]), ("context", list(numbers(5))), ("target", list(numbers(2)))]])
    with pytest.raises(ArcError, match="ArcDataModule"):
        fit(ExportCompressor(str(tmp_path / "compressor")), data=[batch], steps=1)
    assert not (tmp_path / "compressor").exists()
