"""Released encoders by hub name, as far as it can be tried without a hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from arc_encoder.core.errors import CheckpointError
from arc_encoder.inference import Compressor
from arc_encoder.model.checkpoint.pretrained import ArcEncoderModel
from arc_encoder.model.checkpoint.released import source
from tests.model.checkpoint.released.test_released import save_released
from tests.tiny_models import tiny_compressor, tiny_tokenizer

NAME = "kyutai/ARC8_Encoder_multi"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub that holds one released encoder for two decoders."""
    model = tiny_compressor(widths={"first": 16, "second": 16})
    checkpoint = save_released(tmp_path / "run", model) / "checkpoints" / "checkpoint_000010"
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"embedder_args": {}}))

    def cached(name: str, file: str, **_: object) -> str | None:
        return str(config) if (name, file) == (NAME, "config.json") else None

    def download(name: str, **_: object) -> str:
        assert name == NAME
        return str(checkpoint)

    monkeypatch.setattr(source, "cached_file", cached)
    monkeypatch.setattr(source, "snapshot_download", download)
    return checkpoint


def test_a_published_encoder_knows_its_decoders(hub: Path) -> None:
    model = ArcEncoderModel.from_pretrained(NAME, dtype=torch.float32)
    assert list(model.heads) == ["llama_3_1_8b", "mistral_7b_v0_3"]


def test_a_decoder_must_be_chosen_and_exist(hub: Path, tmp_path: Path) -> None:
    tiny_tokenizer().save_pretrained(tmp_path / "tokenizer")
    with pytest.raises(CheckpointError, match="serves several decoders; choose one with decoder_name=: llama_3_1_8b"):
        Compressor.from_pretrained(NAME, tokenizer=tmp_path / "tokenizer")
    with pytest.raises(CheckpointError, match="no projector for decoder 'gpt'"):
        Compressor.from_pretrained(NAME, tokenizer=tmp_path / "tokenizer", decoder_name="gpt")
    chosen = Compressor.from_pretrained(NAME, tokenizer=tmp_path / "tokenizer", decoder_name="mistral_7b_v0_3")
    assert chosen.compress(["a text"])[0].shape[1] == 16


def test_a_download_that_fails_is_told(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, **_: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr(source, "snapshot_download", broken)
    with pytest.raises(CheckpointError, match=f"{NAME} cannot be downloaded: no network"):
        ArcEncoderModel.from_pretrained(NAME)


def test_other_names_are_left_to_the_library(hub: Path) -> None:
    assert source.released_checkpoint("someone/else") is None
    assert source.released_checkpoint("/no/such/folder") is None
