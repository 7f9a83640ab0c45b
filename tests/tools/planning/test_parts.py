"""Parameters of known models, counted without their weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from arc_encoder.core.errors import CheckpointError, ConfigError
from arc_encoder.model.encoder.backbone import Backbone
from arc_encoder.model.encoder.pooling import MeanPooling
from arc_encoder.model.heads.projectors import MLPProjector
from arc_encoder.tools.planning.parts import (
    ARCHITECTURES,
    Parts,
    build_parts,
    count,
    known_models,
    language_model,
    language_model_config,
    locate,
    size,
)
from arc_encoder.training.optim.optimizer import OptimSettings
from tests.tiny_models import tiny_language_model
from tests.tiny_runs import save_tiny_model

LINE = re.compile(r"\| `(?P<file>[\w.]+)\.json` \| (?P<hubs>[^|]+) \| (?P<total>[\d,]+)")
LLAMA = "meta-llama/Llama-3.1-8B"


def readme() -> list[tuple[str, list[str], int]]:
    lines = LINE.finditer((ARCHITECTURES / "README.md").read_text())
    return [(m["file"], re.findall(r"`([^`]+)`", m["hubs"]), int(m["total"].replace(",", ""))) for m in lines]


def paper(**options: Any) -> Parts:
    """The paper's encoder in front of Llama 3.1 8B."""
    return build_parts(
        Backbone("meta-llama/Llama-3.2-3B", truncate_layers=2),
        MeanPooling(8),
        MLPProjector,
        {"llama": (LLAMA, "bfloat16")},
        optim=OptimSettings(**options),
    )


def test_the_table_names_every_file() -> None:
    assert {name for name, _, _ in readme()} == {file.stem for file in ARCHITECTURES.glob("*.json")}
    assert {hub for _, hubs, _ in readme() for hub in hubs} == set(known_models())
    for name, hubs, _ in readme():
        assert json.loads((ARCHITECTURES / f"{name}.json").read_text())["hub_names"] == hubs


@pytest.mark.parametrize(("name", "hubs", "total"), readme(), ids=[name for name, _, _ in readme()])
def test_totals_are_those_of_the_published_models(name: str, hubs: list[str], total: int) -> None:
    model = language_model(hubs[0], "bfloat16")
    assert count(model.parameters()) == total
    assert size(model.parameters()) == 2 * total
    assert not any(p.requires_grad for p in model.parameters())


def test_the_papers_encoder_and_projector() -> None:
    parts = paper()
    assert count(parts.encoder_parameters()) == pytest.approx(3.0e9, rel=0.01)
    assert count(parts.projector_parameters()) == 3072 * 2048 + 2048 * 4096  # 14.7 M
    assert count(parts.task_token_parameters()) == 2 * 3072
    assert count(parts.decoders["llama"].parameters()) == pytest.approx(8.03e9, rel=0.001)


def test_a_frozen_encoder_is_frozen() -> None:
    parts = paper(train_encoder=False)
    assert not any(p.requires_grad for p in parts.encoder_parameters())
    assert all(p.requires_grad for p in parts.projector_parameters())


def test_a_folder_is_read(tmp_path: Path) -> None:
    save_tiny_model(tmp_path / "model", width=48)
    parts = build_parts(
        Backbone(str(tmp_path / "model")),
        MeanPooling(2),
        MLPProjector,
        {"mine": (str(tmp_path / "model"), "float32")},
        optim=OptimSettings(),
    )
    assert parts.compressor.encoder.width == 48
    assert count(parts.decoders["mine"].parameters()) == count(tiny_language_model(width=48).parameters())


def test_unknown_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"'nobody/nothing' is not known here.*config\.json.*meta-llama"):
        locate("nobody/nothing")
    with pytest.raises(CheckpointError, match=r"expected a config\.json"):
        language_model_config(str(tmp_path))
    with pytest.raises(ConfigError, match="'int3' is unknown; choose float32"):
        language_model(LLAMA, "int3")
    with pytest.raises(ConfigError, match="no decoder was given"):
        build_parts(Backbone(LLAMA), MeanPooling(8), MLPProjector, {}, optim=OptimSettings())
