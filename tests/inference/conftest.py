"""A compressor with random weights in front of a random decoder: what it says means nothing, but is always the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from arc_encoder.inference import Compressor
from arc_encoder.model.assembly.build import build_arc_model
from arc_encoder.model.decoder.load import load_decoder
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.pooling import MeanPooling
from arc_encoder.model.heads.projectors import MLPProjector
from tests.tiny_runs import save_tiny_model


@pytest.fixture(scope="session")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("decoder") / "tiny")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, language_model: Path) -> Path:
    """A saved compressor that was trained at factors 2, 4 and 8, as it says."""
    torch.manual_seed(1)
    model, tokenizer = build_arc_model(
        Backbone(str(language_model)), MeanPooling(4), MLPProjector, {"d": load_decoder(language_model)}
    )
    model.compressor.config.factors = [2.0, 4.0, 8.0]
    out = tmp_path_factory.mktemp("compressor") / "compressor"
    Compressor(model.compressor, tokenizer).save_pretrained(out)
    return out


@pytest.fixture(scope="session")
def compressor(folder: Path, language_model: Path) -> Compressor:
    return Compressor.from_pretrained(folder, decoder=language_model)
