"""The experiments on SmolLM2: each composes, fits, and can be built on the meta device before the model is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from arc_encoder.config.paths import configs_folder
from arc_encoder.config.validation.check import find_problems
from arc_encoder.config.validation.keys import keys_of
from arc_encoder.tools.planning.configured import UNREAD, parts_of
from arc_encoder.tools.planning.parts import count
from tests.tiny_runs import composed

ADDED = "chat"  # adds a decoder to a trained compressor, whose encoder it takes
EXPERIMENTS = sorted(
    file.stem for file in (configs_folder() / "experiment" / "smollm2").glob("*.yaml") if file.stem != ADDED
)


@pytest.fixture(autouse=True)
def _nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_MODELS", str(tmp_path))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_nothing_is_missing_but_model_and_data(name: str, tmp_path: Path) -> None:
    overrides = [f"experiment=smollm2/{name}", "paths.run=.", "ckpt=null"]
    config = composed(overrides, "plan")
    assert not {key for key in OmegaConf.missing_keys(config) if not key.startswith("hydra")}
    assert find_problems(config, keys=keys_of("plan"), ignored=UNREAD) == []
    told = find_problems(composed(overrides), keys=keys_of("train"), ignored=("data.", "model.init_from"))
    words = f"the model smollm2_135m is not in {tmp_path} yet; fetch it once with: arc-models get smollm2_135m"
    assert told == [f"model.encoder: no encoder backbone at '{tmp_path / 'smollm2_135m'}': {words}"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_can_be_built_on_the_meta_device(name: str) -> None:
    config = composed([f"experiment=smollm2/{name}", "paths.run=.", "ckpt=null"], "plan")
    parts = parts_of(config)
    assert len(parts.compressor.encoder.backbone.layers) == 30 - config.model.encoder.truncate_layers
    assert count(parts.decoders["smollm2_135m"].parameters()) == 134_515_008


def test_the_chat_form_begins_as_the_plain_one() -> None:
    config = composed([f"experiment=smollm2/{ADDED}", "paths.run=.", f"ckpt={configs_folder()}"])
    assert find_problems(config, keys=keys_of("train"), ignored=("data.", "model.init_from")) == []
    assert list(config.decoders) == ["smollm2_135m_instruct"]
    assert config.model.head_from == "smollm2_135m"
    assert not config.optim.train_encoder
