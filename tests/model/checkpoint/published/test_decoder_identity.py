"""Another decoder than the one that was trained with is not taken for it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from arc_encoder.core.errors import CheckpointError
from arc_encoder.inference import Compressor
from arc_encoder.model.assembly.build import build_arc_model
from arc_encoder.model.decoder.load import FrozenDecoder, load_decoder
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.pooling import MeanPooling
from arc_encoder.model.heads.projectors import MLPProjector
from tests.tiny_runs import save_tiny_model


@pytest.fixture
def decoder(tmp_path: Path) -> Path:
    return save_tiny_model(tmp_path / "decoder")


@pytest.fixture
def trained(tmp_path: Path, decoder: Path) -> Path:
    """An ARC-Encoder that was trained without BOS."""
    model, tokenizer = build_arc_model(
        Backbone(str(decoder)), MeanPooling(4), MLPProjector, {"d": load_decoder(decoder, bos=False)}
    )
    Compressor(model.compressor, tokenizer).save_pretrained(tmp_path / "out")
    return tmp_path / "out"


def put_before(trained: Path, decoder: FrozenDecoder) -> Compressor:
    return Compressor.from_pretrained(trained, decoder=decoder)


def test_the_same_weights_in_any_dtype(trained: Path, decoder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for dtype in ("float32", "bfloat16", "auto"):
            put_before(trained, load_decoder(decoder, bos=False, dtype=dtype))


def test_other_weights(trained: Path, tmp_path: Path) -> None:
    other = save_tiny_model(tmp_path / "other", seed=3)
    with pytest.raises(CheckpointError, match="decoder 'd' has other weights than the one"):
        put_before(trained, load_decoder(other, bos=False))
    with pytest.warns(UserWarning, match="answers may make no sense"):
        put_before(trained, load_decoder(other, bos=False, check_weights=False))


def test_another_setting_is_told(trained: Path, decoder: Path) -> None:
    with pytest.warns(UserWarning, match=r"bos=true \(trained with false\)"):
        put_before(trained, load_decoder(decoder, bos=True))


def test_a_path_gets_the_trained_settings_and_the_stored_dtype(trained: Path, decoder: Path, tmp_path: Path) -> None:
    loaded = Compressor.from_pretrained(trained, decoder=decoder, dtype="bfloat16")
    assert loaded.decoder is not None
    assert (loaded.decoder.bos, loaded.decoder.chat) == (False, False)
    assert (loaded.decoder.model.dtype, loaded.model.dtype) == (torch.float32, torch.bfloat16)
    halved = Compressor.from_pretrained(trained, decoder=decoder, decoder_dtype="bfloat16")
    assert halved.decoder is not None
    assert halved.decoder.model.dtype == torch.bfloat16
    assert len(halved.generate(["a text"], max_new_tokens=2)) == 1


def test_a_decoder_with_a_name_is_told_by_it(trained: Path, decoder: Path, tmp_path: Path) -> None:
    named = FrozenDecoder(*parts(decoder), bos=False, name="model:smollm2_135m")
    model, tokenizer = build_arc_model(Backbone(str(decoder)), MeanPooling(4), MLPProjector, {"d": named})
    Compressor(model.compressor, tokenizer).save_pretrained(tmp_path / "named")
    assert model.compressor.config.heads["d"]["decoder"]["name"] == "model:smollm2_135m"
    other = FrozenDecoder(*parts(save_tiny_model(tmp_path / "other", seed=3)), bos=False, name="org/other")
    with pytest.raises(CheckpointError, match=r"\(org/other\).*in front of \(model:smollm2_135m\)"):
        put_before(tmp_path / "named", other)
    assert load_decoder(decoder).name is None


def parts(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    loaded = load_decoder(folder)
    return loaded.model, loaded.tokenizer
