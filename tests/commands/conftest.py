"""Commands run in this process, in an empty folder, on a tiny trained compressor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.evaluation.reporting.conftest import finished
from tests.tiny_runs import Command, model_overrides, run_train, save_tiny_model, short_overrides

__all__ = ["finished"]  # a fixture of the reports' tests, for their commands

Make = Callable[[Callable[[], None]], Command]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random language model with the byte tokenizer."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """Folder of a compressor that was trained for two steps, at factor 4, in front of the decoder `huggingface`."""
    run = tmp_path_factory.mktemp("trained")
    run_train(run, [*model_overrides(tiny_model), *short_overrides(steps=2)])
    return run / "compressor"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Make:
    """`make(main)` is a command that runs in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return lambda main: Command(main, monkeypatch, capsys)
